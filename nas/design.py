"""The balanced random design: which shortcut every block of the next design row has."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from search_spaces.errors import SpaceError
from search_spaces.spec import Kind, Place

_SETS_PER_BLOCK = 4
_CANDIDATES = 512
_SMALL = 50_000
"""Up to so many patterns the design enumerates them, so that none repeats before all are used."""


def design_rows(
    places: Sequence[Place], kinds: Sequence[Kind] | Mapping[Place, Sequence[Kind]], seed: int
) -> Iterator[dict[Place, Kind]]:
    """Yield design rows without end, the same ones for the same arguments.

    Rows come in blocks of four times the least common multiple of the numbers of kinds; within a
    block every place has each of its kinds equally often. Each block is the best of 512 random
    ones: the one that makes the main effects of all places nearest to orthogonal, given the rows
    so far. The choice looks at the design alone, never at results, so every row is uniform over
    all patterns and effects stay unbiased.

    Args:
        places: Blocks of the network, in network order.
        kinds: Shortcuts that every block may have, or those of each place.
        seed: Seed of the design.

    Yields:
        The kind of every place. No pattern comes twice before all were used.

    Raises:
        SpaceError: There is no place, no kind, or one of them twice.
    """
    return _rows(factors_of("design_rows", places, kinds), np.random.default_rng(seed))


def factors_of(
    where: str,
    places: Sequence[Place],
    kinds: Sequence[Kind] | Mapping[Place, Sequence[Kind]],
) -> dict[Place, tuple[Kind, ...]]:
    """Return the kinds of each place.

    Args:
        where: Who asks, for messages.
        places: Blocks of the network, in network order.
        kinds: Shortcuts that every block may have, or those of each place.

    Raises:
        SpaceError: There is no place, no kind, or one of them twice.
    """
    of_place = [kinds.get(p, ()) if isinstance(kinds, Mapping) else kinds for p in places]
    for name, values in (("places", places), *(("kinds", own) for own in of_place or [()])):
        if not values or len(set(values)) != len(values):
            raise SpaceError(
                f"{where}: {name} must be distinct and at least one, got "
                f"{name}={[str(value) for value in values]}."
            )
    return {place: tuple(own) for place, own in zip(places, of_place, strict=True)}


def balanced_size(counts: Sequence[int]) -> int:
    """Return how many rows, from the first on, have every kind of every place equally often.

    Args:
        counts: Number of kinds of each place.
    """
    sets = 1 if math.prod(counts) <= _SMALL else _SETS_PER_BLOCK
    return sets * math.lcm(*counts)


def _rows(
    factors: Mapping[Place, tuple[Kind, ...]], rng: np.random.Generator
) -> Iterator[dict[Place, Kind]]:
    counts = [len(kinds) for kinds in factors.values()]
    blocks = (_Enumerated if math.prod(counts) <= _SMALL else _Random)(counts, rng)
    coding, used = _coding(counts)
    # A small ridge ranks blocks while there are fewer rows than columns.
    information = 1e-2 * np.eye(1 + int(used.sum()))
    while True:
        candidates = blocks.candidates()
        count, rows, _ = candidates.shape
        coded = coding[np.arange(len(counts)), candidates].reshape(count, rows, -1)[:, :, used]
        matrices = np.concatenate([np.ones((count, rows, 1)), coded], axis=2)
        best = blocks.first_fresh(_log_determinants(information, matrices))
        information = information + matrices[best].T @ matrices[best]
        blocks.use(best)
        for row in candidates[best]:
            levels = zip(factors.items(), row, strict=True)
            yield {place: kinds[level] for (place, kinds), level in levels}


def _log_determinants(information: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Return the log-determinant of the information after each block of rows.

    det(A + M'M) = det(A) det(1 + M A^-1 M'), and a block has fewer rows than the design columns.
    """
    spread = matrices @ np.linalg.inv(information) @ np.swapaxes(matrices, 1, 2)
    gains = np.linalg.slogdet(np.eye(matrices.shape[1]) + spread).logabsdet
    # Rounded, so that equal blocks tie on every machine and the first one wins.
    return (np.linalg.slogdet(information).logabsdet + gains).round(6)


