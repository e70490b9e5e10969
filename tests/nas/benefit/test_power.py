import math

import numpy as np
import pytest
from scipy.stats import t as student

from nas.benefit.power import (
    detectable,
    pairs_needed,
    resolution_floor,
    rows_for_equivalence,
    runs_needed,
)

TABLE = [
    # Deviation and effect in points; pairs, rows of two and of three kinds, each alone and within
    # a family of 12 or 24; rows of the equivalence.
    (0.16, 0.2, (10, 18), (20, 35), (30, 59), 22),
    (0.25, 0.1, (98, 172), (196, 344), (294, 576), 214),
    (0.25, 0.2, (25, 43), (49, 86), (74, 144), 54),
    (0.25, 0.3, (11, 19), (22, 38), (33, 64), 24),
    (0.25, 0.5, (4, 7), (8, 14), (12, 23), 9),
]


@pytest.mark.parametrize(("sd", "effect", "pairs", "two", "three", "equal"), TABLE)
def test_numbers_are_those_of_the_method(
    sd: float,
    effect: float,
    pairs: tuple[int, int],
    two: tuple[int, int],
    three: tuple[int, int],
    equal: int,
) -> None:
    # The method's table is rounded to the nearest, ours up.
    found = [
        (pairs_needed(effect, sd), pairs[0]),
        (pairs_needed(effect, sd, family_size=12), pairs[1]),
        (runs_needed(effect, sd), two[0]),
        (runs_needed(effect, sd, family_size=12), two[1]),
        (runs_needed(effect, sd, 3), three[0]),
        (runs_needed(effect, sd, 3, family_size=24), three[1]),
        (rows_for_equivalence(effect, sd), equal),
    ]
    for ours, theirs in found:
        assert theirs <= ours <= theirs + 1


def test_correlated_pairs_need_fewer() -> None:
    assert pairs_needed(0.2, 0.25, 0.5) == pytest.approx(pairs_needed(0.2, 0.25) / 2, abs=1)
    assert pairs_needed(10, 0.25) == 2


@pytest.mark.parametrize("num_kinds", [2, 3, 4])
@pytest.mark.parametrize("num_terms", [None, 13])
def test_what_the_needed_rows_see_is_the_effect(num_kinds: int, num_terms: int | None) -> None:
    options = {"num_terms": num_terms, "family_size": 12, "inflation": 1.2}
    rows = runs_needed(0.2, 0.5, num_kinds, **options)
    assert detectable(rows, 0.5, num_kinds, **options) <= 0.2
    assert detectable(math.floor(0.98 * rows), 0.5, num_kinds, **options) > 0.2


def test_student_asks_for_more_than_the_normal_and_for_two_rows_per_term() -> None:
    assert runs_needed(0.2, 0.25, num_terms=13) > runs_needed(0.2, 0.25)
    assert runs_needed(10, 0.25, num_terms=13) == resolution_floor(13) == 26
    assert runs_needed(1e-9, 1.0) == 10**9


def test_too_few_rows_see_nothing() -> None:
    assert detectable(13, 1.0, num_terms=13) == math.inf
    assert detectable(1, 1.0) == math.inf
    assert detectable(14, 1.0, num_terms=13) < math.inf


def test_a_mean_over_blocks_is_seen_at_a_fraction() -> None:
    assert detectable(100, 1.0, num_blocks=16) == pytest.approx(detectable(100, 1.0) / 4)


@pytest.mark.parametrize("num_kinds", [2, 3])
def test_power_is_what_is_stated_by_simulation(num_kinds: int) -> None:
    num_blocks, sd, effect = 6, 0.5, 0.35
    terms = 1 + num_blocks * (num_kinds - 1)
    rows = runs_needed(effect, sd, num_kinds, num_terms=terms)
    rows += -rows % (2 * num_kinds)
    rng = np.random.default_rng(0)
    seen, false = 0, 0
    for _ in range(400):
        columns = [rng.permutation(np.arange(rows) % num_kinds) for _ in range(num_blocks)]
        codes = [(c == level) - (c == 0) * 1.0 for c in columns for level in range(1, num_kinds)]
        matrix = np.column_stack([np.ones(rows), *codes])
        values = effect * (columns[0] == 1) + rng.normal(0, sd, rows)
        inverse = np.linalg.inv(matrix.T @ matrix)
        fit = inverse @ matrix.T @ values
        rest = values - matrix @ fit
        variance = rest @ rest / (rows - terms)
        limit = student.ppf(0.975, rows - terms)
        for block in (0, 1):
            contrast = np.zeros(terms)
            contrast[1 + block * (num_kinds - 1) : 1 + (block + 1) * (num_kinds - 1)] = 1
            contrast[1 + block * (num_kinds - 1)] = 2
            ratio = contrast @ fit / math.sqrt(variance * contrast @ inverse @ contrast)
            seen += block == 0 and abs(ratio) > limit
            false += block == 1 and abs(ratio) > limit
    # Columns in random order are a little less exact than orthogonal ones.
    assert 0.72 <= seen / 400 <= 0.86
    assert 0.02 <= false / 400 <= 0.08


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: runs_needed(0, 1),
            r"power: effect must be a number > 0, got effect=0\. Give the size",
        ),
        (
            lambda: runs_needed(1, math.nan),
            r"power: sd must be a number > 0, got sd=nan\. Give the standard",
        ),
        (
            lambda: detectable(9, 1, inflation=0),
            r"power: inflation must be a number > 0, got inflation=0\. Give 1",
        ),
        (lambda: detectable(9, -1), r"power: sd must be a number > 0, got sd=-1\."),
        (
            lambda: runs_needed(1, 1, power=1),
            r"power: power must be in \(0, 1\), got power=1\. Usual is 0\.8\.",
        ),
        (
            lambda: pairs_needed(1, 1, alpha=0),
            r"power: alpha must be in \(0, 1\), got alpha=0\. Usual is 0\.05\.",
        ),
        (
            lambda: runs_needed(1, 1, family_size=0),
            r"power: family_size must be >= 1, got family_size=0\. Give 1",
        ),
        (
            lambda: pairs_needed(1, 1, 1.5),
            r"power: correlation must be in \[-1, 1\], got correlation=1\.5\. Give 0",
        ),
        (
            lambda: rows_for_equivalence(-1, 1),
            r"power: margin must be a number > 0, got margin=-1\. Give",
        ),
    ],
)
def test_what_is_out_of_range_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
