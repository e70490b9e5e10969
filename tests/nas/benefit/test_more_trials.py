from dataclasses import replace

import pytest

from nas.benefit import skip_benefit
from nas.trials import Source, State


def step_of(rows, context):
    return skip_benefit(rows, [], context)["settled"]["next"]


def test_the_total_counts_complete_and_pruned_trials_alone(planted):
    rows = planted.design(60)
    others = [
        replace(rows[0], number=200 + n, source=Source.ADAPTIVE, state=state)
        for n, state in enumerate([State.PRUNED] * 20 + [State.FAILED] * 7 + [State.RUNNING] * 3)
    ]
    step = step_of(rows + others, planted.context)
    assert step["total"] == 80 + step["trials"]
    assert step["trials"] == pytest.approx(step["design_rows"] * 80 / 60, abs=1)


def test_a_study_with_few_rows_asks_for_a_first_step_above_the_present_total(planted):
    for number in (0, 3, 24):
        step = step_of(planted.design(number), planted.context)
        assert step["is_first_step"] is True
        assert number < step["total"] <= 4 * max(number, 8)


def test_a_step_is_at_most_four_times_the_rows(planted):
    step = step_of(planted.design(100, sd=0.5), planted.context)
    assert step == {"design_rows": 300, "trials": 300, "total": 400, "is_first_step": True}


def test_a_step_that_reaches_is_no_first_step(planted):
    step = step_of(planted.design(100, sd=0.3), replace(planted.context, sesoi=0.2))
    assert step["is_first_step"] is False
    assert step["design_rows"] < 300


def test_the_space_bounds_the_total_until_it_is_used_up(planted):
    rows = planted.design(100, sd=0.5)
    assert step_of(rows, replace(planted.context, space_size=150))["total"] == 150
    assert step_of(rows, replace(planted.context, space_size=100))["total"] == 400


def test_a_study_that_was_interrupted_goes_on_to_its_own_total(planted):
    rows = planted.design(100, sd=0.5)
    assert step_of(rows, replace(planted.context, trials_asked=500))["total"] == 500


def test_a_table_has_no_total_and_a_search_without_design_rows_no_step(planted):
    rows = planted.design(60)
    table = step_of(rows, replace(planted.context, run_folder=None))
    assert table["total"] is None
    assert table["design_rows"] > 0
    adaptive = [replace(row, source=Source.ADAPTIVE) for row in rows]
    assert step_of(adaptive, planted.context) is None


def test_nothing_is_asked_for_when_all_is_settled(planted):
    assert step_of(planted.design(100, sd=0.01), planted.context) is None
