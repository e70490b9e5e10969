"""Ranking over fresh seeds and Welch's comparison, against SciPy."""

import math
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nas.errors import TableError
from nas.finalists import (
    Outcome,
    best_finalist,
    choose_finalists,
    metric_values,
    summarise,
    welch,
)
from nas.trials import Source, State, TrialRecord
from search_spaces import preset

VALUES = st.lists(st.floats(-100, 100), min_size=2, max_size=8)


def trial(number: int, value: float | None, spec_id: str | None, **changes: object) -> TrialRecord:
    given = {"state": State.COMPLETE, "source": Source.ADAPTIVE, "decisions": {}} | changes
    return TrialRecord(number=number, value=value, spec_id=spec_id, **given)  # pyright: ignore


def repeats(spec_id: str, *values: float, first: int = 0, **changes: object) -> list[TrialRecord]:
    return [
        trial(first + i, value, spec_id, **({"source": Source.FINALIST, "seed": i} | changes))
        for i, value in enumerate(values)
    ]


def test_summary_is_students_interval() -> None:
    values = [0.91, 0.94, 0.97, 0.93]
    found = summarise(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.n, found.mean) == (4, pytest.approx(0.9375))
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_summary_of_one_run_has_no_spread() -> None:
    found = summarise([0.5])
    assert (found.n, found.mean, found.sd, found.low, found.high) == (1, 0.5, None, None, None)


def test_summary_of_nothing_is_an_error() -> None:
    with pytest.raises(TableError, match="at least one value is needed, got 0 values"):
        summarise([])


# SciPy warns of values that are all alike; they are wanted here.
@pytest.mark.filterwarnings("ignore:Precision loss occurred:RuntimeWarning")
@given(VALUES, VALUES)
def test_welch_interval_is_that_of_scipy(ours: list[float], theirs: list[float]) -> None:
    found = welch(ours, theirs, level=0.9)
    if found.low is None or found.high is None:
        return
    test = stats.ttest_ind(ours, theirs, equal_var=False)
    expected = test.confidence_interval(0.9)
    scale = max(map(abs, ours + theirs)) + 1
    assert found.low == pytest.approx(expected.low, rel=1e-5, abs=1e-9 * scale)
    assert found.high == pytest.approx(expected.high, rel=1e-5, abs=1e-9 * scale)


@pytest.mark.parametrize(
    ("ours", "theirs", "direction", "outcome"),
    [
        ([0.97, 0.98, 0.99], [0.90, 0.91, 0.92], "maximize", Outcome.BETTER),
        ([0.97, 0.98, 0.99], [0.90, 0.91, 0.92], "minimize", Outcome.WORSE),
        ([0.10, 0.11, 0.12], [0.20, 0.21, 0.22], "minimize", Outcome.BETTER),
        ([0.10, 0.11, 0.12], [0.20, 0.21, 0.22], "maximize", Outcome.WORSE),
        ([0.10, 0.30, 0.20], [0.20, 0.25, 0.22], "minimize", Outcome.NOT_DISTINGUISHABLE),
    ],
)
def test_outcome_follows_interval_and_direction(ours, theirs, direction, outcome) -> None:
    assert welch(ours, theirs).outcome(direction) is outcome


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [([0.9], [0.1, 0.2, 0.3]), ([0.9, 0.8], [0.1]), ([0.9, 0.9], [0.1, 0.1])],
    ids=["one run of ours", "one run of theirs", "no spread at all"],
)
def test_difference_whose_spread_is_unknown_has_no_interval(ours, theirs) -> None:
    found = welch(ours, theirs)
    assert (found.low, found.high, found.df) == (None, None, None)
    assert found.outcome("maximize") is Outcome.NOT_DISTINGUISHABLE


def test_finalists_are_the_best_distinct_search_trials() -> None:
    records = [
        trial(0, 0.5, "a"),
        trial(1, 0.2, "b", source=Source.RANDOMISED),
        trial(2, 0.3, "a"),
        trial(3, 0.4, "c"),
        trial(4, 0.1, "d", state=State.PRUNED),
        trial(5, 0.0, "e", source=Source.ANCHOR),
        trial(6, math.nan, "f"),
        trial(7, None, "g", state=State.FAILED),
    ]
    found = choose_finalists(records, top=2, direction="minimize")
    assert [(r.number, r.spec_id) for r in found] == [(1, "b"), (2, "a")]
    best_last = choose_finalists(records, top=9, direction="maximize")
    assert [r.number for r in best_last] == [0, 3, 1]


