import tracemalloc

import numpy as np
import pytest
import statsmodels.api as sm

from nas.benefit.ols import MANY_CLUSTERS, Fit, t_quantile, two_sided_p


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    matrix = np.column_stack([np.ones(40), rng.normal(size=(40, 4))])
    noise = rng.normal(size=40) * (1 + 2 * (matrix[:, 1] > 0))
    return matrix, matrix @ [1.0, 0.5, -0.5, 0.0, 2.0] + noise


CONTRASTS = np.array([[0, 1, 0, 0, 0], [0, 1, -1, 0, 0], [0, 0.5, 0.5, 1, 0]], dtype=float)


def test_hc3_errors_and_p_values_equal_those_of_statsmodels(data):
    matrix, y = data
    ours = Fit(matrix, y, np.arange(40))
    theirs = sm.OLS(y, matrix).fit(cov_type="HC3", use_t=True).t_test(CONTRASTS)
    weights = ours.weights(CONTRASTS)
    errors = ours.standard_errors(weights)
    assert weights @ y == pytest.approx(theirs.effect)
    assert errors == pytest.approx(theirs.sd)
    assert two_sided_p(weights @ y / errors, ours.df) == pytest.approx(theirs.pvalue)
    assert weights @ y + t_quantile(ours.df, 0.975) * errors == pytest.approx(
        theirs.conf_int()[:, 1]
    )
    assert (ours.cov_type, ours.df, ours.rank) == ("HC3", 35, 5)


@pytest.mark.parametrize(
    "cluster",
    [np.arange(40) // 2, np.repeat(np.arange(20), [1] * 10 + [2, 4] * 5)],
    ids=["equal", "unequal"],
)
def test_clustered_errors_are_the_jackknife_that_leaves_out_whole_architectures(data, cluster):
    matrix, y = data
    ours = Fit(matrix, y, cluster)
    refits = []
    for group in range(20):
        kept = cluster != group
        refits.append(np.linalg.lstsq(matrix[kept], y[kept], rcond=None)[0])
    deviations = (np.array(refits) - ours.pseudo_inverse @ y) @ CONTRASTS.T
    expected = np.sqrt((deviations**2).sum(axis=0))
    assert ours.standard_errors(ours.weights(CONTRASTS)) == pytest.approx(expected)
    assert (ours.cov_type, ours.df) == ("CR3", 15)


def test_clustered_errors_are_near_the_plain_cluster_sum_where_columns_are_few():
    rng = np.random.default_rng(5)
    cluster = np.repeat(np.arange(300), 3)
    matrix = np.column_stack([np.ones(900), np.repeat(rng.normal(size=300), 3)])
    y = np.repeat(rng.normal(size=300), 3) + rng.normal(size=900)
    fitted = sm.OLS(y, matrix).fit(cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True)
    contrast = np.array([[0.0, 1.0]])
    ours = Fit(matrix, y, cluster)
    assert ours.standard_errors(ours.weights(contrast)) == pytest.approx(fitted.bse[1:], rel=0.02)


def test_a_contrast_of_aliased_columns_is_not_identified():
    rng = np.random.default_rng(0)
    column = rng.normal(size=20)
    matrix = np.column_stack([np.ones(20), column, column, rng.normal(size=20)])
    fit = Fit(matrix, rng.normal(size=20), np.arange(20))
    contrasts = np.array([[0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]], dtype=float)
    assert fit.identified(contrasts).tolist() == [False, True, True]
    assert fit.rank == 3


def test_a_contrast_that_hangs_on_one_row_is_not_identified():
    rng = np.random.default_rng(0)
    matrix = np.column_stack([np.ones(20), np.eye(20)[:, 4], rng.normal(size=20)])
    fit = Fit(matrix, rng.normal(size=20), np.arange(20))
    assert fit.identified(np.eye(3)).tolist() == [True, False, True]
    assert np.isfinite(fit.standard_errors(fit.weights(np.eye(3)))).all()


def test_a_contrast_that_hangs_on_one_repeated_architecture_is_not_identified():
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(10), 2)
    matrix = np.column_stack([np.ones(20), cluster == 4, rng.normal(size=20)])
    fit = Fit(matrix, rng.normal(size=20), cluster)
    assert fit.identified(np.eye(3)).tolist() == [True, False, True]


