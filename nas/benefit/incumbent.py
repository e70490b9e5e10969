"""The best architecture of the search, on fresh seeds, beside the full-identity network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nas.benefit.context import BenefitContext, Metric, other_metrics, step_of, study_metric
from nas.benefit.reading import with_worst
from nas.benefit.retrainings import (
    by_finalist,
    is_rounded_away,
    outcomes,
    spread_of,
    spread_row,
)
from nas.benefit.sample import (
    depths_of,
    is_full_identity,
    kinds_of,
    layers_of,
    randomised,
)
from nas.errors import TableError
from nas.finalists import best_finalist, welch
from nas.trials import Source, State, TrialRecord

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
    finalists = by_finalist(repeats)
    best = _best(finalists, context)
    if best is None:
        return result
    group = finalists[best]
    mean = float(np.mean(outcomes(group, metric)))
    found = next((row.value for row in rows if row.number == best), None)
    others = {other.name: spread_of(group, other) for other in other_metrics(context)}
    tests = {
        name: spread_row(_measured(group, name), step_of(name, context.num_test)) for name in _TEST
    }
    return result | {
        "incumbent": _architecture(best, group),
        "val_score": found,
        "retrained": spread_of(group, metric),
        "metrics": {name: value for name, value in others.items() if value["n"]},
        "test": {name: value for name, value in tests.items() if value["n"]},
        "versus_identity": _versus_identity(group, repeats, context, len(finalists)),
        # Positive where the search saw the architecture better than it is.
        "winner_curse_gap": None if found is None else metric.sign * (found - mean),
        "n_finalists": len(finalists),
        **_versus_random(rows, group[0], mean, metric),
    }


def _versus_random(
    rows: Sequence[TrialRecord], winner: TrialRecord, mean: float, metric: Metric
) -> dict[str, Any]:
    """Compare with the mean network of a random search: the design rows of the same depth.

    Neither mean was chosen by the values that it is of. `relative_improvement` is in percent of
    the random mean, positive where the winner is better.
    """
    own = [row for row in randomised(rows) if depths_of(row) == depths_of(winner)]
    values = outcomes(own, with_worst(metric, own))
    if not values:
        return {}
    spread = spread_row(values, metric.step)
    random = spread["mean"]
    gain = metric.sign * (mean - random)
    return {
        "random_search": spread | {"layers": layers_of(winner), "grade": "randomised"},
        "relative_improvement": 100 * gain / abs(random) if random else None,
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


def _best(finalists: Mapping[int, Sequence[TrialRecord]], context: BenefitContext) -> int | None:
    """Return the search trial of the winner, the same one that is exported."""
    runs = [run for group in finalists.values() for run in group]
    try:
        return best_finalist(runs, context.direction).winner.of_trial
    except TableError:
        return None


def _versus_identity(
    group: Sequence[TrialRecord],
    repeats: Sequence[TrialRecord],
    context: BenefitContext,
    num_finalists: int,
) -> dict[str, Any] | None:
    """Compare with the full-identity network of equal depth by Welch's interval.

    The incumbent is the best of several, so the verdict reads an interval that holds for all of
    them at once (Bonferroni); the plain 95% interval stands beside it.
    """
    metric, rivals = study_metric(context), _full_identity(group[0], repeats)
    ours, theirs = outcomes(group, metric), outcomes(rivals, metric)
    if not theirs:
        return None
    spread = spread_row(theirs, metric.step)
    others = {other.name: spread_of(rivals, other) for other in other_metrics(context)}
    ours = [metric.sign * value for value in ours]
    theirs = [metric.sign * value for value in theirs]
    pointwise = welch(ours, theirs)
    joint = welch(ours, theirs, level=1 - 0.05 / num_finalists)
    if all(is_rounded_away(spread_row(side)["sd"], metric.step) for side in (ours, theirs)):
        # Neither side has shown its noise, so that nothing can be said against it.
        pointwise, joint = (replace(found, low=None, high=None) for found in (pointwise, joint))
    return {
        "name": rivals[0].name or f"identity-{layers_of(rivals[0])}",
        **spread,
        "metrics": {name: value for name, value in others.items() if value["n"]},
        "difference": joint.difference,
        "ci_low": joint.low,
        "ci_high": joint.high,
        "ci_pointwise": None if pointwise.low is None else [pointwise.low, pointwise.high],
        "verdict": joint.outcome("maximize").value,
        "params": rivals[0].params,
    }


def _full_identity(ours: TrialRecord, repeats: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the anchors of our depths with an identity in every block.

    Several depth plans can have the same number of layers, so the name alone does not tell. Width,
    block type and recipe are ours too, where both are known.
    """
    anchors = [row for row in repeats if row.source is Source.ANCHOR and row.state.is_finished]
    return [row for row in anchors if is_full_identity(row) and _differ_in_skips_alone(row, ours)]


def _differ_in_skips_alone(one: TrialRecord, other: TrialRecord) -> bool:
    if one.spec is not None and other.spec is not None:
        is_alike = one.spec.with_skips([]) == other.spec.with_skips([])
    else:
        is_alike = depths_of(one) == depths_of(other)
    recipes = zip(one.training[1:], other.training[1:], strict=True)
    return is_alike and all(None in pair or pair[0] == pair[1] for pair in recipes)
