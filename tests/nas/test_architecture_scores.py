import numpy as np
from optuna.distributions import CategoricalDistribution

from nas.architecture_scores import ArchitectureScores
from nas.architecture_table import ArchitectureTable

KINDS = CategoricalDistribution(("none", "identity"))
NAMES = [f"skip.block{number}" for number in range(6)]


def row_of(table: ArchitectureTable, number: int) -> int:
    kinds = {name: KINDS.choices[number >> nth & 1] for nth, name in enumerate(NAMES)}
    return table.add(kinds, dict.fromkeys(kinds, KINDS))


def test_without_a_fit_the_best_have_the_best_values() -> None:
    table = ArchitectureTable()
    scores = ArchitectureScores(table, surrogate=False)
    for number, value in enumerate((3.0, 1.0, 2.0)):
        table.learn(row_of(table, number), value=value)
        scores.renew()
    assert scores.best(2).tolist() == [1, 2]
    assert scores.ridge is None
    assert not scores.judge(table.codes, np.random.default_rng(0)).any()


def test_one_lucky_training_counts_for_less_with_a_fit() -> None:
    def best_after(*, surrogate: bool) -> int:
        table = ArchitectureTable()
        scores = ArchitectureScores(table, surrogate=surrogate)
        for number in range(60):
            # The fewer identities the worse; the plain network was lucky.
            value = 1.0 - number.bit_count() / 6 if number else 0.1
            table.learn(row_of(table, number), value=value)
            scores.renew()
        return int(scores.best(1)[0])

    assert best_after(surrogate=False) == 0
    assert best_after(surrogate=True) > 0


def test_rows_beyond_a_constraint_come_last_and_nearest_first() -> None:
    table = ArchitectureTable()
    scores = ArchitectureScores(table, surrogate=True)
    for number, (value, excess) in enumerate(((None, 2.0), (5.0, -1.0), (0.0, 1.0), (None, -1.0))):
        table.learn(row_of(table, number), value=value, excess=[excess])
    scores.renew()
    # The last one is allowed, but nothing is known of its value.
    assert scores.best(4).tolist() == [1, 2, 0]


def test_row_that_is_learned_late_is_taken_up() -> None:
    table = ArchitectureTable()
    scores = ArchitectureScores(table, surrogate=False)
    late = row_of(table, 0)
    for number in range(1, 60):
        table.learn(row_of(table, number), value=float(number))
        scores.renew()
    table.learn(late, value=-1.0)
    scores.renew()
    assert scores.best(1).tolist() == [late]
