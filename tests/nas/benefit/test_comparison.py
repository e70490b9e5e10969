import numpy as np
import pytest

from nas.benefit.comparison import Scores, contrast_scores, gap
from nas.benefit.ols import Fit


def fit(rng, rows=60, repeats=1):
    matrix = np.column_stack([np.ones(rows), rng.integers(0, 2, (rows, 3)) - 0.5])
    y = matrix @ [1, 0.5, 0, -0.2] + rng.normal(size=rows)
    return Fit(matrix, y, np.arange(rows) // repeats)


@pytest.mark.parametrize("repeats", [1, 2])
def test_the_error_is_that_of_the_fit(repeats):
    own = fit(np.random.default_rng(0), repeats=repeats)
    contrast = np.array([0, 1.0, 0, 0])
    scores = contrast_scores(own, contrast, own.cluster, own.num_clusters)
    [expected] = own.standard_errors(own.weights(contrast[None]))
    assert scores.standard_error == pytest.approx(expected)
    assert scores.df == own.df


def test_estimates_of_other_architectures_differ_with_both_their_errors():
    one = Scores(1.0, np.array([0.3, 0.4, 0, 0]), 10)
    other = Scores(0.2, np.array([0, 0, 0.6, 0.8]), 20)
    found = gap(one, other)
    assert (found.difference, found.se) == pytest.approx((0.8, np.sqrt(0.25 + 1.0)))


def test_an_estimate_does_not_differ_from_itself():
    one = Scores(1.0, np.array([0.3, 0.4]), 10)
    assert gap(one, one) is None


def test_what_the_rows_do_not_identify_has_no_scores():
    own = fit(np.random.default_rng(1))
    both = np.column_stack([own.matrix, own.matrix[:, 1]])
    twice = Fit(both, own.y, own.cluster)
    contrast = np.array([0, 1.0, 0, 0, 0])
    assert contrast_scores(twice, contrast, twice.cluster, twice.num_clusters) is None
