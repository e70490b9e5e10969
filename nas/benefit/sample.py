"""From trial records to the arrays of the estimator."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nas.benefit.context import Metric
from nas.benefit.grid import KINDS, Grid, grid_of
from nas.benefit.rates import rate_columns
from nas.benefit.reading import (
    architecture_of,
    block_layers_of,
    depths_of,
    is_full_identity,
    kinds_of,
    layers_of,
    outcome_of,
    places_of_depths,
    plans,
    randomised,
    sort_rows,
)
from nas.space_kinds import BlockChoices
from nas.trials import State, TrialRecord
from search_spaces.spec import Kind, Place

__all__ = [
    "ENOUGH_ROWS",
    "KINDS",
    "Sample",
    "architecture_of",
    "block_layers_of",
    "depths_of",
    "is_full_identity",
    "kinds_of",
    "layers_of",
    "make_sample",
    "outcome_of",
    "places_of_depths",
    "plans",
    "randomised",
    "sort_rows",
    "tabulate",
    "values_of",
]

ENOUGH_ROWS = 24
"""In so many rows every kind that a block may have occurs: one of three is missing in 1 of 10,000
blocks of a balanced or random design, one of four spans among as many skips in 1 of 1,000."""


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
    """Whether the row failed and counts at chance or the like, shape (rows,)."""
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
    covariates: np.ndarray | None = None
    """What rows also differ in, such as the learning rate as a factor, shape (rows, columns);
    effects are averages over it. None: nothing."""

    @property
    def num_rows(self) -> int:
        """Rows with an outcome."""
        return len(self.value)

    @property
    def num_clusters(self) -> int:
        """Distinct architectures."""
        return len(np.unique(self.cluster))

    def where(self, mask: np.ndarray) -> "Sample":
        """Return the rows of a mask; covariates that no longer vary are left out."""
        columns = None if self.covariates is None else self.covariates[mask]
        if columns is not None:
            columns = columns[:, np.ptp(columns, axis=0) > 0] if len(columns) else columns[:, :0]
        return replace(
            self,
            codes=self.codes[mask],
            depths=self.depths[mask],
            value=self.value[mask],
            cluster=np.unique(self.cluster[mask], return_inverse=True)[1],
            diverged=self.diverged[mask],
            seconds=None if self.seconds is None else self.seconds[mask],
            spans=None if self.spans is None else self.spans[mask],
            covariates=columns,
        )

    def scored(self, value: np.ndarray) -> "Sample":
        """Return the rows with another outcome, positive = better; those with NaN are left out."""
        return replace(self, value=value).where(np.isfinite(value))

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


def make_sample(
    rows: Sequence[TrialRecord],
    places: Sequence[Place],
    metric: Metric,
    choices: tuple[BlockChoices, ...] | None = None,
    *,
    is_conditional: bool = False,
) -> Sample:
    """Collect the rows that have an outcome; `rows` are sorted, randomised and finished."""
    every = tabulate(rows, places, choices, is_conditional=is_conditional)
    return every.scored(values_of(rows, metric))


def values_of(rows: Sequence[TrialRecord], metric: Metric) -> np.ndarray:
    """Return the metric of every row, positive = better, NaN where it says nothing of it."""
    found = (outcome_of(row, metric) for row in rows)
    return metric.sign * np.array([np.nan if value is None else value for value in found], float)


def tabulate(
    rows: Sequence[TrialRecord],
    places: Sequence[Place],
    choices: tuple[BlockChoices, ...] | None = None,
    *,
    is_conditional: bool = False,
    grid: Grid | None = None,
) -> Sample:
    """Return all rows as arrays, with no outcome yet: see `Sample.scored`.

    Args:
        rows: The rows.
        places: Blocks of the reference.
        choices: What may end at each place.
        is_conditional: Whether rows beyond a constraint were left out.
        grid: Kinds and spans, where they have been read.
    """
    grid = grid_of(rows, places) if grid is None else grid
    names = [architecture_of(row) for row in rows]
    index = {name: number for number, name in enumerate(dict.fromkeys(names))}
    num_stages = max((place.stage for place in places), default=0)
    depths = [(*depths_of(row), *[0] * num_stages)[:num_stages] for row in rows]
    return Sample(
        places=tuple(places),
        codes=grid.codes,
        depths=np.array(depths, dtype=np.int64).reshape(len(rows), num_stages),
        value=np.zeros(len(rows)),
        cluster=np.array([index[name] for name in names], dtype=np.int64),
        diverged=np.array([row.state is State.FAILED for row in rows], dtype=bool),
        seconds=np.array([_seconds(row) for row in rows], dtype=np.float64),
        spans=grid.spans,
        choices=choices,
        is_conditional=is_conditional,
        covariates=rate_columns(np.array([np.nan if r.lr is None else r.lr for r in rows], float)),
    )


def _seconds(row: TrialRecord) -> float:
    """A training that diverged is short for that reason, not for its network."""
    known = row.seconds is not None and row.state is State.COMPLETE
    return float(row.seconds or 0.0) if known else np.nan
