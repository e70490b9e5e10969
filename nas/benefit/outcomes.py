"""Effects on other outcomes than the study's metric, and on the metric without its failures."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas.benefit.context import Metric, other_metrics
from nas.benefit.effects import can_decide, mostly_known
from nas.benefit.reading import with_worst
from nas.benefit.reference import Reference, headline_of
from nas.benefit.retrainings import worthwhile
from nas.benefit.sample import values_of
from nas.benefit.target import EPOCHS, find_target
from nas.trials import State, TrialRecord

_MANY_FAILURES = 0.1


def metric_effects(
    reference: Reference, repeats: Sequence[TrialRecord], metric: Metric
) -> dict[str, Any]:
    """Return the effects on the outcomes beside the study's metric, where they were measured.

    Args:
        reference: The design rows.
        repeats: Anchors, for the smallest effect of interest and the target.
        metric: The study's metric.
    """
    found, layers = {}, reference.frame.layers
    complete = [row for row in reference.rows if row.state is State.COMPLETE]
    for other in other_metrics(reference.context):
        if any(other.name in row.metrics for row in complete):
            limit = worthwhile(repeats, other, layers, None)
            values = values_of(reference.rows, with_worst(other, reference.rows))
            direction = "maximize" if other.sign > 0 else "minimize"
            found[other.name] = _effects(reference, values, direction, other.unit, limit)
    target = find_target(reference.rows, repeats, metric, layers)
    if target is not None:
        known = (target.epochs(row) for row in reference.rows)
        epochs = np.array([np.nan if own is None else own for own in known], np.float64)
        limit = {"value": None, "source": "none"}
        found[EPOCHS] = _effects(reference, -epochs, "minimize", "epochs", limit) | {
            "target": target.summary(epochs)
        }
    return found


def _effects(
    reference: Reference,
    values: np.ndarray,
    direction: str,
    unit: str | None,
    limit: dict[str, Any],
) -> dict[str, Any]:
    may_decide = mostly_known(int(np.isfinite(values).sum()), len(values))
    analysis = reference.analyse(values, limit["value"], may_decide=may_decide)
    effects = reference.effects(analysis)
    return {
        "direction": direction,
        "unit": unit,
        "sesoi": limit["value"],
        "sesoi_source": limit["source"],
        "headline": headline_of(effects),
        "effects": effects,
    }


def without_failed(
    reference: Reference, values: np.ndarray, limit: float | None
) -> dict[str, Any] | None:
    """Return the effects from complete rows alone, where failed ones are counted as outcomes."""
    table = reference.table
    scored = np.isfinite(values)
    complete = scored & ~table.diverged
    num_left_out = int(scored.sum() - complete.sum())
    if not num_left_out:
        return None
    # The few that survive are a selection, and decide no more than all rows together.
    may_decide = _may_decide(reference, values)
    kept = np.where(complete, values, np.nan)
    effects = reference.effects(reference.analyse(kept, limit, may_decide=may_decide))
    return {"n_left_out": num_left_out, "headline": headline_of(effects), "effects": effects}


def sensitivity(
    reference: Reference, values: np.ndarray, failed: np.ndarray, metric: Metric
) -> dict[str, Any] | None:
    """Return the effects on an outcome that failures cannot dominate; None up to 10% failures.

    A log-loss is capped at that of a network that guesses. Where that changes nothing, or the
    value of guessing is unknown, rows are replaced by their ranks: the effect is then in shares of
    the design rows that a network beats.

    Args:
        reference: The design rows.
        values: The study's metric, positive = better.
        failed: `not_trained` of the rows.
        metric: The study's metric.
    """
    share = float(np.nanmean(failed)) if np.isfinite(failed).any() else 0.0
    if share <= _MANY_FAILURES or not np.isfinite(values).any():
        return None
    outcome, unit, changed = _capped(values, metric)
    if changed is None:
        outcome, unit, changed = "ranks", "share of rows beaten", _ranks(values)
    may_decide = _may_decide(reference, values)
    analysis = reference.analyse(changed, None, may_decide=may_decide)
    effects = reference.effects(analysis)
    return {
        "outcome": outcome,
        "unit": unit,
        "share_failed": share,
        "headline": headline_of(effects),
        "effects": effects,
    }


def _may_decide(reference: Reference, values: np.ndarray) -> bool:
    is_known = mostly_known(int(np.isfinite(values).sum()), len(values))
    return is_known and can_decide(reference.table.scored(values))


def _capped(values: np.ndarray, metric: Metric) -> tuple[str, str | None, np.ndarray | None]:
    if not metric.name.endswith("log_loss") or metric.chance is None:
        return "ranks", None, None
    worst = metric.sign * metric.chance
    capped = np.maximum(values, worst)
    is_changed = bool((capped[np.isfinite(values)] > values[np.isfinite(values)]).any())
    return "log-loss capped at guessing", metric.unit, capped if is_changed else None


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return the share of the other rows that each row beats, ties counting half."""
    known = np.isfinite(values)
    ordered = np.sort(values[known])
    below = np.searchsorted(ordered, values[known], "left")
    above = np.searchsorted(ordered, values[known], "right")
    ranks = np.full(len(values), np.nan)
    ranks[known] = ((below + above - 1) / 2) / max(len(ordered) - 1, 1)
    return ranks
