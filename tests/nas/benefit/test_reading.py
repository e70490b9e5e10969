from dataclasses import replace

import pytest

from nas.benefit.context import BenefitContext, study_metric
from nas.benefit.reading import failure_of, outcome_of, with_worst
from nas.trials import State

BARE = study_metric(BenefitContext(direction="minimize"))


@pytest.fixture
def failed(planted):
    row = planted.design(1)[0]
    return replace(row, state=State.FAILED, reason="diverged", value=None, metrics={})


def test_the_worst_complete_row_is_the_value_of_last_resort(planted, failed):
    rows = [*planted.design(5), replace(failed, value=99.0)]
    losses = [row.value for row in rows[:5]]
    assert with_worst(BARE, rows).worst == max(losses)
    maximised = study_metric(BenefitContext(direction="maximize"))
    assert with_worst(maximised, rows).worst == min(losses)
    assert with_worst(BARE, [failed]).worst is None
    assert with_worst(study_metric(planted.context), rows).worst is None


@pytest.mark.parametrize(
    ("reason", "value", "chance", "expected"),
    [
        ("diverged", 7.0, 2.3, (2.3, "chance")),
        ("diverged", 7.0, None, (7.0, "last")),
        ("diverged", float("inf"), None, (5.0, "worst")),
        (None, 7.0, 2.3, (7.0, "last")),
        (None, None, 2.3, (2.3, "chance")),
        (None, None, None, (5.0, "worst")),
        ("oom", 7.0, 2.3, (None, "left_out")),
        ("lost", None, None, (None, "left_out")),
    ],
)
def test_a_failure_counts_by_its_reason_and_by_what_is_known(
    failed, reason, value, chance, expected
):
    row = replace(failed, reason=reason, value=value)
    metric = replace(BARE, chance=chance, worst=5.0)
    assert failure_of(row, metric) == expected
    assert outcome_of(row, metric) == expected[0]


def test_pruned_rows_have_no_outcome(failed):
    assert outcome_of(replace(failed, state=State.PRUNED), replace(BARE, worst=5.0)) is None
