import math

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from nas.architecture_table import FLOAT_BINS, ArchitectureTable, Column, at_position, position

KIND = CategoricalDistribution(("none", "identity"))
RATE = FloatDistribution(0.01, 1.0, log=True)


def add(table: ArchitectureTable, **kinds: str) -> int:
    distributions: dict[str, BaseDistribution] = dict.fromkeys(kinds, KIND)
    return table.add(kinds, distributions)


class TestColumn:
    def test_every_choice_has_a_code_before_it_is_seen(self) -> None:
        column = Column(0, KIND)
        assert column.answers == ["none", "identity"]
        assert [column.code("identity"), column.code("none")] == [2, 1]

    def test_of_many_integers_those_that_are_seen_have_codes(self) -> None:
        column = Column(0, IntDistribution(1, 1000))
        assert column.answers == []
        assert [column.code(500), column.code(2), column.code(500)] == [1, 2, 1]
        assert Column(0, IntDistribution(8, 64, step=8)).answers == [*range(8, 65, 8)]

    def test_floats_are_cut_into_parts_on_their_own_scale(self) -> None:
        column = Column(0, RATE)
        assert [column.code(value) for value in (0.01, 0.1001, 1.0)] == [1, 6, FLOAT_BINS]
        assert column.is_float
        assert column.is_number


@pytest.mark.parametrize(
    "distribution", [RATE, FloatDistribution(-1, 3), FloatDistribution(0, 1, step=0.25)]
)
@pytest.mark.parametrize("place", [0.0, 0.25, 1.0])
def test_places_in_a_range_can_be_turned_back(
    distribution: FloatDistribution, place: float
) -> None:
    assert position(distribution, at_position(distribution, place)) == pytest.approx(place)


def test_range_of_one_value_has_one_place() -> None:
    assert position(FloatDistribution(2, 2), 2.0) == 0


class TestTable:
    def test_same_architecture_has_one_row_whatever_came_between(self) -> None:
        table = ArchitectureTable()
        first = add(table, a="none")
        assert add(table, a="none", b="identity") != first
        assert add(table, a="none") == first
        assert len(table) == 2
        np.testing.assert_array_equal(table.codes, [[1, 0], [1, 2]])

    def test_repeated_trainings_are_averaged(self) -> None:
        table = ArchitectureTable()
        row = add(table, a="none")
        assert math.isnan(table.values[row])
        for value in (1.0, 2.0, 6.0):
            table.learn(row, value=value)
        assert table.values[row] == pytest.approx(3.0)
        assert table.num_values == 1
        assert table.take_learned() == [row] * 3
        assert table.take_learned() == []

    def test_largest_excess_and_pruned_value_are_kept(self) -> None:
        table = ArchitectureTable()
        row = add(table, a="none")
        table.learn(row, pruned_value=4.0, excess=[-0.5, 0.25])
        assert (table.pruned_values[row], table.excess[row]) == (4.0, 0.25)
        assert table.num_values == 0

    def test_architectures_are_known_by_their_row_or_when_reserved(self) -> None:
        table = ArchitectureTable()
        row = add(table, a="none", b="none")
        assert table.is_known(table.codes[row])
        other = np.array([1, 2], dtype=np.int16)
        assert not table.is_known(other)
        table.reserve(other)
        assert table.is_known(other)

    def test_with_floats_nothing_is_known_and_every_training_has_a_row(self) -> None:
        table = ArchitectureTable()
        rows = [table.add({"lr": 0.1}, {"lr": RATE}) for _ in range(2)]
        assert rows == [0, 1]
        assert not table.is_known(table.codes[0])

    def test_table_grows(self) -> None:
        table = ArchitectureTable()
        names = [f"skip.{number}" for number in range(40)]
        for number in range(300):
            kinds = {name: KIND.choices[number >> nth & 1] for nth, name in enumerate(names)}
            row = add(table, **{name: str(kind) for name, kind in kinds.items()})
            table.learn(row, value=float(number))
        assert table.codes.shape == (300, 40)
        np.testing.assert_array_equal(table.values, np.arange(300.0))
