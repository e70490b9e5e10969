"""The tests that the rules use, against SciPy and by simulation."""

import numpy as np
import pytest
import scipy.stats

from nas.claims.finding import Estimate
from nas.claims.fold_over import fold_over
from nas.claims.statistics import (
    deviations_within,
    effect_estimates,
    effects_slope,
    equality_test,
    fisher_test,
    fit_effects,
    mean_estimate,
    rank_intervals,
    share_bounds,
    sign_test,
    slope,
)


def test_the_t_interval_is_scipys() -> None:
    values = [0.3, 1.7, 0.9, -0.4, 1.1]
    found = mean_estimate("gain", values, level=0.9)
    wanted = scipy.stats.t.interval(0.9, 4, np.mean(values), scipy.stats.sem(values))
    assert (found.low, found.high) == pytest.approx(wanted)
    assert found.n == 5


def test_one_value_has_no_interval_and_no_value_no_mean() -> None:
    assert mean_estimate("gain", [2.0]) == Estimate(name="gain", value=2.0, n=1)
    assert mean_estimate("gain", []).value is None


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (5, 0), (14, 6), (3, 17), (10, 10)])
def test_the_sign_test_is_scipys_binomial_test(wins: int, losses: int) -> None:
    wanted = scipy.stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert sign_test(wins, losses) == pytest.approx(wanted)


@pytest.mark.parametrize("first", [(0, 5), (3, 5), (5, 5), (2, 3)])
@pytest.mark.parametrize("second", [(0, 5), (1, 4), (5, 5)])
def test_fishers_test_is_scipys(first: tuple[int, int], second: tuple[int, int]) -> None:
    table = [[first[0], first[1] - first[0]], [second[0], second[1] - second[0]]]
    assert fisher_test(first, second) == pytest.approx(scipy.stats.fisher_exact(table)[1])


@pytest.mark.parametrize(("hits", "number"), [(0, 5), (5, 5), (3, 8)])
def test_the_bounds_of_a_share_are_those_of_clopper_and_pearson(hits: int, number: int) -> None:
    wanted = scipy.stats.binomtest(hits, number).proportion_ci(0.9, method="exact")
    assert share_bounds(hits, number) == pytest.approx((wanted.low, wanted.high))


def test_the_slope_is_scipys() -> None:
    x, y = [8, 14, 20, 26], [0.1, 0.5, 0.2, 0.9]
    assert slope(x, y) == pytest.approx(scipy.stats.linregress(x, y)[0])


def test_effects_and_their_covariance_are_those_of_statsmodels() -> None:
    import statsmodels.api

    draws = np.random.default_rng(0)
    rows = fold_over(2, seed=1)
    values = rows @ [0.5, 0.1, 0.0, -0.2, 0.3, 0.0] + draws.normal(size=len(rows)) * (
        1 + (rows[:, 0] > 0)
    )
    fit = fit_effects(rows, list(values))
    reference = statsmodels.api.OLS(values, statsmodels.api.add_constant(rows / 2)).fit(
        cov_type="HC3", use_t=True
    )
    assert fit.coefficients == pytest.approx(reference.params[1:])
    assert fit.covariance == pytest.approx(reference.cov_params()[1:, 1:])
    contrasts = np.column_stack([np.zeros(5), np.eye(6)[1:] - np.eye(6)[:-1]])
    assert equality_test(fit) == pytest.approx(float(reference.f_test(contrasts).pvalue))
    names = list("abcdef")
    intervals = [(e.low, e.high) for e in effect_estimates(fit, names, len(values))]
    assert np.array(intervals) == pytest.approx(reference.conf_int()[1:])


def test_equal_effects_are_called_different_in_one_of_twenty() -> None:
    draws = np.random.default_rng(3)
    p = []
    for _ in range(300):
        rows = fold_over(3, seed=int(draws.integers(1 << 30)))
        # Noisier where skips are missing, as plain networks are.
        noise = draws.normal(size=len(rows)) * (2 - (rows > 0).mean(axis=1))
        p.append(equality_test(fit_effects(rows, list(0.4 * rows.sum(axis=1) + noise))))
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.09


def test_effects_that_are_precisely_equal_are_within_a_limit_and_noisy_ones_are_not() -> None:
    rows, draws = fold_over(3, seed=0), np.random.default_rng(0)
    noise = draws.normal(size=len(rows))
    assert deviations_within(fit_effects(rows, list(rows.sum(axis=1) + 0.001 * noise)), 0.01)
    assert not deviations_within(fit_effects(rows, list(rows.sum(axis=1) + noise)), 0.01)


def test_ranks_of_clear_effects_are_single_and_those_of_equal_ones_wide() -> None:
    rows, draws = fold_over(3, seed=0), np.random.default_rng(0)
    effects = np.array([6.0, 5.0, 4.0, 0.0, 0.0, 0.0])
    noise = 0.1 * draws.normal(size=len(rows))
    found = rank_intervals(fit_effects(rows, list(rows @ effects / 2 + noise)))
    assert found[:3] == [(1, 1), (2, 2), (3, 3)]
    assert all(low == 4 and high == 6 for low, high in found[3:])


def test_the_slope_of_effects_is_that_of_a_line_through_them() -> None:
    rows, draws = fold_over(3, seed=0), np.random.default_rng(0)
    fit = fit_effects(rows, list(rows @ np.arange(6.0) / 2 + 0.01 * draws.normal(size=len(rows))))
    found = effects_slope(fit, "slope")
    assert found.value == pytest.approx(slope(range(6), list(fit.coefficients)))
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert found.low < found.value < found.high
    assert found.n == len(rows)
