import math
from collections import Counter
from itertools import islice

import numpy as np
import pytest

from nas.design import design_rows
from search_spaces.errors import SpaceError
from search_spaces.spec import Kind, Place

PLACES = [Place(stage, block) for stage in (1, 2, 3) for block in range(1, 6)]
KINDS = list(Kind)


def levels(rows, kinds=KINDS):
    return np.array([[kinds.index(kind) for kind in row.values()] for row in rows])


def mean_variance(codes, num_kinds):
    """Variance of the main contrasts, as a multiple of an orthogonal design's."""
    coding = np.vstack([-np.ones(num_kinds - 1), np.eye(num_kinds - 1)])
    matrix = np.hstack([np.ones((len(codes), 1)), coding[codes].reshape(len(codes), -1)])
    inverse = np.linalg.inv(matrix.T @ matrix)
    contrast = coding[1] - coding[0]
    width = num_kinds - 1
    starts = range(1, matrix.shape[1], width)
    variances = [contrast @ inverse[s : s + width, s : s + width] @ contrast for s in starts]
    return np.mean(variances) * len(codes) / (2 * num_kinds)


@pytest.mark.parametrize("num_kinds", [2, 3])
@pytest.mark.parametrize("num_places", [2, 6, 15])
def test_every_place_has_every_kind_equally_often_in_each_block(num_places, num_kinds):
    kinds, size = KINDS[:num_kinds], 4 * num_kinds
    codes = levels(islice(design_rows(PLACES[:num_places], kinds, 0), 5 * size), kinds)
    for block in codes.reshape(5, size, num_places):
        for column in block.T:
            assert np.bincount(column, minlength=num_kinds).tolist() == [4] * num_kinds


def test_the_stream_is_the_same_for_the_same_seed_however_far_it_is_read():
    short = list(islice(design_rows(PLACES, KINDS, 5), 7))
    long = list(islice(design_rows(PLACES, KINDS, 5), 60))
    assert short == long[:7]
    assert list(islice(design_rows(PLACES, KINDS, 6), 7)) != short


def test_rows_name_all_places_in_order():
    row = next(design_rows(PLACES, KINDS, 0))
    assert list(row) == PLACES
    assert all(isinstance(kind, Kind) for kind in row.values())


def test_no_row_comes_twice_in_a_large_space():
    codes = levels(islice(design_rows(PLACES, KINDS, 1), 400))
    assert len({tuple(row) for row in codes}) == 400


@pytest.mark.parametrize(("num_places", "num_kinds"), [(1, 3), (2, 3), (3, 3), (5, 2)])
def test_a_small_space_is_used_up_before_a_row_comes_again(num_places, num_kinds):
    kinds, size = KINDS[:num_kinds], num_kinds**num_places
    rows = islice(design_rows(PLACES[:num_places], kinds, 2), 2 * size)
    codes = [tuple(row) for row in levels(rows, kinds)]
    assert len(set(codes[:size])) == size
    assert len(set(codes[size:])) == size


def test_one_kind_gives_its_only_row_again_and_again():
    rows = list(islice(design_rows(PLACES[:2], [Kind.IDENTITY], 0), 9))
    assert rows == [dict.fromkeys(PLACES[:2], Kind.IDENTITY)] * 9


@pytest.mark.parametrize("num_rows", [48, 100])
def test_main_effects_are_nearer_to_orthogonal_than_in_independent_rows(num_rows):
    ours = mean_variance(levels(islice(design_rows(PLACES, KINDS, 0), num_rows)), 3)
    rng = np.random.default_rng(0)
    independent = [mean_variance(rng.integers(0, 3, (num_rows, 15)), 3) for _ in range(20)]
    assert ours < 0.9 * np.mean(independent)


def test_two_kinds_in_a_small_space_come_in_mirrored_pairs():
    codes = levels(islice(design_rows(PLACES[:8], KINDS[:2], 0), 48), KINDS[:2])
    assert (codes[::2] + codes[1::2] == 1).all()


def test_rows_of_many_designs_are_uniform_and_places_independent():
    codes = np.array(
        [levels(islice(design_rows(PLACES[:10], KINDS, seed), 12)) for seed in range(60)]
    ).reshape(-1, 10)
    coding = np.array([[-1, -1], [1, 0], [0, 1]])[codes].reshape(len(codes), -1)
    correlation = np.corrcoef(coding.T)
    for place in range(10):
        own = slice(2 * place, 2 * place + 2)
        correlation[own, own] = 0
    # 720 rows: a correlation of independent columns has standard deviation 0.037.
    assert np.abs(correlation).max() < 0.16


