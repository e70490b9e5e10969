"""Anchors, finalists and noise: what retraining on fresh seeds says."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nas.benefit.context import BenefitContext, Metric, other_metrics, study_metric
from nas.benefit.sample import architecture_of, kinds_of, layers_of, outcome_of
from nas.finalists import summarise
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import Kind

_LAYERS = re.compile(r"-(\d+)$")


def spread_row(values: Sequence[float], step: float = 0.0) -> dict[str, Any]:
    """Return n, mean, sd and the t interval of the mean; null where n is too small.

    The interval is null too where the values differ by less than they can show.

    Args:
        values: One per seed.
        step: Smallest difference that the metric can show.
    """
    if not values:
        return {"n": 0, "mean": None, "sd": None, "ci": None}
    found = summarise(values)
    known = found.low is not None and not is_rounded_away(found.sd, step)
    ci = [found.low, found.high] if known else None
    return {"n": found.n, "mean": found.mean, "sd": found.sd, "ci": ci}


def is_rounded_away(sd: float | None, step: float) -> bool:
    """Say whether a standard deviation is no more than what rounding to steps makes by itself.

    Equal values of a few seeds then say that their noise was not seen, and not that there is none.
    """
    return sd is not None and sd <= step / math.sqrt(12)


def outcomes(rows: Iterable[TrialRecord], metric: Metric) -> list[float]:
    """Return the metric of the rows that have one, diverged ones at chance."""
    found = (outcome_of(row, metric) for row in rows)
    return [value for value in found if value is not None]


def spread_of(rows: Iterable[TrialRecord], metric: Metric) -> dict[str, Any]:
    """Return `spread_row` of a metric of the rows that have one."""
    return spread_row(outcomes(rows, metric), metric.step)


def by_anchor(repeats: Iterable[TrialRecord]) -> dict[str, list[TrialRecord]]:
    """Group the finished anchors by name, shallow first."""
    groups: dict[str, list[TrialRecord]] = defaultdict(list)
    for row in repeats:
        if row.source is Source.ANCHOR and row.state.is_finished:
            groups[row.name or architecture_of(row)].append(row)
    return dict(sorted(groups.items(), key=lambda item: (_depth(*item) or 0, item[0])))


def _depth(name: str, rows: Sequence[TrialRecord]) -> int | None:
    if kinds_of(rows[0]):
        return layers_of(rows[0])
    match = _LAYERS.search(name)
    return int(match[1]) if match else None


def anchor_rows(repeats: Sequence[TrialRecord], context: BenefitContext) -> list[dict[str, Any]]:
    """Return one row per anchor: the study's metric, and the others beside it."""
    rows = []
    for name, group in by_anchor(repeats).items():
        others = {metric.name: spread_of(group, metric) for metric in other_metrics(context)}
        rows.append(
            {
                "name": name,
                "depth": _depth(name, group),
                **spread_of(group, study_metric(context)),
                "failed": sum(row.state is State.FAILED for row in group),
                "metrics": {key: value for key, value in others.items() if value["n"]},
            }
        )
    return rows


def worthwhile(
    repeats: Sequence[TrialRecord], metric: Metric, layers: int | None, sesoi: float | None
) -> dict[str, Any]:
    """Return the smallest effect of interest and where it comes from.

    The user's; else 5% of what all identities gain over the plain network at the reference depth,
    and at least the metric's floor.
    """
    if sesoi is not None and metric.is_study_metric:
        return {"value": sesoi, "source": "user"}
    groups = by_anchor(repeats)
    plain, identity = (
        outcomes(groups.get(f"{name}-{layers}", ()), metric) for name in ("plain", "identity")
    )
    if plain and identity:
        gain = metric.sign * (float(np.mean(identity)) - float(np.mean(plain)))
        share = 0.05 * gain
        if share > (metric.floor or 0.0):
            return {"value": share, "source": "5% of full identity minus plain"}
    return {"value": metric.floor, "source": "none" if metric.floor is None else "floor"}


def noise(
    rows: Sequence[TrialRecord],
    repeats: Sequence[TrialRecord],
    metric: Metric,
    layers: int | None,
) -> dict[str, Any]:
    """Compare the spread over seeds with the spread over random architectures.

    Seeds: sample variance pooled over the architectures trained at least twice. Plain networks
    are left out where others were repeated, and other depths where the reference depth was: the
    design holds neither. So are paired retrainings, of plain networks with one skip among others.
    """
    groups: dict[tuple[Any, ...], list[TrialRecord]] = defaultdict(list)
    unpaired = [row for row in repeats if row.source is not Source.PAIRED]
    for row in [*unpaired, *(row for row in rows if row.source is Source.RANDOMISED)]:
        if outcome_of(row, metric) is not None:
            # A finalist's first value was chosen for being good: no repeat of the later ones.
            is_design = row.source is Source.RANDOMISED
            # Equal networks by unequal recipes differ in more than their seeds.
            groups[architecture_of(row), row.training[1:], is_design].append(row)
    repeated = [group for group in groups.values() if len(group) > 1]
    for keep in (
        lambda group: layers_of(group[0]) == layers,
        lambda group: set(kinds_of(group[0]).values()) != {Kind.NONE},
    ):
        repeated = [group for group in repeated if keep(group)] or repeated
    values = [np.array(outcomes(group, metric)) for group in repeated]
    freedom = sum(len(value) - 1 for value in values)
    squares = sum(float(np.sum((value - value.mean()) ** 2)) for value in values)
    within = math.sqrt(squares / freedom) if freedom else None
    between = spread_row(
        outcomes((row for row in rows if row.source is Source.RANDOMISED), metric)
    )["sd"]
    return {
        "sd_within_arch": within,
        "sd_between_arch": between,
        "ratio": between / within if between is not None and within else None,
        "seed_corr": None,
        "n_replicated": len(repeated),
        "replicate_df": freedom,
        "lack_of_fit_p": None,
    }


def by_finalist(repeats: Iterable[TrialRecord]) -> dict[int, list[TrialRecord]]:
    """Group the finished finalists by the search trial that they retrain."""
    groups: dict[int, list[TrialRecord]] = defaultdict(list)
    for row in repeats:
        if row.source is Source.FINALIST and row.state.is_finished and row.of_trial is not None:
            groups[row.of_trial].append(row)
    return dict(sorted(groups.items()))
