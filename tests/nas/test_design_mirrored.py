from itertools import chain, islice

import numpy as np
import pytest

from nas.design_hadamard import hadamard_order
from nas.design_mirrored import fold_overs
from search_spaces.errors import SpaceError
from search_spaces.spec import Kind, Place

PLACES = [Place(stage, block) for stage in range(1, 7) for block in range(1, 6)]
TWO = (Kind.NONE, Kind.IDENTITY)


def signs(rows: list[dict[Place, Kind]]) -> np.ndarray:
    return np.array([[1 if kind is Kind.IDENTITY else -1 for kind in r.values()] for r in rows])


def design(num_blocks: int, number: int, seed: int = 0) -> list[np.ndarray]:
    return [signs(rows) for rows in islice(fold_overs(PLACES[:num_blocks], TWO, seed), number)]


@pytest.mark.parametrize("num_blocks", [1, 2, 3, 4, 6, 8, 9, 12, 15, 16, 20, 30])
def test_main_effects_are_orthogonal_and_clear_of_all_pairs(num_blocks: int) -> None:
    [rows] = design(num_blocks, 1)
    assert len(rows) == 2 * hadamard_order(num_blocks)
    assert (rows.T @ rows == len(rows) * np.eye(num_blocks)).all()
    for left in range(num_blocks):
        pairs = rows[:, [left]] * rows
        assert (rows.T @ pairs == 0).all()
    assert len({tuple(row) for row in rows.tolist()}) == len(rows)


def test_rows_come_in_mirrored_pairs_so_that_every_pair_is_balanced() -> None:
    for rows in design(15, 3):
        assert (rows[::2] == -rows[1::2]).all()


def test_a_half_without_its_mirror_would_alias_main_effects_with_pairs() -> None:
    [rows] = design(12, 1)
    half = rows[::2]
    products = half[:, [0]] * half[:, 1:]
    assert np.abs(half.T @ products).max() > 0


@pytest.mark.parametrize("num_blocks", [9, 12, 20, 30])
def test_interactions_of_neighbours_are_told_apart_in_the_first_fold_over(num_blocks: int) -> None:
    [rows] = design(num_blocks, 1)
    pairs = np.column_stack([np.ones(len(rows)), rows[:, 1:] * rows[:, :-1]])
    assert np.linalg.matrix_rank(pairs) == num_blocks


@pytest.mark.parametrize("num_blocks", [1, 2, 3, 5, 8, 9])
def test_no_pattern_comes_twice_before_all_were_used(num_blocks: int) -> None:
    stream = fold_overs(PLACES[:num_blocks], TWO, 1)
    rows = np.array(list(islice(chain.from_iterable(map(signs, stream)), 2 ** (num_blocks + 1))))
    first, second = np.split(rows, 2)
    for half in (first, second):
        assert len({tuple(row) for row in half.tolist()}) == 2**num_blocks
    assert (rows[::2] == -rows[1::2]).all()


def test_no_pattern_comes_twice_in_a_large_space() -> None:
    rows = np.concatenate(design(16, 12))
    assert len({tuple(row) for row in rows.tolist()}) == len(rows) == 384


def test_the_stream_is_the_same_for_the_same_seed() -> None:
    first, again, other = design(10, 3, 4), design(10, 3, 4), design(10, 3, 5)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not all((a == b).all() for a, b in zip(first, other, strict=True))


def test_rows_of_many_designs_are_uniform_and_blocks_independent() -> None:
    rows = np.concatenate([design(6, 1, seed)[0][:1] for seed in range(600)])
    # 600 rows: standard deviation 0.041 of a mean and of a correlation.
    assert np.abs(rows.mean(axis=0)).max() < 0.16
    assert np.abs(rows.T @ rows / len(rows) - np.eye(6)).max() < 0.16


def test_blocks_of_one_kind_keep_it_and_names_follow_the_network() -> None:
    kinds = {
        PLACES[0]: TWO,
        PLACES[1]: (Kind.PROJECTION,),
        PLACES[2]: (Kind.IDENTITY, Kind.PROJECTION),
    }
    [rows] = islice(fold_overs(PLACES[:3], kinds, 0), 1)
    assert len(rows) == 4
    assert all(list(row) == PLACES[:3] for row in rows)
    assert {row[PLACES[1]] for row in rows} == {Kind.PROJECTION}
    assert {(row[PLACES[0]], row[PLACES[2]]) for row in rows} == {
        (a, b) for a in TWO for b in (Kind.IDENTITY, Kind.PROJECTION)
    }


def test_blocks_of_one_kind_alone_cannot_be_mirrored() -> None:
    with pytest.raises(SpaceError, match=r"for blocks of two kinds, got one kind at every block"):
        fold_overs(PLACES[:2], [Kind.IDENTITY], 0)


def test_three_kinds_cannot_be_mirrored() -> None:
    with pytest.raises(
        SpaceError,
        match=r"fold_overs: a mirrored design is for at most two kinds per block, got "
        r"stage1\.block1=\['none', 'identity', 'projection'\]\. Take the random design\.",
    ):
        fold_overs(PLACES[:2], list(Kind), 0)
    with pytest.raises(SpaceError, match=r"fold_overs: kinds must be distinct"):
        fold_overs(PLACES[:2], [Kind.NONE, Kind.NONE], 0)


GOLDEN = {
    (15, 0): ["iiinniiniinnnin", "nnniinninniiini", "iiniiniiiininni", "nninninnnniniin"],
    (5, 3): ["nnini", "iinin", "nnnii", "iiinn"],
}
"""Blocks, seed: first rows, a letter per kind. Studies go on with the rows they began."""


@pytest.mark.parametrize("case", GOLDEN)
def test_rows_never_change(case: tuple[int, int]) -> None:
    num_blocks, seed = case
    rows = chain.from_iterable(fold_overs(PLACES[:num_blocks], TWO, seed))
    found = ["".join(kind.value[0] for kind in row.values()) for row in islice(rows, 4)]
    assert found == GOLDEN[case]
