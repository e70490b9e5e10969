"""The balanced random design: which shortcut every block of the next design row has."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from search_spaces.errors import SpaceError
from search_spaces.spec import Kind, Place

_ROWS_PER_KIND = 4
_CANDIDATES = 512
_SMALL = 50_000
"""Up to so many patterns the design enumerates them, so that none repeats before all are used."""


def design_rows(
    places: Sequence[Place], kinds: Sequence[Kind], seed: int
) -> Iterator[dict[Place, Kind]]:
    """Yield design rows without end, the same ones for the same arguments.

    Rows come in blocks of `4 * len(kinds)`; within a block every place has every kind equally
    often. Each block is the best of 512 random ones: the one that makes the main effects of all
    places nearest to orthogonal, given the rows so far. The choice looks at the design alone,
    never at results, so every row is uniform over all patterns and effects stay unbiased.

    Args:
        places: Blocks of the network, in network order.
        kinds: Shortcuts that every block may have.
        seed: Seed of the design.

    Yields:
        The kind of every place. No pattern comes twice before all were used.

    Raises:
        SpaceError: There is no place, no kind, or one of them twice.
    """
    for name, values in (("places", places), ("kinds", kinds)):
        if not values or len(set(values)) != len(values):
            raise SpaceError(
                f"design_rows: {name} must be distinct and at least one, got "
                f"{name}={[str(value) for value in values]}."
            )
    return _rows(tuple(places), tuple(kinds), np.random.default_rng(seed))


def _rows(
    places: tuple[Place, ...], kinds: tuple[Kind, ...], rng: np.random.Generator
) -> Iterator[dict[Place, Kind]]:
    small = len(kinds) ** len(places) <= _SMALL
    blocks = (_Enumerated if small else _Random)(len(places), len(kinds), rng)
    # Sum-to-zero coding: the first kind is minus the sum of the others.
    coding = np.vstack([-np.ones(len(kinds) - 1), np.eye(len(kinds) - 1)])
    # A small ridge ranks blocks while there are fewer rows than columns.
    information = 1e-2 * np.eye(1 + len(places) * (len(kinds) - 1))
    while True:
        candidates = blocks.candidates()
        count, rows, _ = candidates.shape
        coded = coding[candidates].reshape(count, rows, -1)
        matrices = np.concatenate([np.ones((count, rows, 1)), coded], axis=2)
        informations = information + np.swapaxes(matrices, 1, 2) @ matrices
        # Rounded, so that equal blocks tie on every machine and the first one wins.
        best = int(np.argmax(np.linalg.slogdet(informations).logabsdet.round(6)))
        information = informations[best]
        blocks.use(best)
        for row in candidates[best]:
            yield {place: kinds[level] for place, level in zip(places, row, strict=True)}


class _Random:
    """Blocks of a large space: every column a random order of equally many of each kind."""

    def __init__(self, num_places: int, num_kinds: int, rng: np.random.Generator) -> None:
        self.column = np.repeat(np.arange(num_kinds), _ROWS_PER_KIND)
        self.num_places = num_places
        self.rng = rng
        self.used: set[bytes] = set()
        self.offered = np.empty(0)

    def candidates(self) -> np.ndarray:
        """Draw blocks, shape (blocks, rows, places), without a used or doubled row."""
        shape = (_CANDIDATES, self.num_places, len(self.column))
        columns = np.broadcast_to(self.column, shape)
        blocks = np.swapaxes(self.rng.permuted(columns, axis=2), 1, 2)
        fresh = [block for block in blocks if self._is_fresh(block)]
        # Only after tens of thousands of rows can every block hold a used one.
        self.offered = np.array(fresh) if fresh else blocks
        return self.offered

    def _is_fresh(self, block: np.ndarray) -> bool:
        rows = {row.tobytes() for row in block}
        return len(rows) == len(block) and rows.isdisjoint(self.used)

    def use(self, index: int) -> None:
        """Remember the rows of the block that was chosen."""
        self.used.update(row.tobytes() for row in self.offered[index])


class _Enumerated:
    """Blocks of a small space, of sets in which every place has every kind exactly once.

    Adding 0, 1, ... to all levels of a pattern (modulo the number of kinds) gives such a set, and
    these sets part the whole space. With two kinds a set is a pattern and its mirror.
    """

    def __init__(self, num_places: int, num_kinds: int, rng: np.random.Generator) -> None:
        self.rng = rng
        tails = np.array(list(product(range(num_kinds), repeat=num_places - 1)), dtype=np.int64)
        starts = np.hstack([np.zeros((len(tails), 1), dtype=np.int64), tails])
        levels = (starts[:, None, :] + np.arange(num_kinds)[:, None]) % num_kinds
        relabel = np.array([rng.permutation(num_kinds) for _ in range(num_places)])
        self.sets = relabel[np.arange(num_places), levels]
        self.unused = np.arange(len(self.sets))
        self.offered = np.empty(0)

    def candidates(self) -> np.ndarray:
        """Draw blocks of unused sets, shape (blocks, rows, places); the last may be short."""
        if not len(self.unused):
            self.unused = np.arange(len(self.sets))
        size = min(_ROWS_PER_KIND, len(self.unused))
        picks = [self.rng.choice(self.unused, size, replace=False) for _ in range(_CANDIDATES)]
        self.offered = np.array(picks)
        return self.sets[self.offered].reshape(_CANDIDATES, -1, self.sets.shape[2])

    def use(self, index: int) -> None:
        """Take the sets of the block that was chosen out of those not yet used."""
        self.unused = np.setdiff1d(self.unused, self.offered[index])
