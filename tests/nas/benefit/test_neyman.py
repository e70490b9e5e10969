from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from nas.benefit.neyman import difference_in_means, difference_in_seconds
from nas.benefit.questions import Question


@pytest.fixture
def sample(planted):
    tau = np.zeros((4, 3))
    tau[:, 1], tau[:, 2] = 0.5, 0.25
    world = planted.world(tau, num_kinds=3)
    noise = lambda rng, codes: rng.normal(size=len(codes)) * (1 + codes[:, 0])  # noqa: E731
    return world.draw(np.random.default_rng(0), 80, noise)


def test_a_blocks_check_is_welchs_difference(sample):
    found = difference_in_means(sample, Question("AMCE", "identity", "none", 1, 0))
    with_skip, without = (sample.value[sample.codes[:, 0] == code] for code in (1, 0))
    assert found["estimate"] == pytest.approx(with_skip.mean() - without.mean())
    welch = stats.ttest_ind(with_skip, without, equal_var=False)
    assert found["estimate"] / found["se"] == pytest.approx(welch.statistic)


def test_a_stages_check_is_the_mean_of_its_blocks(sample):
    blocks = [
        difference_in_means(sample, Question("AMCE", "projection", "none", 1, index))["estimate"]
        for index in (0, 1)
    ]
    stage = difference_in_means(sample, Question("AMCE_STAGE", "projection", "none", 1))
    assert stage["estimate"] == pytest.approx(np.mean(blocks))


def test_kinds_with_fewer_than_two_rows_have_no_check(planted):
    world = planted.world(np.zeros((2, 3)))
    sample = world.sample(np.array([[0, 0], [0, 1], [1, 1]]), np.arange(3.0))
    assert difference_in_means(sample, Question("AMCE", "identity", "none", 1, 0)) is None
    empty = world.sample(np.empty((0, 2), dtype=int), np.empty(0))
    assert difference_in_means(empty, Question("AMCE_ALL", "skip", "none")) is None


def test_under_constraints_there_is_no_difference_of_means(sample):
    question = Question("AMCE", "identity", "none", 1, 0)
    timed = replace(sample, seconds=np.ones(sample.num_rows))
    assert difference_in_seconds(timed, question) == pytest.approx(0)
    within = replace(timed, is_conditional=True)
    assert difference_in_means(within, question) is None
    assert difference_in_seconds(within, question) is None
