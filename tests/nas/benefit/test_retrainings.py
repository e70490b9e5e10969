import math
from dataclasses import replace

import pytest
from scipy import stats

from nas.benefit.context import BenefitContext, study_metric
from nas.benefit.retrainings import anchor_rows, noise, spread_row, worthwhile
from nas.trials import State


def test_a_summary_holds_mean_spread_and_t_interval():
    values = [0.1, 0.3, 0.2, 0.4]
    found = spread_row(values)
    low, high = stats.t.interval(0.95, 3, loc=0.25, scale=stats.sem(values))
    assert (found["n"], found["mean"]) == (4, pytest.approx(0.25))
    assert found["sd"] == pytest.approx(stats.tstd(values))
    assert found["ci"] == pytest.approx([low, high])


def test_one_value_has_no_spread_and_none_no_mean():
    assert spread_row([0.5]) == {"n": 1, "mean": 0.5, "sd": None, "ci": None}
    assert spread_row([]) == {"n": 0, "mean": None, "sd": None, "ci": None}


def test_anchors_come_shallow_first_with_all_metrics(planted):
    repeats = planted.anchors() + planted.anchors(layers=8)
    rows = anchor_rows(repeats, planted.context)
    assert [(row["name"], row["depth"]) for row in rows] == [
        ("identity-8", 8),
        ("plain-8", 8),
        ("identity-32", 32),
        ("plain-32", 32),
    ]
    assert rows[3]["mean"] == pytest.approx(2.1, abs=0.05)
    assert rows[3]["metrics"]["val_accuracy"]["mean"] == pytest.approx(0.79, abs=0.01)
    assert all(row["n"] == 5 and row["failed"] == 0 for row in rows)


def test_a_diverged_anchor_counts_at_chance_and_as_failed(planted):
    repeats = planted.anchors()
    repeats[0] = replace(repeats[0], state=State.FAILED, reason="diverged", value=None, metrics={})
    repeats[1] = replace(repeats[1], state=State.FAILED, reason="oom", value=None, metrics={})
    plain = anchor_rows(repeats, planted.context)[1]
    assert (plain["name"], plain["n"], plain["failed"]) == ("plain-32", 4, 2)
    others = [row.value for row in repeats[2:5]]
    assert plain["mean"] == pytest.approx((sum(others) + math.log(10)) / 4)


def test_worthwhile_is_what_the_user_says_or_a_share_of_the_anchors_gap_or_the_floor(planted):
    metric = study_metric(planted.context)
    anchors = planted.anchors()
    assert worthwhile(anchors, metric, 32, 0.3) == {"value": 0.3, "source": "user"}
    found = worthwhile(anchors, metric, 32, None)
    assert found["value"] == pytest.approx(0.1, abs=0.005)
    assert found["source"] == "5% of full identity minus plain"
    assert worthwhile(anchors, metric, 20, None) == {"value": 0.005, "source": "floor"}
    assert worthwhile([], metric, None, None) == {"value": 0.005, "source": "floor"}
    unknown = study_metric(BenefitContext(direction="maximize"))
    assert worthwhile([], unknown, 32, None) == {"value": None, "source": "none"}


def test_anchors_that_favour_plain_networks_leave_the_floor(planted):
    swapped = [
        replace(row, name=row.name.replace("plain", "x").replace("identity", "plain"))
        for row in planted.anchors()
    ]
    swapped = [replace(row, name=row.name.replace("x", "identity")) for row in swapped]
    metric = study_metric(planted.context)
    assert worthwhile(swapped, metric, 32, None) == {"value": 0.005, "source": "floor"}


def test_noise_compares_seeds_with_architectures(planted):
    trials = planted.design(50)
    finalists = planted.finalists(trials[0], [0.1, 0.3]) + planted.finalists(trials[1], [0.5, 0.7])
    found = noise(trials, finalists, study_metric(planted.context), 32)
    assert found["sd_within_arch"] == pytest.approx(math.sqrt(0.02))
    assert found["n_replicated"] == 2
    assert found["sd_between_arch"] == pytest.approx(stats.tstd([t.value for t in trials]))
    assert found["ratio"] == pytest.approx(found["sd_between_arch"] / found["sd_within_arch"])


def test_noise_of_plain_networks_and_other_depths_counts_only_for_want_of_better(planted):
    metric = study_metric(planted.context)
    anchors = planted.anchors() + planted.anchors(layers=8)
    assert noise([], anchors, metric, 32)["n_replicated"] == 1
    plain = [row for row in anchors if row.name == "plain-8"]
    assert noise([], plain, metric, 32)["n_replicated"] == 1
    empty = noise([], [], metric, 32)
    assert (empty["sd_within_arch"], empty["sd_between_arch"], empty["ratio"]) == (None,) * 3


def test_seeds_that_differ_by_less_than_an_image_have_no_interval():
    assert spread_row([0.1, 0.1])["ci"] is None
    assert spread_row([0.1, 0.1])["sd"] == 0
    # One image of 100: two seeds that differ by a quarter of it have met rounding only.
    assert spread_row([0.1, 0.1025], step=0.01)["ci"] is None
    assert spread_row([0.1, 0.12], step=0.01)["ci"] is not None


def test_the_step_of_an_anchors_accuracy_is_one_image(planted):
    anchors = [
        replace(row, metrics={**row.metrics, "val_accuracy": 0.1}) for row in planted.anchors()
    ]
    rows = anchor_rows(anchors, replace(planted.context, num_val=360))
    assert all(row["metrics"]["val_accuracy"]["ci"] is None for row in rows)
    assert all(row["ci"] is not None for row in rows)
