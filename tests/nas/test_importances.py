from dataclasses import replace

import numpy as np
import pytest

from nas.importances import importances
from nas.trials import Source, State, TrialRecord

NAMES = [f"skip.stage{stage}.block{block}" for stage in (1, 2) for block in (1, 2)]


def trials(number, seed=0, effect=(3.0, 1.0, 0.0, 0.0)):
    """The first block matters most, the second less, the others not at all."""
    rng, found = np.random.default_rng(seed), []
    for index in range(number):
        kinds = rng.choice(["none", "identity", "projection"], len(NAMES))
        gain = sum(own * (kind != "none") for own, kind in zip(effect, kinds, strict=True))
        found.append(
            TrialRecord(
                number=index,
                state=State.COMPLETE,
                source=Source.ADAPTIVE,
                decisions=dict(zip(NAMES, kinds.tolist(), strict=True)) | {"depth.stage1": 2},
                value=float(5 - gain + 0.2 * rng.normal()),
            )
        )
    return found


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_both_evaluators_see_what_matters_most(direction):
    rows = trials(300)
    if direction == "maximize":
        rows = [replace(row, value=-row.value) for row in rows]
    found = importances(rows, direction)
    assert list(found) == ["fanova", "ped_anova"]
    for values in found.values():
        assert sorted(values) == NAMES
        assert max(values, key=lambda name: values[name]) == NAMES[0]


def test_the_same_trials_in_any_order_give_the_same_numbers():
    rows = trials(90)
    assert importances(rows[::-1], "minimize") == importances(rows, "minimize")


@pytest.mark.parametrize(
    ("number", "names"), [(0, []), (19, []), (20, ["fanova"]), (49, ["fanova"])]
)
def test_few_trials_leave_an_evaluator_out(number, names):
    assert list(importances(trials(number), "minimize")) == names


def test_equal_values_or_fixed_kinds_have_no_importance():
    rows = trials(60)
    assert importances([replace(row, value=1.0) for row in rows], "minimize") == {}
    fixed = [replace(row, decisions=dict.fromkeys(NAMES, "identity")) for row in rows]
    assert importances(fixed, "minimize") == {}


def test_networks_of_other_depths_and_trials_without_a_value_are_left_out():
    rows = trials(60)
    small = [
        replace(row, number=100 + row.number, decisions={NAMES[0]: "none"}, value=99.0)
        for row in rows[:30]
    ]
    failed = [replace(row, number=200 + row.number, state=State.FAILED) for row in rows]
    assert importances(rows + small + failed, "minimize") == importances(rows, "minimize")


def test_long_studies_are_looked_at_in_part():
    found = importances(trials(3000), "minimize")
    assert max(found["fanova"], key=lambda name: found["fanova"][name]) == NAMES[0]
