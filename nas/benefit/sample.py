"""From trial records to the arrays of the estimator."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nas.benefit.context import Metric
from nas.space_kinds import BlockChoices
from nas.spans import all_spans_of, spans_of
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import Kind, Place

KINDS = tuple(Kind)
"""Order of the codes in `Sample.codes`: none, identity, projection."""

ENOUGH_ROWS = 24
"""In so many rows every kind that a block may have occurs: one of three is missing in 1 of 10,000
blocks of a balanced or random design, one of four spans among as many skips in 1 of 1,000."""

_SKIP = re.compile(r"^skip\.(stage[1-9]\d*\.block[1-9]\d*)$")
_DEPTH = re.compile(r"^depth\.stage([1-9]\d*)$")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Randomised rows that have an outcome, sorted; absent blocks have code -1."""

    places: tuple[Place, ...]
    codes: np.ndarray
    """Shape (rows, places), indices into `KINDS`."""
    depths: np.ndarray
    """Blocks per stage, shape (rows, stages)."""
    value: np.ndarray
    """The metric, positive = better, shape (rows,)."""
    cluster: np.ndarray
    """Index of the architecture, shape (rows,)."""
    diverged: np.ndarray
    """Whether the row counts at chance, shape (rows,)."""
    seconds: np.ndarray | None = None
    """Training time, NaN where it is unknown or the training did not end well, shape (rows,)."""
    spans: np.ndarray | None = None
    """Span of the shortest skip that ends at each block, 0 where none does, shape (rows, places);
    None: every skip has span 1."""
    choices: tuple[BlockChoices, ...] | None = None
    """What may end at each place; None: the same everywhere."""
    is_conditional: bool = False
    """Whether rows beyond a constraint were left out, so that kinds are neither equally likely nor
    drawn independently of each other."""

    @property
    def num_rows(self) -> int:
        """Rows with an outcome."""
        return len(self.value)

    @property
    def num_clusters(self) -> int:
        """Distinct architectures."""
        return len(np.unique(self.cluster))

    def num_rows_with(self, index: int) -> int:
        """Return the number of rows that have this place."""
        return int((self.codes[:, index] >= 0).sum())

    def spans_at(self, index: int) -> np.ndarray:
        """Return the span at one place in every row, 0 where no skip ends there."""
        if self.spans is None:
            return (self.codes[:, index] > 0).astype(np.int64)
        return self.spans[:, index]

    def choices_at(self, index: int) -> BlockChoices:
        """Return what may end at one place; the kinds that occur where nothing else is known."""
        if self.choices is not None:
            return self.choices[index]
        return BlockChoices(
            kinds=tuple(KINDS[code] for code in np.unique(self.codes) if code >= 0)
        )

    def may_compare(self, index: int, kinds: Iterable[Kind], reference: Kind) -> bool:
        """Say whether one place may have the reference and one of the kinds."""
        own = self.choices_at(index).kinds
        return reference in own and any(kind in own for kind in kinds)


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
    if row.spec is not None:
        return row.spec.spec_id
    if row.spec_id is not None:
        return row.spec_id
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


def make_sample(
    rows: Sequence[TrialRecord],
    places: Sequence[Place],
    metric: Metric,
    choices: tuple[BlockChoices, ...] | None = None,
    *,
    is_conditional: bool = False,
) -> Sample:
    """Collect the rows that have an outcome; `rows` are sorted, randomised and finished."""
    kept = [(row, outcome_of(row, metric)) for row in rows]
    scored = [(row, value) for row, value in kept if value is not None]
    kinds = [kinds_of(row) for row, _ in scored]
    codes = [[_code(found, place) for place in places] for found in kinds]
    found_spans = [spans_of(row) for row, _ in scored]
    spans = [[found.get(place, 0) for place in places] for found in found_spans]
    names = [architecture_of(row) for row, _ in scored]
    index = {name: number for number, name in enumerate(dict.fromkeys(names))}
    num_stages = max((place.stage for place in places), default=0)
    depths = [[_at(depths_of(row), stage) for stage in range(num_stages)] for row, _ in scored]
    return Sample(
        places=tuple(places),
        codes=np.array(codes, dtype=np.int64).reshape(len(scored), len(places)),
        depths=np.array(depths, dtype=np.int64).reshape(len(scored), num_stages),
        value=metric.sign * np.array([value for _, value in scored], dtype=np.float64),
        cluster=np.array([index[name] for name in names], dtype=np.int64),
        diverged=np.array([row.state is State.FAILED for row, _ in scored], dtype=bool),
        seconds=np.array([_seconds(row) for row, _ in scored], dtype=np.float64),
        spans=np.array(spans, dtype=np.int64).reshape(len(scored), len(places)),
        choices=choices,
        is_conditional=is_conditional,
    )


def _seconds(row: TrialRecord) -> float:
    """A training that diverged is short for that reason, not for its network."""
    known = row.seconds is not None and row.state is State.COMPLETE
    return float(row.seconds or 0.0) if known else np.nan


def _code(kinds: dict[Place, Kind], place: Place) -> int:
    return KINDS.index(kinds[place]) if place in kinds else -1


def _at(depths: tuple[int, ...], stage: int) -> int:
    return depths[stage] if stage < len(depths) else 0