@pytest.mark.parametrize(
    ("places", "kinds", "message"),
    [
        ([], KINDS, r"design_rows: places must be distinct and at least one, got places=\[\]"),
        (PLACES, [], r"design_rows: kinds must be distinct and at least one, got kinds=\[\]"),
        (PLACES, [Kind.NONE] * 2, r"got kinds=\['none', 'none'\]"),
        (PLACES[:1] * 2, KINDS, r"got places=\['stage1.block1', 'stage1.block1'\]"),
    ],
)
def test_places_and_kinds_must_be_distinct_and_not_empty(places, kinds, message):
    with pytest.raises(SpaceError, match=message):
        design_rows(places, kinds, 0)


GOLDEN_ROWS = {
    (15, 3, 0): ["piiiipiniinppnn", "nipppnniinippnp", "nniiiiipnppnipi", "nnnnnppnniininp"],
    (15, 2, 7): ["nnniiiiinniiiin", "iiinnnnniinnnni", "niiniiiniiniiii", "inninnninninnnn"],
    (6, 3, 1): ["nninip", "iinini", "pppppn", "niiipn"],
    (5, 2, 3): ["inini", "ninin", "innin", "niini"],
}
"""Places, kinds, seed: first rows, a letter per kind. Studies go on with the rows they began."""


@pytest.mark.parametrize("case", GOLDEN_ROWS)
def test_rows_of_equal_kinds_never_change(case):
    num_places, num_kinds, seed = case
    rows = design_rows(PLACES[:num_places], KINDS[:num_kinds], seed)
    expected = GOLDEN_ROWS[case]
    found = [
        "".join(kind.value[0] for kind in row.values()) for row in islice(rows, len(expected))
    ]
    assert found == expected


MIXED = {
    place: KINDS if index % 3 == 0 else KINDS[:2] if index % 3 == 1 else KINDS[2:]
    for index, place in enumerate(PLACES)
}


@pytest.mark.parametrize("num_places", [3, 5, 15])
def test_every_place_has_each_of_its_own_kinds_equally_often_in_each_block(num_places):
    own = {place: MIXED[place] for place in PLACES[:num_places]}
    # Three and two kinds: blocks of four times six rows, as far as there are new ones.
    patterns = math.prod(len(kinds) for kinds in own.values())
    size = min(24, patterns)
    rows = list(islice(design_rows(list(own), own, 0), 2 * size))
    for block in (rows[:size], rows[size:]):
        for place, kinds in own.items():
            counts = Counter(row[place] for row in block)
            assert counts == dict.fromkeys(kinds, size // len(kinds))


def test_a_small_space_of_unequal_kinds_is_used_up_before_a_row_comes_again():
    own = {place: MIXED[place] for place in PLACES[:5]}
    rows = [tuple(row.values()) for row in islice(design_rows(list(own), own, 1), 72)]
    assert len(set(rows[:36])) == len(set(rows[36:])) == 36


def test_equal_kinds_may_be_named_for_each_place():
    each = dict.fromkeys(PLACES, KINDS)
    first, second = design_rows(PLACES, KINDS, 4), design_rows(PLACES, each, 4)
    assert list(islice(first, 30)) == list(islice(second, 30))


def test_unequal_kinds_are_nearer_to_orthogonal_than_in_independent_rows():
    def determinant(codes):
        columns = [np.ones(len(codes))]
        for index, kinds in enumerate(MIXED.values()):
            columns += [(codes[:, index] == level) * 1.0 for level in range(1, len(kinds))]
        return np.linalg.slogdet(np.array(columns) @ np.array(columns).T).logabsdet

    rows = list(islice(design_rows(list(MIXED), MIXED, 0), 48))
    ours = np.array([[MIXED[p].index(kind) for p, kind in row.items()] for row in rows])
    rng = np.random.default_rng(0)
    counts = [len(kinds) for kinds in MIXED.values()]
    independent = [determinant(rng.integers(0, counts, (48, 15))) for _ in range(20)]
    assert determinant(ours) > max(independent)


def test_a_place_without_kinds_of_its_own_is_refused():
    with pytest.raises(
        SpaceError, match=r"kinds must be distinct and at least one, got kinds=\[\]"
    ):
        design_rows(PLACES[:2], {PLACES[0]: KINDS}, 0)
