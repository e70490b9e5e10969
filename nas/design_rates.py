"""Which learning rate every row of a design has, in units of the recipe's."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

_STREAM = 911
"""Keeps these draws apart from others of the same seed."""
_PAIR = 2

Row = TypeVar("Row")


def crossed_pairs(
    fold_overs: Iterable[Sequence[Row]], factors: Sequence[float], seed: int
) -> Iterator[tuple[Row, float]]:
    """Cross a mirrored design with factors: each pair is trained at each of them.

    A row and its mirror share the factor. A fold-over is passed as often as there are factors, which
    its pairs have in turn: after every pass the main effects are orthogonal, after the last one at
    each rate alone too, and at any time all rates have equally many pairs, give or take one.

    Args:
        fold_overs: Rows in mirrored pairs.
        factors: The factors; with a single one nothing is repeated.
        seed: Seed of the design.

    Yields:
        A row and its factor.
    """
    for number, rows in enumerate(fold_overs):
        rng = np.random.default_rng((_STREAM, seed, number))
        first = int(rng.integers(len(factors)))
        for turn in range(first, first + len(factors)):
            for pair in range(len(rows) // _PAIR):
                factor = factors[(pair + turn) % len(factors)]
                for row in rows[_PAIR * pair : _PAIR * (pair + 1)]:
                    yield row, factor


def crossed_units(
    rows: Iterable[Row], size: int, factors: Sequence[float], seed: int
) -> Iterator[tuple[Row, float]]:
    """Cross a balanced design with factors: each unit of rows has one of them, in turn.

    Units of a round have the factors in random order; no row is repeated for it.

    Args:
        rows: The rows.
        size: So many of them have every kind of every place equally often.
        factors: The factors.
        seed: Seed of the design.

    Yields:
        A row and its factor.
    """
    for number, row in enumerate(rows):
        turn, place = divmod(number // size, len(factors))
        order = np.random.default_rng((_STREAM, seed, turn)).permutation(len(factors))
        yield row, factors[order[place]]