def _coding(counts: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return sum-to-zero codes, shape (places, kinds, columns), and which columns are in use.

    The first kind is minus the sum of the others.
    """
    most = max(counts)
    coding, used = np.zeros((len(counts), most, most - 1)), np.zeros((len(counts), most - 1), bool)
    for place, number in enumerate(counts):
        coding[place, :number, : number - 1] = np.vstack(
            [-np.ones(number - 1), np.eye(number - 1)]
        )
        used[place, : number - 1] = True
    return coding, used.ravel()


class _Random:
    """Blocks of a large space: every column a random order of equally many of each kind."""

    def __init__(self, counts: Sequence[int], rng: np.random.Generator) -> None:
        rows = _SETS_PER_BLOCK * math.lcm(*counts)
        self.columns = np.array(
            [np.repeat(np.arange(number), rows // number) for number in counts]
        )
        self.rng = rng
        self.used: set[bytes] = set()
        self.offered = np.empty(0)

    def candidates(self) -> np.ndarray:
        """Draw blocks, shape (blocks, rows, places)."""
        columns = np.broadcast_to(self.columns, (_CANDIDATES, *self.columns.shape))
        self.offered = np.swapaxes(self.rng.permuted(columns, axis=2), 1, 2)
        return self.offered

    def first_fresh(self, scores: np.ndarray) -> int:
        """Return the block of the best score that has no used or doubled row."""
        order = np.argsort(-scores, kind="stable")
        # Only after tens of thousands of rows can every block hold a used one.
        return int(next((i for i in order if self._is_fresh(self.offered[i])), order[0]))

    def _is_fresh(self, block: np.ndarray) -> bool:
        rows = {row.tobytes() for row in block}
        return len(rows) == len(block) and rows.isdisjoint(self.used)

    def use(self, index: int) -> None:
        """Remember the rows of the block that was chosen."""
        self.used.update(row.tobytes() for row in self.offered[index])


class _Enumerated:
    """Blocks of a small space, of sets in which every place has each of its kinds equally often.

    Adding 0, 1, ... to all levels of a pattern (modulo the place's number of kinds) gives such a
    set, and these sets part the whole space. With two kinds a set is a pattern and its mirror.
    """

    def __init__(self, counts: Sequence[int], rng: np.random.Generator) -> None:
        self.rng = rng
        patterns = np.array(list(product(*map(range, counts))), dtype=np.int64)
        sets = (patterns[:, None, :] + np.arange(math.lcm(*counts))[:, None]) % counts
        # A number for each pattern, in the order of the product.
        numbers = sets @ np.append(np.cumprod(counts[:0:-1], dtype=np.int64)[::-1], 1)
        # Each set once, from the first of its patterns on.
        sets = sets[numbers[:, 0] == numbers.min(axis=1)]
        relabel = np.zeros((len(counts), max(counts)), dtype=np.int64)
        for place, number in enumerate(counts):
            relabel[place, :number] = rng.permutation(number)
        self.sets = relabel[np.arange(len(counts)), sets]
        self.unused = np.arange(len(self.sets))
        self.offered = np.empty(0)

    def candidates(self) -> np.ndarray:
        """Draw blocks of unused sets, shape (blocks, rows, places); the last may be short."""
        if not len(self.unused):
            self.unused = np.arange(len(self.sets))
        size = min(_SETS_PER_BLOCK, len(self.unused))
        picks = [self.rng.choice(self.unused, size, replace=False) for _ in range(_CANDIDATES)]
        self.offered = np.array(picks)
        return self.sets[self.offered].reshape(_CANDIDATES, -1, self.sets.shape[2])

    def first_fresh(self, scores: np.ndarray) -> int:
        """Return the block of the best score; all are of unused sets."""
        return int(np.argmax(scores))

    def use(self, index: int) -> None:
        """Take the sets of the block that was chosen out of those not yet used."""
        self.unused = np.setdiff1d(self.unused, self.offered[index])
