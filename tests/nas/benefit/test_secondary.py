from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from nas.benefit import skip_benefit
from nas.benefit.all_trials import all_trials
from nas.benefit.context import study_metric
from nas.benefit.frame import make_frame
from nas.benefit.reference import Reference
from nas.benefit.sample import values_of
from nas.benefit.secondary import kendall
from nas.trials import Source


def adaptive(trials, shift=lambda trial: 0.0, start=1000):
    """The same networks as if a sampler had chosen them."""
    return [
        replace(t, number=start + i, source=Source.ADAPTIVE, value=float(t.value + shift(t)))
        for i, t in enumerate(trials)
    ]


def primary(result):
    return {
        (row["estimand"], row["stage"], row["position"], row["kind"]): row["estimate"]
        for row in result["effects"]
    }


def test_without_a_samplers_trials_there_is_no_second_opinion(planted):
    found = skip_benefit(planted.design(60), [], planted.context)["secondary"]
    assert found["model_based"] is None
    assert found["rank_agreement"] is None


def test_all_trials_give_an_association_beside_the_primary_that_they_do_not_touch(planted):
    rows = planted.design(100)
    alone = skip_benefit(rows, [], planted.context)
    both = skip_benefit(rows + adaptive(planted.design(150, seed=5)), [], planted.context)
    assert both["effects"] == alone["effects"]
    found = both["secondary"]["model_based"]
    assert found["grade"] == "association"
    assert found["adjusted_for"] == ["source"]
    assert (found["n_rows"], found["n_adaptive"]) == (250, 150)
    assert found["estimator"] == "ols_blocks_pairs"
    gains = np.linspace(0.42, 0.12, 15)
    rows = [row for row in found["effects"] if row["estimand"] == "AMCE"]
    assert len(rows) == 30
    for row in rows:
        expected = gains[row["position"] - 1] * (1.0 if row["kind"] == "identity" else 0.8)
        assert row["estimate"] == pytest.approx(expected, abs=0.12)
        assert row["grade"] == "association"
        own = primary(both)["AMCE", row["stage"], row["position"], row["kind"]]
        assert row["minus_primary"] == pytest.approx(row["estimate"] - own)
    agreement = both["secondary"]["rank_agreement"]["model_based"]
    assert agreement["n"] == 30
    assert agreement["kendall"] > 0.7
    assert "W_SECONDARY_DIFFERS" not in both["warnings"]


def test_sampled_trials_that_tell_another_story_are_warned_of(planted):
    def shift(trial):
        return 1.5 * (trial.spec.kinds[0] != "none")

    rows = planted.design(100) + adaptive(planted.design(150, seed=5), shift)
    result = skip_benefit(rows, [], planted.context)
    [entry] = [e for e in result["warning_details"] if e["code"] == "W_SECONDARY_DIFFERS"]
    assert "more than two standard errors" in entry["text"]
    assert "nas search --name planted --trials" in entry["remedy"]


@pytest.mark.slow
def test_chance_seldom_makes_the_two_differ(planted):
    context, told = planted.context, 0
    for seed in range(16):
        rows = planted.design(60, seed=seed) + adaptive(planted.design(80, seed=seed + 100))
        reference = Reference(make_frame(rows, context), context)
        values = values_of(reference.rows, study_metric(context))
        found = all_trials(reference, reference.analyse(values, None), rows, study_metric(context))
        told += bool(found.disagreeing)
    assert told <= 3


def test_trials_of_other_depths_and_rates_are_adjusted_for(planted):
    small = planted.space.spec((3, 3, 3), {})
    rng = np.random.default_rng(0)
    others = []
    for trial in planted.design(80, seed=4):
        kinds = {place: planted.context.kinds[rng.integers(3)] for place in small.places()}
        spec = small.with_kinds(kinds)
        others.append(
            replace(trial, spec=spec, spec_id=spec.spec_id, value=9.0, lr=0.03,
                    decisions=planted.space.decisions(spec))
        )  # fmt: skip
    rows = planted.design(100) + adaptive(others)
    result = skip_benefit(rows, [], planted.context)
    found = result["secondary"]["model_based"]
    assert found["adjusted_for"] == ["depth", "source", "lr"]
    [network] = [
        row for row in found["effects"]
        if (row["estimand"], row["kind"]) == ("AMCE_ALL", "skip")
    ]  # fmt: skip
    # Values of the others are all one: their blocks pull the mean of all towards zero, no more.
    assert 0 < network["estimate"] < primary(result)["AMCE_ALL", None, None, "skip"]


def test_importances_from_elsewhere_are_shown_with_their_rank_agreement(planted):
    gains = np.linspace(0.42, 0.12, 15)
    names = [f"skip.{place}" for place in planted.plain.places()]
    known = dict(zip(names, (gains**2).tolist(), strict=True))
    context = replace(
        planted.context, importances={"fanova": known | {"depth.stage1": 0.5}, "ped_anova": {}}
    )
    found = skip_benefit(planted.design(100, sd=0.02), [], context)["secondary"]
    assert found["fanova"]["grade"] == "association"
    assert [row["position"] for row in found["fanova"]["by_position"]] == list(range(1, 16))
    assert found["rank_agreement"]["fanova"]["kendall"] > 0.9
    assert (found["ped_anova"], found["rank_agreement"]["ped_anova"]) == (None, None)


def test_rank_agreement_is_scipys_with_ties_too():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 6, 20), rng.integers(0, 6, 20)
    assert kendall(one, other) == pytest.approx(stats.kendalltau(one, other).statistic)
    assert kendall([1, 1], [1, 2]) is None
