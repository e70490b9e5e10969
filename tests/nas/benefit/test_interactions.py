from itertools import pairwise

import numpy as np
import pytest
import statsmodels.api as sm

from nas.benefit.effects import analyse
from nas.benefit.interactions import interaction_rows
from search_spaces.spec import Kind

TWO = (Kind.NONE, Kind.IDENTITY)


def quiet(rng, codes):
    return 0.2 * rng.normal(size=len(codes))


def rows_of(world, kinds, rows=200, seed=0):
    sample = world.draw(np.random.default_rng(seed), rows, quiet)
    return sample, interaction_rows(analyse(sample, kinds, None, draws=100))


def test_skips_that_stand_in_for_each_other_are_found_pair_by_pair(planted):
    world = planted.world(np.zeros((6, 3)), gamma=-0.5)
    _, found = rows_of(world, TWO)
    assert [(row["l"], row["m"]) for row in found] == list(pairwise(range(1, 7)))
    assert [row["estimate"] for row in found] == pytest.approx([-0.5] * 5, abs=0.15)
    assert all(row["p_adj"] < 0.001 for row in found)
    assert {row["exploratory"] for row in found} == {False}
    assert found[0]["kinds"] == ["identity", "identity"]
    assert found[0]["ci"][0] < found[0]["estimate"] < found[0]["ci"][1]


def test_without_interactions_rows_are_exploratory_and_adjusted(planted):
    _, found = rows_of(planted.world(np.zeros((6, 3))), TWO)
    assert {row["exploratory"] for row in found} == {True}
    assert all(row["p_adj"] >= row["p"] for row in found)


def test_estimates_and_errors_are_those_of_statsmodels(planted):
    world = planted.world(np.zeros((4, 3)), gamma=0.3)
    sample, found = rows_of(world, TWO)
    codes = sample.codes - 0.5
    pairs = [codes[:, i] * codes[:, i + 1] for i in range(3)]
    matrix = np.column_stack([np.ones(len(codes)), codes, *pairs])
    fit = sm.OLS(sample.value, matrix).fit(cov_type="HC3", use_t=True)
    assert [row["estimate"] for row in found] == pytest.approx(fit.params[-3:].tolist())
    assert [row["se"] for row in found] == pytest.approx(fit.bse[-3:].tolist())
    assert [row["p"] for row in found] == pytest.approx(fit.pvalues[-3:].tolist())


def test_several_kinds_are_averaged(planted):
    world = planted.world(np.zeros((4, 3)), gamma=-0.5, num_kinds=3)
    _, found = rows_of(world, tuple(Kind), rows=300)
    assert {tuple(row["kinds"]) for row in found} == {("skip", "skip")}
    assert [row["estimate"] for row in found] == pytest.approx([-0.5] * 3, abs=0.15)


def test_too_few_rows_say_nothing_of_pairs(planted):
    _, found = rows_of(planted.world(np.zeros((6, 3))), TWO, rows=20)
    assert found == []
