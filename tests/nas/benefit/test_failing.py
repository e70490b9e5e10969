from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from nas.benefit import BenefitContext, skip_benefit
from nas.benefit.estimates import ALPHA
from nas.benefit.failing import mean_difference, not_trained
from nas.benefit.proportions import normal_quantile
from nas.benefit.questions import Question
from nas.trials import State

ALL = Question("AMCE_ALL", "identity", "none")
FIRST = Question("AMCE", "identity", "none", 1, 0)


def failing(result):
    return [row for row in result["effects"] if row["estimand"].startswith("FAIL")]


def with_failures(trials, fails):
    return [
        replace(t, state=State.FAILED, reason="diverged", value=None, metrics={})
        if fails(t)
        else t
        for t in trials
    ]


def test_where_every_row_trained_there_are_no_rows_about_failing(planted):
    assert failing(skip_benefit(planted.design(40), [], planted.context)) == []


def test_one_failure_gives_a_row_for_the_network_every_stage_and_every_block(planted):
    trials = with_failures(planted.design(48), lambda t: t.number == 3)
    result = skip_benefit(trials, [], planted.context)
    names = [row["estimand"] for row in failing(result)]
    assert {name: names.count(name) for name in names} == {
        "FAIL_ALL": 3, "FAIL_STAGE": 9, "FAIL": 30,
    }  # fmt: skip
    shared = set(result["effects"][0]) - {"unit"}
    assert all(shared <= set(row) for row in failing(result))
    assert {row["decision"] for row in failing(result)} == {"inconclusive"}
    assert result["family_size"] == 30


def test_skips_that_keep_networks_from_diverging_are_a_benefit_and_few_are_not(planted):
    def fails(trial):
        return trial.spec.kinds[0] == "none" and trial.number % 4 != 0

    result = skip_benefit(with_failures(planted.design(120), fails), [], planted.context)
    rows = {(r["estimand"], r["position"], r["stage"], r["kind"]): r for r in failing(result)}
    first = rows["FAIL", 1, 1, "identity"]
    assert first["estimate"] == pytest.approx(0.75, abs=0.1)
    assert first["p_failed"] == 0
    assert first["p_failed_reference"] == first["estimate"]
    assert (first["decision"], first["unit"]) == ("benefit", "probability")
    assert first["ci_sim_low"] < first["ci_low"] < first["estimate"] < first["ci_high"] <= 1
    assert first["p_adj"] >= first["p"]
    stage = rows["FAIL_STAGE", None, 1, "identity"]
    assert stage["estimate"] == pytest.approx(first["estimate"] / 5, abs=0.06)
    assert rows["FAIL", 9, 2, "identity"]["decision"] == "inconclusive"


def test_a_network_that_only_guesses_did_not_train_and_lost_machines_say_nothing(planted):
    first, *_ = planted.design(1)
    context = replace(planted.context, num_val=797)
    guessing = replace(first, metrics={"val_accuracy": 0.11})
    poor = replace(first, metrics={"val_accuracy": 0.2})
    unknown = replace(first, metrics={})
    rows = [
        first, guessing, poor, unknown,
        replace(first, state=State.FAILED, reason="diverged"),
        replace(first, state=State.FAILED, reason=None),
        replace(first, state=State.FAILED, reason="oom"),
        replace(first, state=State.PRUNED),
    ]  # fmt: skip
    expected = [0, 1, 0, 0, 1, 1, np.nan, np.nan]
    np.testing.assert_array_equal(not_trained(rows, context), expected)
    bare = BenefitContext(direction="maximize", metric="val/accuracy", num_classes=10)
    accuracy = [replace(first, value=0.1, metrics={}), replace(first, value=0.11, metrics={})]
    np.testing.assert_array_equal(not_trained(accuracy, bare), [1, 0])


def test_within_constraints_no_difference_is_told(planted):
    trials = with_failures(planted.constrained(), lambda t: t.number % 7 == 0)
    rows = failing(skip_benefit(trials, [], planted.context))
    assert rows
    assert {row["estimate"] for row in rows} == {None}


def test_repeats_of_one_network_are_no_further_evidence(planted):
    world = planted.world(np.zeros((4, 3)))
    codes = np.array([*product((0, 1), repeat=4)])
    value = -(codes[:, 0] == 0).astype(float)
    once = mean_difference(world.sample(codes, value), FIRST)
    again = mean_difference(
        world.sample(np.repeat(codes, 3, axis=0), np.repeat(value, 3), repeats=3), FIRST
    )
    assert again.limits(1.96) == pytest.approx(once.limits(1.96))


def chance_of_failing(codes):
    """Networks fail if few of their blocks have skips: the more so, the fewer."""
    return 1 / (1 + np.exp(3.0 * (codes > 0).sum(axis=1) - 5.0))


def one_in_ten(codes):
    return np.full(len(codes), 0.1)


def few(codes):
    return 0.02 + 0.1 * (codes[:, 0] == 0)


@pytest.mark.parametrize("chance", [chance_of_failing, one_in_ten, few])
@pytest.mark.parametrize("rows", [32, 96])
def test_intervals_of_the_probability_hold_as_often_as_they_say(planted, chance, rows):
    world = planted.world(np.zeros((6, 3)), stages=2)
    every = np.array([*product((0, 1), repeat=6)])
    p, rng = chance(every), np.random.default_rng(rows)
    truth = [p[every[:, block] == 0].mean() - p[every[:, block] == 1].mean() for block in range(6)]
    held = {ALL: [], FIRST: []}
    z = normal_quantile(1 - ALPHA / 2)
    for _ in range(400):
        codes = rng.integers(0, 2, (rows, 6))
        sample = world.sample(codes, -(rng.random(rows) < chance(codes)).astype(float))
        for question, expected in ((ALL, np.mean(truth)), (FIRST, truth[0])):
            low, high = mean_difference(sample, question).limits(z)
            held[question].append(low <= expected <= high)
    assert np.mean(held[FIRST]) >= 0.93
    assert np.mean(held[ALL]) >= 0.93
