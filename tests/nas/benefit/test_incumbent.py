import math
from dataclasses import replace

import pytest
from scipy import stats

from nas.benefit.incumbent import search_result
from nas.trials import Source, State


def test_the_incumbent_is_the_best_mean_over_fresh_seeds_not_the_best_search_value(planted):
    trials = planted.design(20)
    repeats = planted.finalists(trials[2], [0.5, 0.6, 0.7]) + planted.finalists(
        trials[5], [0.2, 0.3, 0.4]
    )
    found = search_result(trials, repeats, planted.context)
    assert found["incumbent"]["trial"] == 5
    assert found["incumbent"]["code"] == trials[5].spec.code
    assert found["incumbent"]["seeds"] == [500, 501, 502]
    assert found["retrained"]["mean"] == pytest.approx(0.3)
    assert found["metrics"]["val_accuracy"]["mean"] == pytest.approx(0.97)
    assert found["test"]["test_accuracy"]["n"] == 3
    assert found["n_finalists"] == 2


def test_the_winner_curse_is_positive_where_the_search_was_too_hopeful(planted):
    trials = planted.design(20)
    value = trials[5].value
    repeats = planted.finalists(trials[5], [value + 0.1, value + 0.3])
    found = search_result(trials, repeats, planted.context)
    assert found["winner_curse_gap"] == pytest.approx(0.2)
    assert found["val_score"] == value


def test_the_difference_to_identity_is_welchs(planted):
    trials, anchors = planted.design(20), planted.anchors()
    losses = [0.05, 0.04, 0.06, 0.05]
    found = search_result(trials, planted.finalists(trials[5], losses) + anchors, planted.context)
    identity = [row.value for row in anchors if row.name == "identity-32"]
    welch = stats.ttest_ind(identity, losses, equal_var=False).confidence_interval()
    versus = found["versus_identity"]
    assert versus["name"] == "identity-32"
    assert [versus["ci_low"], versus["ci_high"]] == pytest.approx([welch.low, welch.high])
    assert versus["difference"] == pytest.approx(sum(identity) / 5 - 0.05)


def test_the_rival_is_described_by_its_own_runs(planted):
    trials, anchors = planted.design(20), planted.anchors()
    finalists = planted.finalists(trials[5], [0.1, 0.2])
    found = search_result(trials, finalists + anchors, planted.context)
    identity = [row for row in anchors if row.name == "identity-32"]
    versus = found["versus_identity"]
    mean = sum(row.value for row in identity) / 5
    assert versus["n"] == 5
    assert versus["mean"] == pytest.approx(mean)
    assert versus["ci"][0] < mean < versus["ci"][1]
    assert versus["metrics"]["val_accuracy"]["mean"] == pytest.approx(1 - mean / 10)


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.3, "worse"), (0.0, "not distinguishable"), (-0.08, "better")]
)
def test_the_verdict_reads_the_interval(planted, shift, verdict):
    trials, anchors = planted.design(20), planted.anchors()
    losses = [0.1 + shift + step for step in (-0.01, 0, 0.01, 0.02)]
    found = search_result(trials, planted.finalists(trials[5], losses) + anchors, planted.context)
    assert found["versus_identity"]["verdict"] == verdict


def test_the_verdict_allows_for_having_chosen_the_best_of_several(planted):
    trials, anchors = planted.design(20), planted.anchors()
    best = planted.finalists(trials[5], [0.07, 0.08, 0.06, 0.09, 0.08])
    rest = [row for trial in trials[6:13] for row in planted.finalists(trial, [0.2, 0.21])]
    one = search_result(trials, best + anchors, planted.context)["versus_identity"]
    many = search_result(trials, best + rest + anchors, planted.context)["versus_identity"]
    assert many["ci_pointwise"] == one["ci_pointwise"]
    assert many["ci_low"] < one["ci_low"]


def test_without_finalists_or_anchors_what_is_unknown_is_none(planted):
    trials = planted.design(20)
    nothing = search_result(trials, planted.anchors(), planted.context)
    assert nothing["incumbent"] is None
    assert nothing["versus_identity"] is None
    alone = search_result(trials, planted.finalists(trials[5], [0.2]), planted.context)
    assert alone["versus_identity"] is None
    assert alone["retrained"]["sd"] is None
    single = search_result(
        trials, planted.finalists(trials[5], [0.2]) + planted.anchors(), planted.context
    )
    assert single["versus_identity"]["ci_low"] is None
    assert single["versus_identity"]["verdict"] == "not distinguishable"


def test_a_rival_of_another_recipe_or_width_is_no_rival(planted):
    trials, anchors = planted.design(20), planted.anchors()
    ours = [replace(run, lr=0.1) for run in planted.finalists(trials[5], [0.2, 0.21])]

    def versus(**changes):
        theirs = [replace(anchor, **changes) for anchor in anchors]
        return search_result(trials, ours + theirs, planted.context)["versus_identity"]

    assert versus(lr=0.1)["n"] == 5
    assert versus(lr=None)["n"] == 5
    assert versus(lr=0.2) is None
    spec = next(anchor.spec for anchor in anchors if anchor.spec.is_full_identity)
    stages = [{**stage, "width": 2 * stage["width"]} for stage in spec.to_dict()["stages"]]
    assert versus(spec=spec.changed(stages=stages)) is None


def test_accuracies_that_differ_by_less_than_an_image_tell_no_winner(planted):
    trials, anchors = planted.design(20), planted.anchors()
    finalists = planted.finalists(trials[5], [0.98, 0.98, 0.9801])
    identity = [row for row in anchors if row.name == "identity-32"]
    rivals = [replace(row, value=0.97) for row in identity]
    context = replace(planted.context, metric="val/accuracy", direction="maximize", num_val=360)
    versus = search_result(trials, finalists + rivals, context)["versus_identity"]
    assert versus["difference"] == pytest.approx(0.01, abs=1e-3)
    assert (versus["ci_low"], versus["ci_high"]) == (None, None)
    assert versus["verdict"] == "not distinguishable"


def test_the_incumbent_is_compared_with_the_mean_random_network_of_its_depth(planted):
    trials = planted.design(20)
    failed = replace(trials[7], state=State.FAILED, reason="diverged", value=None, metrics={})
    rows = [*trials[:7], failed, *trials[8:]]
    found = search_result(rows, planted.finalists(trials[5], [0.2, 0.3, 0.4]), planted.context)
    values = [row.value if row.value is not None else math.log(10) for row in rows]
    random = found["random_search"]
    assert random["mean"] == pytest.approx(sum(values) / 20)
    assert (random["n"], random["layers"], random["grade"]) == (20, 32, "randomised")
    gain = 100 * (random["mean"] - 0.3) / random["mean"]
    assert found["relative_improvement"] == pytest.approx(gain)


def test_without_random_networks_or_where_their_mean_is_zero_there_is_no_improvement(planted):
    trials = planted.design(20)
    repeats = planted.finalists(trials[5], [0.2, 0.3])
    adaptive = [replace(row, source=Source.ADAPTIVE) for row in trials]
    found = search_result(adaptive, repeats, planted.context)
    assert (found["random_search"], found["relative_improvement"]) == (None, None)
    zero = [replace(row, value=0.0) for row in trials]
    found = search_result(zero, repeats, planted.context)
    assert (found["random_search"]["mean"], found["relative_improvement"]) == (0, None)
