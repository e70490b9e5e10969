from collections import Counter
from itertools import islice

import pytest

from nas.design_rates import crossed_pairs, crossed_units

PAIRS = [[f"{number}{side}" for number in range(8) for side in "ab"]] * 9
FACTORS = (0.25, 0.5, 1.0)


@pytest.mark.parametrize("factors", [(0.333, 1.0), FACTORS])
def test_every_pair_is_trained_at_every_rate_once(factors: tuple[float, ...]) -> None:
    number = 16 * len(factors)
    found = list(islice(crossed_pairs(PAIRS, factors, 0), number))
    assert len(set(found)) == number
    assert Counter(factor for _, factor in found) == dict.fromkeys(factors, 16)


def test_a_row_and_its_mirror_share_the_rate_and_each_pass_has_all_pairs() -> None:
    found = list(islice(crossed_pairs(PAIRS, FACTORS, 0), 48))
    for row, mirror in zip(found[::2], found[1::2], strict=True):
        assert (row[0][:-1], row[1]) == (mirror[0][:-1], mirror[1])
    for start in (0, 16, 32):
        assert {row for row, _ in found[start : start + 16]} == set(PAIRS[0])


def test_rates_have_equally_many_pairs_at_any_time() -> None:
    counts: Counter[float] = Counter(dict.fromkeys(FACTORS, 0))
    for number, (_, factor) in enumerate(islice(crossed_pairs(PAIRS, FACTORS, 3), 48), start=1):
        counts[factor] += 1
        if number % 2 == 0:
            assert max(counts.values()) - min(counts.values()) <= 4


def test_which_rate_begins_is_drawn() -> None:
    first = {next(crossed_pairs(PAIRS, FACTORS, seed))[1] for seed in range(30)}
    assert first == set(FACTORS)


def test_one_rate_repeats_nothing() -> None:
    found = list(islice(crossed_pairs([["a", "b"], ["c", "d"]], (1.0,), 0), 9))
    assert found == [("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 1.0)]
    assert list(crossed_units("abc", 2, (1.0,), 0)) == [("a", 1.0), ("b", 1.0), ("c", 1.0)]


def test_balanced_units_have_one_rate_each_and_rates_come_in_turn() -> None:
    found = [factor for _, factor in crossed_units(range(12 * 6), 12, FACTORS, 1)]
    units = [found[start : start + 12] for start in range(0, len(found), 12)]
    assert all(len(set(unit)) == 1 for unit in units)
    for start in (0, 3):
        assert sorted(unit[0] for unit in units[start : start + 3]) == sorted(FACTORS)
    orders = {tuple(f for _, f in crossed_units(range(3), 1, FACTORS, seed)) for seed in range(60)}
    assert len(orders) == 6
