"""The best architecture of the search, on fresh seeds, beside the full-identity network."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nas.benefit.context import BenefitContext, Metric, other_metrics, study_metric
from nas.benefit.ols import t_quantile
from nas.benefit.retrainings import by_anchor, finalist_means, outcomes, summarise
from nas.benefit.sample import kinds_of, layers_of
from nas.trials import State, TrialRecord

_TEST = ("test_log_loss", "test_accuracy")


def search_result(
    rows: Sequence[TrialRecord], repeats: Sequence[TrialRecord], context: BenefitContext
) -> dict[str, Any]:
    """Return the incumbent: the finalist of the best mean over fresh seeds."""
    metric = study_metric(context)
    result: dict[str, Any] = {
        "incumbent": None,
        "val_score": None,
        "retrained": None,
        "metrics": {},
        "test": {},
        "versus_identity": None,
        "winner_curse_gap": None,
        "n_finalists": 0,
        "random_search": None,
        "relative_improvement": None,
    }
    finalists = finalist_means(repeats, metric)
    if not finalists:
        return result
    best = max(finalists, key=lambda trial: (metric.sign * finalists[trial][1], -trial))
    group, mean = finalists[best]
    found = next((row.value for row in rows if row.number == best), None)
    others = {other.name: summarise(outcomes(group, other)) for other in other_metrics(context)}
    tests = {name: summarise(_measured(group, name)) for name in _TEST}
    return result | {
        "incumbent": _architecture(best, group),
        "val_score": found,
        "retrained": summarise(outcomes(group, metric)),
        "metrics": {name: value for name, value in others.items() if value["n"]},
        "test": {name: value for name, value in tests.items() if value["n"]},
        "versus_identity": _versus_identity(group, repeats, metric, len(finalists)),
        # Positive where the search saw the architecture better than it is.
        "winner_curse_gap": None if found is None else metric.sign * (found - mean),
        "n_finalists": len(finalists),
    }


def _architecture(trial: int, group: Sequence[TrialRecord]) -> dict[str, Any]:
    row = group[0]
    return {
        "trial": trial,
        "code": row.spec.code if row.spec is not None else None,
        "spec_id": row.spec_id,
        "layers": layers_of(row),
        "params": row.params,
        "macs": row.macs,
        "kinds": {str(place): kind.value for place, kind in kinds_of(row).items()},
        "seeds": sorted(row.seed for row in group if row.seed is not None),
        "failed": sum(row.state is State.FAILED for row in group),
    }


def _measured(group: Sequence[TrialRecord], name: str) -> list[float]:
    return [row.metrics[name] for row in group if name in row.metrics]


def _versus_identity(
    group: Sequence[TrialRecord],
    repeats: Sequence[TrialRecord],
    metric: Metric,
    num_finalists: int,
) -> dict[str, Any] | None:
    """Compare with the full-identity network of equal depth by Welch's interval.

    The incumbent is the best of several, so the verdict reads an interval that holds for all of
    them at once (Bonferroni); the plain 95% interval stands beside it.
    """
    name = f"identity-{layers_of(group[0])}"
    ours, theirs = outcomes(group, metric), outcomes(by_anchor(repeats).get(name, ()), metric)
    if not theirs:
        return None
    difference = metric.sign * (float(np.mean(ours)) - float(np.mean(theirs)))
    result: dict[str, Any] = {
        "name": name,
        "n": len(theirs),
        "difference": difference,
        "ci_low": None,
        "ci_high": None,
        "ci_pointwise": None,
        "verdict": "not distinguishable",
        "params": next((row.params for row in by_anchor(repeats)[name]), None),
    }
    spread = _welch(ours, theirs)
    if spread is None:
        return result
    se, df = spread
    half, half_sim = (t_quantile(df, 1 - 0.025 / count) * se for count in (1, num_finalists))
    if abs(difference) > half_sim:
        result["verdict"] = "better" if difference > 0 else "worse"
    return result | {
        "ci_low": difference - half_sim,
        "ci_high": difference + half_sim,
        "ci_pointwise": [difference - half, difference + half],
    }


def _welch(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float] | None:
    """Return standard error and Satterthwaite's degrees of freedom of a difference of means."""
    if min(len(ours), len(theirs)) < 2:
        return None
    parts = [float(np.var(values, ddof=1)) / len(values) for values in (ours, theirs)]
    total = sum(parts)
    if total == 0:
        return None
    freedom = [len(values) - 1 for values in (ours, theirs)]
    scale = sum(part**2 / df for part, df in zip(parts, freedom, strict=True))
    return math.sqrt(total), total**2 / scale
