import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from nas.benefit.meta import homogeneity, pool


def draw(rng, between=0.0, bins=3, depths=3):
    matrix = np.repeat(np.eye(bins), depths, axis=0)
    variances = rng.uniform(0.02, 0.08, len(matrix))
    truth = np.array([0.5, 0.0, -0.3])
    errors = between * rng.normal(size=len(matrix)) + np.sqrt(variances) * rng.normal(
        size=len(matrix)
    )
    return matrix, matrix @ truth + errors, np.diag(variances), truth


def test_one_bin_without_spread_between_is_the_weighted_mean_of_statsmodels():
    rng = np.random.default_rng(3)
    matrix, estimates, covariance, _ = draw(rng, bins=3)
    own = pool(matrix[:3, :1], estimates[:3], covariance[:3, :3])
    expected = combine_effects(estimates[:3], np.diag(covariance)[:3])
    if own.between_sd == 0:
        assert own.coefficients[0] == pytest.approx(expected.mean_effect_fe, rel=1e-6)
    q = homogeneity(matrix[:3, :1], estimates[:3], covariance[:3, :3], 10**9)
    assert q.statistic * q.df == pytest.approx(expected.q, rel=1e-6)


@pytest.mark.parametrize("between", [0.0, 0.3])
@pytest.mark.slow
def test_pooled_intervals_hold_as_often_as_they_say(between):
    rng, inside = np.random.default_rng(0), []
    for _ in range(400):
        matrix, estimates, covariance, truth = draw(rng, between)
        found = pool(matrix, estimates, covariance)
        half = stats.t.ppf(0.975, found.df) * np.sqrt(np.diag(found.covariance))
        inside.append(np.abs(found.coefficients - truth) <= half)
    assert np.mean(inside) >= 0.93


def test_equal_depths_are_seldom_told_apart_and_unequal_ones_are():
    rng, p = np.random.default_rng(1), []
    for _ in range(400):
        matrix, estimates, covariance, _ = draw(rng)
        p.append(homogeneity(matrix, estimates, covariance, 200).p)
    assert np.mean(np.array(p) < 0.05) <= 0.08
    matrix, estimates, covariance, _ = draw(rng, between=2.0)
    assert homogeneity(matrix, estimates, covariance, 200).p < 0.001


def test_a_bin_of_one_depth_has_nothing_to_compare():
    assert homogeneity(np.eye(2), np.ones(2), np.eye(2), 50) is None
    assert homogeneity(np.ones((4, 1)), np.ones(4), np.eye(4), 2) is None