def test_architecture_is_known_by_its_spec_where_no_id_is_stored() -> None:
    spec = preset("resnet-8")
    records = [trial(0, 0.5, None, spec=spec), trial(1, 0.1, None)]
    assert [r.number for r in choose_finalists(records, 2, "minimize")] == [0]
    assert best_finalist(records, "minimize").winner.spec_id == spec.spec_id


def test_equal_values_are_taken_in_order_of_trial() -> None:
    records = [trial(4, 0.5, "b"), trial(3, 0.5, "a")]
    assert [r.number for r in choose_finalists(records, 2, "minimize")] == [3, 4]


def test_no_finalist_is_an_error_of_the_caller() -> None:
    with pytest.raises(TableError, match=r"top must be >= 1, got top=0\."):
        choose_finalists([], top=0, direction="minimize")
    assert choose_finalists([], top=3, direction="minimize") == []


def test_winner_has_the_best_mean_not_the_best_run() -> None:
    lucky = repeats("lucky", 0.01, 0.50, 0.60, of_trial=7)
    steady = repeats("steady", 0.20, 0.22, 0.18, first=10, of_trial=9)
    ranking = best_finalist(lucky + steady, "minimize")
    assert [s.spec_id for s in ranking.standings] == ["steady", "lucky"]
    assert ranking.winner.spread.mean == pytest.approx(0.2)
    assert ranking.winner.of_trial == 9
    assert (ranking.chosen.number, ranking.chosen.seed) == (12, 2)


def test_direction_turns_the_ranking() -> None:
    records = repeats("a", 0.9, 0.8) + repeats("b", 0.7, 0.6, first=5)
    ranking = best_finalist(records, "maximize")
    assert (ranking.winner.spec_id, ranking.chosen.value) == ("a", 0.9)


def test_one_lucky_run_does_not_win_over_five() -> None:
    records = repeats("once", 0.1) + repeats("often", 0.2, 0.2, 0.3, 0.2, 0.2, first=5)
    assert best_finalist(records, "minimize").winner.spec_id == "often"


def test_diverged_architecture_comes_after_those_that_train() -> None:
    shaky = repeats("shaky", 0.1, 0.1, 0.1)
    shaky += [trial(3, None, "shaky", state=State.FAILED, reason="diverged")]
    lost = repeats("lost", 0.2, 0.2, 0.2, first=5)
    lost += [trial(8, None, "lost", state=State.FAILED, reason="lost")]
    ranking = best_finalist(shaky + lost, "minimize")
    assert [(s.spec_id, s.num_failed, s.num_diverged) for s in ranking.standings] == [
        ("lost", 1, 0),
        ("shaky", 1, 1),
    ]


def test_ranking_without_a_complete_run_is_an_error() -> None:
    failed = [trial(0, None, "a", state=State.FAILED), trial(1, None, "b", state=State.FAILED)]
    with pytest.raises(TableError, match=r"one run must be complete, got 0 of num_runs=2\."):
        best_finalist(failed, "minimize")


def test_metric_values_leave_out_what_was_not_measured() -> None:
    records = [
        trial(0, 0.5, "a", metrics={"test_accuracy": 0.9}),
        trial(1, 0.5, "a"),
        trial(2, 0.5, "a", metrics={"test_accuracy": 0.1}, state=State.FAILED),
    ]
    assert metric_values(records, "test_accuracy") == [0.9]


def test_ranking_and_export_import_no_torch() -> None:
    code = "import sys, nas.finalists, nas.export; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_one_architecture_by_two_recipes_has_two_standings() -> None:
    records = [
        replace(trial(number, value, "a"), lr=lr)
        for number, (value, lr) in enumerate([(0.5, 0.1), (0.7, 0.1), (0.2, 0.3), (0.3, 0.3)])
    ]
    ranking = best_finalist(records, "minimize")
    assert [standing.spread.n for standing in ranking.standings] == [2, 2]
    assert ranking.chosen.lr == 0.3
