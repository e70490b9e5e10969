"""What one row says: kinds, depths, architecture, outcome; and which rows of many there are."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from nas.benefit.context import Metric
from nas.spans import all_spans_of
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import Kind, Place

_SKIP = re.compile(r"^skip\.(stage[1-9]\d*\.block[1-9]\d*)$")
_DEPTH = re.compile(r"^depth\.stage([1-9]\d*)$")

Counted = Literal["chance", "last", "worst", "left_out"]
"""What a failed row counts at: guessing, its own last value, the worst complete row, nothing."""


def kinds_of(row: TrialRecord) -> dict[Place, Kind]:
    """Return the kind of every block, from the spec or else from the decisions.

    It is the kind of the shortest skip that ends at the block, whatever its span.
    """
    if row.spec is not None:
        return dict(zip(row.spec.places(), row.spec.ending_kinds, strict=True))
    found = {}
    for name, value in row.decisions.items():
        match = _SKIP.match(name)
        if match:
            found[Place.parse(match[1])] = Kind(str(value))
    return dict(sorted(found.items()))


def is_full_identity(row: TrialRecord) -> bool:
    """Say whether every block has an identity of span 1, and nothing else."""
    if row.spec is not None:
        return row.spec.is_full_identity
    return set(kinds_of(row).values()) == {Kind.IDENTITY} and all(
        spans == (1,) for spans in all_spans_of(row).values()
    )


def depths_of(row: TrialRecord) -> tuple[int, ...]:
    """Return the blocks per stage, from the spec, the depth decisions or the blocks named."""
    if row.spec is not None:
        return row.spec.depths
    depths: dict[int, int] = {}
    for name, value in row.decisions.items():
        match = _DEPTH.match(name)
        if match:
            depths[int(match[1])] = int(value)
    for place in kinds_of(row):
        depths[place.stage] = max(depths.get(place.stage, 0), place.block)
    return tuple(depths.get(stage, 0) for stage in range(1, max(depths, default=0) + 1))


def layers_of(row: TrialRecord) -> int:
    """Return the layers with weights; where they are unknown stem, classifier, two per block."""
    return 2 * sum(depths_of(row)) + 2 if row.layers is None else row.layers


def block_layers_of(row: TrialRecord) -> int:
    """Return the layers with weights per block; 2 where they are unknown."""
    if row.spec is not None:
        return row.spec.block_layers
    return (layers_of(row) - 2) // max(sum(depths_of(row)), 1)


def architecture_of(row: TrialRecord) -> str:
    """Return a name that equal architectures share."""
    # The id first: a spec is read from its JSON only when it is asked for.
    if row.spec_id is not None:
        return row.spec_id
    if row.spec is not None:
        return row.spec.spec_id
    return repr(sorted((name, str(value)) for name, value in row.decisions.items()))


def outcome_of(row: TrialRecord, metric: Metric) -> float | None:
    """Return the metric in its own unit, or None where the row says nothing about it.

    A diverged training is an outcome: see `failure_of`. Pruned ones say nothing.
    """
    if row.state is State.COMPLETE:
        return _recorded(row, metric)
    return failure_of(row, metric)[0] if row.state is State.FAILED else None


def failure_of(row: TrialRecord, metric: Metric) -> tuple[float | None, Counted]:
    """Return the value that a failed row counts at, in the metric's own unit, and which it is.

    A diverged training counts as a network that guesses, or with its last value where that is
    unknown. A failure without a reason, as tables have them, is a divergence with the value that
    stands there. Where neither is known it counts at `metric.worst`: without it the networks that
    survive would be compared, which are a selection. Trainings that failed for want of memory or
    of a machine say nothing.
    """
    recorded, chance, worst = _recorded(row, metric), metric.chance, metric.worst
    ways: list[tuple[float | None, Counted]] = []
    if row.reason == "diverged":
        ways = [(chance, "chance"), (recorded, "last"), (worst, "worst")]
    elif row.reason is None:
        ways = [(recorded, "last"), (chance, "chance"), (worst, "worst")]
    return next((way for way in ways if way[0] is not None), (None, "left_out"))


def with_worst(metric: Metric, rows: Sequence[TrialRecord]) -> Metric:
    """Return the metric with the worst value of these complete rows, where guessing is unknown."""
    own = [_recorded(row, metric) for row in rows if row.state is State.COMPLETE]
    known = [metric.sign * value for value in own if value is not None]
    if metric.chance is not None or not known:
        return metric
    return replace(metric, worst=metric.sign * min(known))


def _recorded(row: TrialRecord, metric: Metric) -> float | None:
    value = row.value if metric.is_study_metric else row.metrics.get(metric.name)
    return value if value is not None and np.isfinite(value) else None


def places_of_depths(depths: Iterable[int]) -> tuple[Place, ...]:
    """Return all blocks of a network with these blocks per stage."""
    return tuple(
        Place(stage, block)
        for stage, num_blocks in enumerate(depths, start=1)
        for block in range(1, num_blocks + 1)
    )


def sort_rows(rows: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the rows in an order that does not depend on how they came."""
    return sorted(
        rows, key=lambda row: (row.number, row.seed or 0, architecture_of(row), row.value or 0.0)
    )


def randomised(rows: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the finished rows of the design."""
    return [row for row in rows if row.source is Source.RANDOMISED and row.state.is_finished]


def plans(rows: Iterable[TrialRecord]) -> list[tuple[int, ...]]:
    """Return the depth plans of the rows, the most frequent first, the deeper first in a tie."""
    counts = Counter(depths_of(row) for row in rows)
    return sorted(counts, key=lambda plan: (-counts[plan], -sum(plan), plan))
