import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from nas.benefit.proportions import MeanDifference, normal_quantile, wilson


def single(events, number, events_against, number_against):
    return MeanDifference(
        weights=np.ones(1),
        share=np.array([events / number]),
        number=np.array([number]),
        against=np.array([events_against / number_against]),
        number_against=np.array([number_against]),
        correlations=np.ones((1, 1, 1)),
    )


@pytest.mark.parametrize(("events", "number"), [(0, 12), (3, 20), (20, 20)])
def test_score_limits_are_those_of_statsmodels(events, number):
    low, high = wilson(np.array([events / number]), np.array([number]), 1.959963984540054)
    expected = proportion_confint(events, number, method="wilson")
    assert (low[0], high[0]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("case", [(0, 12, 5, 12), (1, 30, 9, 25), (7, 40, 7, 41)])
def test_one_difference_has_newcombes_interval(case):
    events, number, against, number_against = case
    found = single(*case).limits(normal_quantile(0.975))
    expected = confint_proportions_2indep(
        against, number_against, events, number, method="newcomb", compare="diff"
    )
    assert found == pytest.approx(expected, abs=1e-9)


def test_no_event_on_either_side_still_has_a_width():
    low, high = single(0, 24, 0, 24).limits(1.96)
    assert low < -0.1
    assert high > 0.1
    assert single(0, 24, 0, 24).standard_error == 0


def test_p_is_the_level_at_which_the_interval_reaches_zero():
    found = single(1, 30, 9, 30)
    low, _ = found.limits(norm.isf(found.p() / 2))
    assert low == pytest.approx(0, abs=1e-6)
    assert single(3, 30, 3, 30).p() == pytest.approx(1)


def test_the_mean_of_independent_differences_is_narrower_and_of_one_thing_twice_is_not():
    def two(correlation):
        return MeanDifference(
            weights=np.full(2, 0.5),
            share=np.full(2, 0.1),
            number=np.full(2, 30),
            against=np.full(2, 0.4),
            number_against=np.full(2, 30),
            correlations=np.array([[[1, correlation], [correlation, 1]]], dtype=float),
        )

    low_alone, high_alone = single(3, 30, 12, 30).limits(1.96)
    low_same, high_same = two(1.0).limits(1.96)
    low_apart, high_apart = two(0.0).limits(1.96)
    assert (low_same, high_same) == pytest.approx((low_alone, high_alone))
    width = (high_apart - low_apart) / (high_alone - low_alone)
    assert width == pytest.approx(1 / np.sqrt(2))
