from dataclasses import replace

import numpy as np
import pytest

from nas.benefit import skip_benefit
from nas.trials import State


def diverged(trial):
    return replace(trial, state=State.FAILED, reason="diverged", value=None, metrics={})


def test_up_to_a_tenth_of_failures_needs_no_second_outcome(planted):
    rows = planted.design(60)
    few = [*map(diverged, rows[:6]), *rows[6:]]
    assert skip_benefit(few, [], planted.context)["sensitivity"] is None


def test_with_more_failures_a_log_loss_is_capped_at_guessing(planted):
    rows = [replace(t, value=t.value - 2) for t in planted.design(60)]
    many = [*map(diverged, rows[:9]), replace(rows[9], value=50.0), *rows[10:]]
    result = skip_benefit(many, [], planted.context)
    found = result["sensitivity"]
    assert (found["outcome"], found["unit"]) == ("log-loss capped at guessing", "nats")
    assert found["share_failed"] == pytest.approx(9 / 60)
    at_guessing = [*many[:9], replace(many[9], value=float(np.log(10))), *many[10:]]
    same = skip_benefit(at_guessing, [], planted.context)
    capped = [min(row.value or np.log(10), np.log(10)) for row in at_guessing]
    again = [replace(t, value=float(v), state=State.COMPLETE, reason=None)
             for t, v in zip(at_guessing, capped, strict=True)]  # fmt: skip
    expected = skip_benefit(again, [], planted.context)["headline"]
    assert found["headline"]["estimate"] == pytest.approx(expected["estimate"])
    assert found["headline"]["estimate"] != pytest.approx(result["headline"]["estimate"])
    assert same["headline"]["estimate"] != result["headline"]["estimate"]


def test_where_a_cap_says_nothing_ranks_do(planted):
    rows = [replace(t, value=-t.value) for t in planted.design(60)]
    many = [*map(diverged, rows[:9]), *rows[9:]]
    context = replace(
        planted.context, direction="maximize", metric="val/score", chance={"val_score": -9.0}
    )
    found = skip_benefit(many, [], context)["sensitivity"]
    assert (found["outcome"], found["unit"]) == ("ranks", "share of rows beaten")
    values = [-9.0 if row.value is None else row.value for row in many]
    order = np.argsort(np.argsort(values)) / 59
    # Nine diverged rows tie at the bottom: ranks 0 to 8.
    ranks = np.where(np.array(values) == -9.0, 4 / 59, order)
    ranked = [replace(t, value=float(v), state=State.COMPLETE, reason=None)
              for t, v in zip(many, ranks, strict=True)]  # fmt: skip
    expected = skip_benefit(ranked, [], context)["headline"]
    assert found["headline"]["estimate"] == pytest.approx(expected["estimate"])
