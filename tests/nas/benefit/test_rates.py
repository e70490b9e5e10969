import numpy as np
import pytest

from nas.benefit.rates import rate_codes, rate_columns

UNKNOWN = np.nan


def test_rates_that_differ_by_rounding_are_one():
    levels, codes = rate_codes(np.array([0.1, 0.3 / 3, 0.03, UNKNOWN]))
    assert len(levels) == 2
    assert codes.tolist() == [1, 1, 0, -1]


def test_one_rate_needs_no_column_and_two_are_a_factor():
    assert rate_columns(np.full(5, 0.1)) is None
    assert rate_columns(np.full(5, UNKNOWN)) is None
    assert rate_columns(np.array([0.1, 0.03, 0.1])).tolist() == [[1], [0], [1]]


def test_rates_from_a_range_are_one_number_and_unknown_ones_a_level():
    rates = np.array([10.0**-power for power in range(8)] + [UNKNOWN])
    columns = rate_columns(rates)
    assert columns.shape == (9, 2)
    assert columns[:8, 0].mean() == pytest.approx(0)
    assert columns[8].tolist() == [0, 1]
