"""What one row says: kinds, depths, architecture, outcome; and which rows of many there are."""

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

from nas.benefit.context import Metric
from nas.spans import all_spans_of
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import Kind, Place

_SKIP = re.compile(r"^skip\.(stage[1-9]\d*\.block[1-9]\d*)$")
_DEPTH = re.compile(r"^depth\.stage([1-9]\d*)$")


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

    A diverged training is an outcome: it counts as a network that guesses, or with its last
    value where that is not known. So is the last value of a failure without a reason, as tables
    have them. Trainings that failed for want of memory or of a machine say nothing.
    """
    value = row.value if metric.is_study_metric else row.metrics.get(metric.name)
    recorded = value if value is not None and np.isfinite(value) else None
    if row.state is State.COMPLETE:
        return recorded
    if row.state is State.FAILED and row.reason == "diverged":
        return recorded if metric.chance is None else metric.chance
    if row.state is State.FAILED and row.reason is None:
        return recorded
    return None


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
