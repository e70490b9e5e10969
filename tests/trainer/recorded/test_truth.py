"""The estimands against their definitions, written out another way."""

import itertools

import numpy as np
import pytest

from trainer.recorded.table import pattern_digits
from trainer.recorded.truth import Estimands, joint_p, measure

NUM_GROUPS = 4
DIGITS = pattern_digits(NUM_GROUPS)
RNG = np.random.default_rng(3)
VALUES = RNG.normal(size=(len(DIGITS), 6)) + RNG.normal(size=(len(DIGITS), 1))
WEIGHTS = Estimands(NUM_GROUPS)
GROUPS = range(NUM_GROUPS)


def worth(*groups: int) -> float:
    """Mean of the pattern with skips at exactly these groups."""
    wanted = np.isin(np.arange(NUM_GROUPS), groups)
    return float(VALUES[(wanted == DIGITS).all(axis=1)][0].mean())


def gain(group: int, others: tuple[int, ...]) -> float:
    return worth(group, *others) - worth(*others)


def others_of(group: int) -> list[tuple[int, ...]]:
    rest = [other for other in GROUPS if other != group]
    return [own for size in range(len(rest) + 1) for own in itertools.combinations(rest, size)]


@pytest.mark.parametrize("group", GROUPS)
def test_amce_is_the_mean_gain_and_so_the_banzhaf_value(group: int) -> None:
    mean = np.mean([gain(group, others) for others in others_of(group)])
    assert measure(VALUES, WEIGHTS.amce(group)).value == pytest.approx(mean)
    np.testing.assert_allclose(WEIGHTS.banzhaf(group), WEIGHTS.amce(group))


@pytest.mark.parametrize("group", GROUPS)
def test_shapley_value_is_the_mean_gain_over_all_orders(group: int) -> None:
    orders = list(itertools.permutations(GROUPS))
    mean = np.mean([gain(group, order[: order.index(group)]) for order in orders])
    assert measure(VALUES, WEIGHTS.shapley(group)).value == pytest.approx(mean)


def test_shapley_values_share_the_whole_difference_out() -> None:
    total = sum(measure(VALUES, WEIGHTS.shapley(group)).value for group in GROUPS)
    assert total == pytest.approx(measure(VALUES, WEIGHTS.difference()).value)
    assert total == pytest.approx(worth(*GROUPS) - worth())


@pytest.mark.parametrize("group", GROUPS)
def test_first_and_last_skip_are_compared_with_plain_and_full(group: int) -> None:
    rest = tuple(other for other in GROUPS if other != group)
    assert measure(VALUES, WEIGHTS.abl(group)).value == pytest.approx(gain(group, rest))
    assert measure(VALUES, WEIGHTS.add(group)).value == pytest.approx(gain(group, ()))


def test_pairs_are_differences_of_gains() -> None:
    assert len(WEIGHTS.pairs()) == 6
    for first, second in WEIGHTS.pairs():
        rest = [own for own in others_of(first) if second not in own]
        mean = np.mean([gain(first, (*own, second)) - gain(first, own) for own in rest])
        assert measure(VALUES, WEIGHTS.pair(first, second)).value == pytest.approx(mean)


def test_sizes_and_thirds_are_means() -> None:
    three = [worth(*own) for own in itertools.combinations(GROUPS, 3)]
    assert measure(VALUES, WEIGHTS.of_size(3)).value == pytest.approx(np.mean(three))
    early, late = (measure(VALUES, WEIGHTS.amce(group)).value for group in (0, NUM_GROUPS - 1))
    assert measure(VALUES, WEIGHTS.late_minus_early()).value == pytest.approx(late - early)


def test_standard_errors_are_those_of_seeds() -> None:
    weights = WEIGHTS.amce(1)
    by_seed = weights @ VALUES
    found = measure(VALUES, weights)
    assert found.se == pytest.approx(by_seed.std(ddof=1) / np.sqrt(6))
    # What all patterns of a seed share cancels in a difference, and only there.
    shifted = VALUES + 5 * RNG.normal(size=6)
    assert measure(shifted, weights).se == pytest.approx(found.se)
    assert measure(shifted, weights).se_cells > 2 * found.se_cells


def test_joint_test_holds_its_level_and_finds_what_is_there() -> None:
    pairs = [WEIGHTS.pair(group, group + 1) for group in GROUPS[:-1]]
    p = [joint_p(np.random.default_rng(seed).normal(size=(16, 8)), pairs) for seed in range(200)]
    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.1
    both = DIGITS[:, 0] & DIGITS[:, 1]
    assert joint_p(VALUES + 3 * both[:, None], pairs) < 1e-3