def test_an_outcome_without_noise_has_no_error_and_zero_draws():
    matrix = np.column_stack([np.ones(12), np.tile([0.0, 1.0], 6)])
    fit = Fit(matrix, matrix @ [1.0, 2.0], np.arange(12))
    weights = fit.weights(np.eye(2))
    assert fit.standard_errors(weights) == pytest.approx([0, 0], abs=1e-12)
    assert np.isfinite(fit.draw(weights, 50, 0)[1]).all()


def test_bootstrap_draws_repeat_and_scatter_like_the_standard_errors(data):
    matrix, y = data
    fit = Fit(matrix, y, np.arange(40))
    weights = fit.weights(CONTRASTS)
    deviations, t = fit.draw(weights, 4000, 7)
    assert deviations.std(axis=1) == pytest.approx(fit.standard_errors(weights), rel=0.05)
    assert np.array_equal(t, fit.draw(weights, 4000, 7)[1])
    assert 1.7 < np.quantile(np.abs(t[0]), 0.95) < 2.7


@pytest.mark.parametrize("repeats", [1, 2])
def test_memory_grows_with_the_rows_and_not_with_their_square(repeats):
    rng = np.random.default_rng(0)
    rows = 10_000
    matrix = np.column_stack([np.ones(rows), rng.normal(size=(rows, 2))])
    fit = Fit(matrix, rng.normal(size=rows), np.arange(rows) // repeats)
    tracemalloc.start()
    fit.draw(fit.weights(np.eye(3)), 10, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A matrix of rows x rows would take 800 MB.
    assert peak < 50e6


def test_errors_of_a_row_that_is_fitted_almost_exactly_or_of_few_rows_mean_nothing():
    rng = np.random.default_rng(0)
    far = rng.normal(size=20)
    far[4] = 1000.0
    fit = Fit(np.column_stack([np.ones(20), far]), rng.normal(size=20), np.arange(20))
    assert fit.identified(np.eye(2)).all()
    assert fit.has_errors(fit.weights(np.eye(2))).tolist() == [False, False]
    few = Fit(np.column_stack([np.ones(4), rng.normal(size=4)]), rng.normal(size=4), np.arange(4))
    assert not few.has_errors(few.weights(np.eye(2))).any()


def test_errors_of_ordinary_rows_mean_something(data):
    fit = Fit(*data, np.arange(40))
    assert fit.has_errors(fit.weights(CONTRASTS)).all()


def test_many_architectures_give_the_same_bands_without_a_bootstrap():
    rng = np.random.default_rng(0)
    rows = MANY_CLUSTERS + 200
    matrix = np.column_stack([np.ones(rows), rng.integers(0, 2, (rows, 8)) - 0.5])
    y = matrix @ rng.normal(size=9) + rng.normal(size=rows) * (1 + matrix[:, 1])
    many = Fit(matrix, y, np.arange(rows))
    few = Fit(matrix[:900], y[:900], np.arange(900))
    contrasts = np.eye(9)[1:]
    bands, ratios = [], []
    for fit in (many, few):
        weights = fit.weights(contrasts)
        deviations, t = fit.draw(weights, 2000, 0)
        bands.append(np.quantile(np.abs(t).max(axis=0), 0.95))
        ratios.append(deviations.std(axis=1) / fit.standard_errors(weights))
    assert bands[0] == pytest.approx(bands[1], rel=0.05)
    np.testing.assert_allclose(ratios, 1, atol=0.1)


def test_the_covariance_of_contrasts_has_their_squared_errors_on_its_diagonal():
    rng = np.random.default_rng(1)
    matrix = np.column_stack([np.ones(60), rng.integers(0, 2, (60, 3)) - 0.5])
    for cluster in (np.arange(60), np.arange(60) // 2):
        fit = Fit(matrix, rng.normal(size=60), cluster)
        weights = fit.weights(np.eye(4))
        errors = np.sqrt(np.diag(fit.covariance(weights)))
        assert errors == pytest.approx(fit.standard_errors(weights))
