import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution

from nas.architecture_table import Column
from nas.ridge import Ridge, ruled_out

KINDS = CategoricalDistribution(("none", "identity", "projection"))
COLUMNS = {f"skip.block{number}": Column(number, KINDS) for number in range(5)}


def drawn_codes(rows: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 4, (rows, len(COLUMNS)))


def test_sums_of_effects_are_found_again() -> None:
    codes = drawn_codes(400)
    worth = np.random.default_rng(1).normal(size=(len(COLUMNS), 4))
    values = 3 + worth[np.arange(5), codes].sum(axis=1)
    ridge = Ridge(COLUMNS, codes, values)
    new = drawn_codes(450)[400:]
    np.testing.assert_allclose(
        ridge.predict(new), 3 + worth[np.arange(5), new].sum(axis=1), atol=0.1
    )
    effects = ridge.effects()["skip.block2"]
    assert effects["identity"] - effects["none"] == pytest.approx(
        worth[2, 2] - worth[2, 1], abs=0.05
    )


def test_few_rows_say_something_about_every_block() -> None:
    codes = drawn_codes(8)
    codes[:, 4] = 1
    values = (codes != 1).sum(axis=1).astype(float)
    effects = Ridge(COLUMNS, codes, values).effects()["skip.block4"]
    assert effects["identity"] > effects["none"]


def test_numbers_not_tried_are_expected_to_be_like_those_beside_them() -> None:
    columns = {"width": Column(0, IntDistribution(1, 8))}
    codes = np.array([[1], [2], [3], [6], [7], [8]] * 5)
    values = np.abs(codes[:, 0] - 4.5)
    found = Ridge(columns, codes, values).predict(np.arange(1, 9)[:, None])
    assert found[3] < found[1]
    assert found[4] < found[6]


def test_drawn_effects_vary_where_little_is_known() -> None:
    codes = drawn_codes(60)
    codes[:, 4] = np.where(np.arange(60) < 58, 1, 2)
    values = np.random.default_rng(2).normal(size=60)
    ridge = Ridge(COLUMNS, codes, values)
    rng = np.random.default_rng(3)
    pair = codes[:2].copy()

    def spread(column: int) -> float:
        pair[0], pair[1] = codes[0], codes[0]
        pair[0, column], pair[1, column] = 1, 2
        drawn = np.array([ridge.predict(pair, rng) for _ in range(200)])
        return float(np.std(drawn[:, 1] - drawn[:, 0]))

    assert spread(4) > 1.5 * spread(0)


def test_answers_that_came_up_later_are_worth_nothing() -> None:
    ridge = Ridge(COLUMNS, drawn_codes(20), np.arange(20.0))
    later = np.zeros((1, 7), dtype=int)
    later[0, 0], later[0, 6] = 9, 1
    assert ridge.predict(later) == ridge.predict(np.zeros((1, 5), dtype=int))


def test_decisions_that_an_answer_rules_out_are_found() -> None:
    rng = np.random.default_rng(0)
    codes = np.zeros((60, 3), dtype=int)
    codes[:, 0] = rng.integers(1, 3, 60)
    codes[:, 1] = rng.integers(1, 3, 60)
    # The third is asked where the first has its second answer.
    codes[:, 2] = np.where(codes[:, 0] == 2, rng.integers(1, 3, 60), 0)
    never = ruled_out(codes)
    assert [tuple(map(int, place)) for place in np.argwhere(never)] == [(0, 1, 2)]
    assert not ruled_out(codes[:3]).any()
