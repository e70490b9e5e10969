"""The mirrored design for two kinds: every row comes with its mirror, which has the other kinds."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from nas.design import factors_of
from nas.design_hadamard import hadamard_matrix, hadamard_order
from search_spaces.errors import SpaceError
from search_spaces.spec import Kind, Place

_STREAM = 811
"""Keeps these draws apart from others of the same seed."""
_CANDIDATES = 128
_FEW_PLACES = 8
"""Up to so many blocks all choices of signs are looked at, and part the whole space."""
_RIDGE = 1e-2
"""Ranks fold-overs while there are fewer rows than pairs of blocks."""


def fold_overs(
    places: Sequence[Place], kinds: Sequence[Kind] | Mapping[Place, Sequence[Kind]], seed: int
) -> Iterator[list[dict[Place, Kind]]]:
    """Yield fold-overs without end, the same ones for the same arguments.

    A fold-over is a Hadamard matrix, of which every block has one column, and its mirror. Its rows
    come in mirrored pairs, in random order. So the main effects of all blocks are orthogonal to
    each other and clear of all interactions of two blocks; a single pair is balanced already.

    Which column is whose, and which kind it begins with, is drawn: every row is uniform over all
    patterns. Of many draws that one is taken whose neighbouring blocks' interactions are best told
    apart, given the fold-overs so far. The choice looks at the design alone.

    Args:
        places: Blocks of the network, in network order.
        kinds: Shortcuts that every block may have, or those of each place; one or two of them.
        seed: Seed of the design.

    Yields:
        The kinds of every place, row by row: a row, then its mirror. No pattern comes twice
        before all were used; of a space that is nearly used up a fold-over has the new pairs only.

    Raises:
        SpaceError: There is no place, no kind, one of them twice, three at a place, or one at
            every place.
    """
    factors = factors_of("fold_overs", places, kinds)
    for place, own in factors.items():
        if len(own) > 2:
            raise SpaceError(
                f"fold_overs: a mirrored design is for at most two kinds per block, got "
                f"{place}={[kind.value for kind in own]}. Take the random design."
            )
    if all(len(own) == 1 for own in factors.values()):
        raise SpaceError(
            "fold_overs: a mirrored design is for blocks of two kinds, got one kind at every block. "
            "Take the random design."
        )
    return _fold_overs(factors, np.random.default_rng((_STREAM, seed)))


def _fold_overs(
    factors: Mapping[Place, tuple[Kind, ...]], rng: np.random.Generator
) -> Iterator[list[dict[Place, Kind]]]:
    free = [place for place, kinds in factors.items() if len(kinds) == 2]
    choose = _Chooser(len(free), rng)
    while True:
        pairs = choose.next()
        pairs = pairs[rng.permutation(len(pairs))]
        # Which of the two comes first.
        pairs *= rng.choice([-1, 1], (len(pairs), 1))
        rows = np.stack([pairs, -pairs], axis=1).reshape(-1, len(free))
        yield [_named(factors, dict(zip(free, row, strict=True))) for row in rows]


def _named(
    factors: Mapping[Place, tuple[Kind, ...]], signs: Mapping[Place, int]
) -> dict[Place, Kind]:
    return {place: kinds[int(signs.get(place, -1) > 0)] for place, kinds in factors.items()}


class _Chooser:
    """Chooses fold-overs, of each pair one row, as signs of shape (pairs, blocks)."""

    def __init__(self, num_blocks: int, rng: np.random.Generator) -> None:
        self._num_blocks = num_blocks
        self._rng = rng
        self._matrix = hadamard_matrix(hadamard_order(max(num_blocks, 1)))
        few = min(num_blocks, _FEW_PLACES)
        self._signs = np.array(list(product((-1, 1), repeat=few)), dtype=np.int64)
        self._used: set[bytes] = set()
        self._information = _RIDGE * np.eye(max(num_blocks, 1))
        drawn = [self._draw_columns() for _ in range(_CANDIDATES)]
        scores = self._scores(np.stack([self._matrix[:, own] for own in drawn]))
        self._columns = drawn[int(np.argmax(scores))]

    def next(self) -> np.ndarray:
        """Return the next one."""
        if len(self._used) == 2 ** max(self._num_blocks - 1, 0):
            self._used.clear()
        offered = self._offer()
        fresh = np.array([[key not in self._used for key in _keys(rows)] for rows in offered])
        best = _best(fresh.sum(axis=1), self._scores(offered))
        chosen = offered[best][fresh[best]]
        if not len(chosen):
            chosen = self._unused()
        self._used.update(_keys(chosen))
        even = _even(chosen)
        self._information = self._information + even.T @ even
        return chosen.copy()

    def _offer(self) -> np.ndarray:
        """Return fold-overs, shape (fold-overs, pairs, blocks)."""
        if self._num_blocks <= _FEW_PLACES:
            # One map of columns: with other signs it has other rows, or the same ones.
            signs = self._rng.permutation(self._signs)
            return self._matrix[:, self._columns] * signs[:, None, :]
        columns = [self._draw_columns() for _ in range(_CANDIDATES)]
        signs = self._rng.choice([-1, 1], (_CANDIDATES, 1, self._num_blocks))
        return np.stack([self._matrix[:, own] for own in columns]) * signs

    def _draw_columns(self) -> np.ndarray:
        return self._rng.permutation(len(self._matrix))[: self._num_blocks]

    def _scores(self, offered: np.ndarray) -> np.ndarray:
        """Say how well the interactions of neighbours would be told apart after each fold-over."""
        even = _even(offered)
        information = self._information + np.swapaxes(even, 1, 2) @ even
        # Rounded, so that equal ones tie on every machine and the first one wins.
        return np.linalg.slogdet(information).logabsdet.round(6)

    def _unused(self) -> np.ndarray:
        """Return pairs that nothing drawn has hit: the last ones of a space."""
        left = [
            row
            for signs in product((-1, 1), repeat=self._num_blocks - 1)
            for row in [np.array((1, *signs))]
            if row.astype(np.int8).tobytes() not in self._used
        ]
        picks = self._rng.permutation(len(left))[: len(self._matrix)]
        return np.array(left)[picks]


def _best(num_fresh: np.ndarray, scores: np.ndarray) -> int:
    """Return the first fold-over of the best score among those with the most new pairs."""
    return int(np.argmax(np.where(num_fresh == num_fresh.max(), scores, -np.inf)))


def _even(rows: np.ndarray) -> np.ndarray:
    """Return what a row shares with its mirror: a one, and the product of each two neighbours."""
    ones = np.ones((*rows.shape[:-1], 1))
    return np.concatenate([ones, rows[..., 1:] * rows[..., :-1]], axis=-1)


def _keys(rows: np.ndarray) -> list[bytes]:
    """Name every row as its mirror is named."""
    first = rows[:, :1] if rows.shape[1] else np.ones((len(rows), 1), dtype=np.int64)
    return [row.tobytes() for row in (rows * first).astype(np.int8)]
