import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from nas.benefit.multiplicity import holm


def test_adjusted_values_are_those_of_statsmodels():
    p = np.random.default_rng(0).random(30) ** 2
    assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1].tolist())


def test_nothing_asked_needs_nothing_adjusted():
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]
