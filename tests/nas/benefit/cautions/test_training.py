from dataclasses import replace

import numpy as np
import pytest

from nas.benefit import BenefitContext, skip_benefit
from nas.benefit.settling import settled
from nas.trials import State

BARE = BenefitContext(direction="minimize", sesoi=0.02)
"""A table of which nothing is known, the value of guessing least of all."""


def failing_table(planted, reason=None, rows=128, seed=0):
    """Networks that train are all alike; many of those with few skips do not train."""
    rng, found = np.random.default_rng(seed), []
    for trial in planted.design(rows):
        noise = float(0.3 * rng.normal())
        share = np.mean([kind != "none" for kind in trial.spec.kinds])
        lost = share <= 0.67 and noise < 0
        row = replace(trial, value=1 + noise, metrics={}, spec=None, spec_id=None)
        if lost:
            row = replace(row, state=State.FAILED, value=None, reason=reason)
        found.append(row)
    return found


def entry(result, code="W_FAILURES"):
    return next(own for own in result["warning_details"] if own["code"] == code)


@pytest.mark.parametrize("reason", [None, "diverged"])
def test_failures_of_a_table_without_a_value_count_as_the_worst_row(planted, reason):
    rows = failing_table(planted, reason)
    result = skip_benefit(rows, [], BARE)
    failed = sum(row.state is State.FAILED for row in rows)
    worst = max(row.value for row in rows if row.value is not None)
    assert failed > 13
    counts = result["rows"]
    assert (counts["used"], counts["at_worst"], counts["at_chance"]) == (128, failed, 0)
    assert (counts["worst"], counts["left_out"]) == (pytest.approx(worst), {})
    text = entry(result)["text"]
    word = "diverged or give no reason" if reason is None else "diverged"
    assert f"; {failed} {word} and count as the worst complete row" in text
    assert "guesses is not known" in text
    assert "left out" not in text


def test_survivors_alone_never_decide_against_what_keeps_networks_alive(planted):
    for seed in range(4):
        result = skip_benefit(failing_table(planted, seed=seed), [], BARE)
        fails = next(row for row in result["effects"] if row["estimand"] == "FAIL_ALL")
        assert fails["decision"] == "benefit"
        assert result["headline"]["estimate"] > 0
        assert result["headline"]["decision"] in ("benefit", "inconclusive")


def test_where_guessing_is_known_failures_of_a_table_count_at_it(planted):
    rows = failing_table(planted)
    context = replace(BARE, metric="val/log_loss", num_classes=10)
    result = skip_benefit(rows, [], context)
    failed = sum(row.state is State.FAILED for row in rows)
    assert result["rows"]["at_chance"] == failed
    assert result["rows"]["worst"] is None
    assert "count as a network that guesses" in entry(result)["text"]


def test_last_values_count_before_the_worst(planted):
    rows = [
        replace(row, value=9.0) if row.state is State.FAILED else row
        for row in failing_table(planted)
    ]
    result = skip_benefit(rows, [], BARE)
    assert result["rows"]["at_worst"] == 0
    assert "count with their last value" in entry(result)["text"]


@pytest.mark.parametrize(("number", "decides"), [(12, True), (13, False)])
@pytest.mark.parametrize("how", ["lost", "pruned"])
def test_with_more_than_a_tenth_left_out_nothing_is_decided(planted, number, decides, how):
    gone = {"state": State.FAILED, "reason": "lost"} if how == "lost" else {"state": State.PRUNED}
    rows = [
        replace(row, value=None, metrics={}, **gone) if row.number < number else row
        for row in planted.design(120)
    ]
    result = skip_benefit(rows, [], planted.context)
    code = "W_FAILURES" if how == "lost" else "W_PRUNED_ROWS"
    said = f"With {number} of 120 design rows left out" in entry(result, code)["text"]
    assert result["settled"]["can_decide"] is decides
    assert said is not decides
    assert (result["headline"]["decision"] == "benefit") is decides
    decisions = {row["decision"] for row in result["metrics"]["val_accuracy"]["effects"]}
    assert (decisions != {"inconclusive"}) is decides
    counted = settled(rows, planted.context)
    assert counted.num_settled == result["settled"]["num_settled"]
    assert (counted.num_settled > 0) is decides
