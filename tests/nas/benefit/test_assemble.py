import json
import random
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from nas.benefit import BenefitContext, skip_benefit
from nas.benefit.sample import is_full_identity
from nas.design import design_rows
from nas.design_plan import DesignPlan
from nas.report import ReportData, headline, render_report
from nas.trials import Source, State, TrialRecord
from search_spaces import InputShape, Kind, make_space

TOP = [
    "schema", "last_trial_utc", "tool_version", "study", "data", "training",
    "reference_distribution", "sesoi", "alpha", "multiplicity", "family_size", "noise", "effects",
    "interactions", "trend", "ranking", "best_set", "anchors", "confirm", "search", "secondary",
    "signals", "warnings", "claims",
]  # fmt: skip
EFFECT = [
    "estimand", "depth", "position", "stage", "block", "from_start", "from_end", "rel_depth",
    "is_downsample", "width", "resolution", "kind", "reference_kind", "estimate", "se", "df",
    "ci_low", "ci_high", "ci_sim_low", "ci_sim_high", "p", "p_adj", "decision", "n_runs", "n_arch",
    "n_failed", "mde", "delta_params", "delta_macs", "delta_seconds", "estimator", "cov_type",
    "source", "neighbour_conditional", "grade", "gate_passed", "size", "check",
]  # fmt: skip


def only(result, estimand, **where):
    rows = [row for row in result["effects"] if row["estimand"] == estimand]
    return [row for row in rows if all(row[key] == value for key, value in where.items())]


def failed(trial, reason):
    return replace(trial, state=State.FAILED, value=None, metrics={}, reason=reason)


@pytest.fixture(scope="module")
def whole(planted):
    return skip_benefit(planted.design(100), planted.anchors(), planted.context)


def test_every_key_of_the_layout_is_there_and_all_is_json(whole):
    assert set(TOP) <= set(whole)
    assert all(set(EFFECT) <= set(row) for row in whole["effects"])
    assert json.loads(json.dumps(whole, allow_nan=False)) == whole


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 5, 8, 12, 24, 40, 100])
def test_any_number_of_rows_gives_one_row_per_block_and_kind(planted, rows):
    result = skip_benefit(planted.design(rows), [], planted.context)
    json.dumps(result, allow_nan=False)
    blocks = [(row["position"], row["kind"]) for row in only(result, "AMCE")]
    assert blocks == [(p, k) for p in range(1, 16) for k in ("identity", "projection")]
    assert len(only(result, "AMCE_ALL")) == 3
    assert len(only(result, "AMCE_STAGE")) == 9
    identified = {
        level: only(result, level)[0]["estimate"] is not None
        for level in ("AMCE_ALL", "AMCE_STAGE", "AMCE")
    }
    assert identified == {"AMCE_ALL": rows >= 8, "AMCE_STAGE": rows >= 12, "AMCE": rows >= 40}
    assert result["rows"]["used"] == rows


def test_the_planted_effects_are_found_with_their_sign(planted, whole):
    gains = np.linspace(0.42, 0.12, 15)
    for kind, share in (("identity", 1.0), ("projection", 0.8)):
        found = [row["estimate"] for row in only(whole, "AMCE", kind=kind)]
        assert found == pytest.approx(list(share * gains), abs=0.12)
        assert all(row["decision"] == "benefit" for row in only(whole, "AMCE_STAGE", kind=kind))
    headline = whole["headline"]
    assert (headline["estimand"], headline["kind"]) == ("AMCE_ALL", "skip")
    assert headline["estimate"] == pytest.approx(0.9 * 0.27, abs=0.02)
    assert headline["decision"] == "benefit"
    network = [row for row in only(whole, "KIND") if row["stage"] is None]
    assert network[0]["estimate"] == pytest.approx(-0.054, abs=0.03)
    assert network[0]["reference_kind"] == "identity"


def test_bands_are_wider_than_pointwise_intervals_and_p_values_follow(whole):
    for row in only(whole, "AMCE"):
        assert row["ci_sim_low"] < row["ci_low"] < row["estimate"] < row["ci_high"]
        assert row["p_adj"] >= row["p"]
        assert (row["ci_sim_low"] > 0) == (row["decision"] == "benefit")
        assert (row["grade"], row["source"]) == ("randomised", "randomised")


def test_the_difference_in_means_agrees_within_the_errors(whole):
    for row in only(whole, "AMCE"):
        gap = abs(row["check"]["estimate"] - row["estimate"])
        assert gap < 4 * row["check"]["se"]


def test_blocks_know_their_place_and_cost(planted, whole):
    [first] = only(whole, "AMCE", stage=2, block=1, kind="projection")
    assert (first["position"], first["from_start"], first["from_end"]) == (6, 1, 5)
    assert (first["width"], first["resolution"], first["is_downsample"]) == (16, 4, True)
    # 1x1 convolution 8 -> 16 and its norm: 8 * 16 + 2 * 16; 128 weights at 4x4.
    assert (first["delta_params"], first["delta_macs"]) == (160, 2048)
    assert first["rel_depth"] == pytest.approx(5.5 / 15)
    [identity] = only(whole, "AMCE", stage=2, block=1, kind="identity")
    assert identity["delta_params"] == 0


def test_the_same_rows_give_the_same_bytes_in_any_order(planted):
    trials, anchors = planted.design(60), planted.anchors()
    finalists = planted.finalists(trials[3], [0.2, 0.3, 0.25])
    expected = json.dumps(skip_benefit(trials, anchors + finalists, planted.context))
    shuffled, repeats = list(trials), [*finalists, *anchors]
    random.Random(0).shuffle(shuffled)
    random.Random(1).shuffle(repeats)
    assert json.dumps(skip_benefit(shuffled, repeats, planted.context)) == expected


def test_other_outcomes_get_their_own_effects_in_their_own_direction(whole):
    accuracy = whole["metrics"]["val_accuracy"]
    assert set(whole["metrics"]) == {"val_accuracy"}
    assert (accuracy["direction"], accuracy["unit"]) == ("maximize", "fraction")
    # Planted accuracy is 1 - loss / 10.
    assert accuracy["headline"]["estimate"] == pytest.approx(whole["headline"]["estimate"] / 10)
    assert accuracy["sesoi"] == pytest.approx(0.05 * 0.2, rel=0.1)


def test_adaptive_trials_change_no_effect(planted):
    trials = planted.design(60)
    more = [replace(t, number=1000 + t.number, source=Source.ADAPTIVE, value=0.1) for t in trials]
    alone = skip_benefit(trials, [], planted.context)
    both = skip_benefit(trials + more, [], planted.context)
    assert both["effects"] == alone["effects"]
    assert both["study"]["by_source"] == {"adaptive": 60, "randomised": 60}


def test_diverged_rows_count_at_chance_and_other_failures_are_left_out(planted):
    trials = planted.design(80)
    trials[3] = failed(trials[3], "diverged")
    trials[7] = failed(trials[7], "oom")
    trials[9] = failed(trials[9], "lost")
    result = skip_benefit(trials, [], planted.context)
    assert result["rows"] == {
        "randomised": 80,
        "used": 78,
        "at_chance": 1,
        "at_worst": 0,
        "worst": None,
        "complete": 77,
        "failed": {"diverged": 1, "lost": 1, "oom": 1},
        "left_out": {"lost": 1, "oom": 1},
        "at_other_depths": 0,
    }
    assert result["headline"]["n_failed"] == 1
    scored = replace(
        trials[3],
        state=State.COMPLETE,
        value=float(np.log(10)),
        metrics={"val_log_loss": float(np.log(10)), "val_accuracy": 0.1},
    )
    same = skip_benefit([*trials[:3], scored, *trials[4:]], [], planted.context)
    assert same["headline"]["estimate"] == result["headline"]["estimate"]
    assert (
        same["metrics"]["val_accuracy"]["effects"][0]["estimate"]
        == (result["metrics"]["val_accuracy"]["effects"][0]["estimate"])
    )


def test_rows_of_equal_architecture_are_clustered(planted):
    trials = planted.design(60)
    again = [replace(t, number=500 + t.number, value=t.value + 0.01) for t in trials[:20]]
    [row] = only(skip_benefit(trials + again, [], planted.context), "AMCE", position=1)[:1]
    assert row["cov_type"] == "CR3"
    assert row["df"] == 60 - 31
    assert row["n_arch"] < row["n_runs"]


def test_a_stage_that_does_not_pass_keeps_its_blocks_undecided_but_estimated(planted):
    trials = planted.design(100)
    rng = np.random.default_rng(4)
    # Only block 1 of stage 1 matters, beside two stages of pure noise.
    for index, trial in enumerate(trials):
        gain = 3.0 * (trial.decisions["skip.stage1.block1"] != "none")
        trials[index] = replace(trial, value=float(5 - gain + 0.3 * rng.normal()))
    result = skip_benefit(trials, [], planted.context)
    assert only(result, "AMCE", position=1)[0]["decision"] == "benefit"
    for stage in (2, 3):
        rows = only(result, "AMCE", stage=stage)
        assert {row["gate_passed"] for row in rows} == {False}
        assert {row["decision"] for row in rows} == {"inconclusive"}
        assert all(row["ci_sim_low"] is not None for row in rows)


def test_when_nothing_passes_no_stage_is_decided(planted):
    rng = np.random.default_rng(1)
    trials = [replace(t, value=float(rng.normal())) for t in planted.design(100)]
    result = skip_benefit(trials, [], planted.context)
    assert result["headline"]["gate_passed"] is True
    assert {row["gate_passed"] for row in only(result, "AMCE_STAGE")} == {False}
    assert {row["decision"] for row in result["effects"] if row["stage"]} == {"inconclusive"}


def test_effects_inside_the_smallest_worth_having_are_negligible_and_small(planted):
    rng = np.random.default_rng(1)
    trials = [replace(t, value=float(0.01 * rng.normal())) for t in planted.design(100)]
    result = skip_benefit(trials, [], replace(planted.context, sesoi=0.1))
    assert (result["sesoi"], result["sesoi_source"]) == (0.1, "user")
    assert (result["headline"]["decision"], result["headline"]["size"]) == ("negligible", "small")


def test_each_depth_plan_is_estimated_alone_and_the_others_stand_apart(planted):
    deep = planted.design(60)
    shallow = []
    space, rng = planted.space, np.random.default_rng(3)
    for number in range(40):
        spec = space.spec((2, 2, 2), {})
        kinds = {place: list(planted.context.kinds)[rng.integers(3)] for place in spec.places()}
        spec = spec.with_kinds(kinds)
        gain = sum(kind != "none" for kind in kinds.values())
        loss = float(3 - 0.1 * gain + 0.02 * rng.normal())
        shallow.append(
            replace(deep[0], number=200 + number, spec=spec, spec_id=spec.spec_id,
                    decisions=space.decisions(spec), value=loss)
        )  # fmt: skip
    result = skip_benefit(deep + shallow, [], planted.context)
    assert result["reference_depth"]["depth_plan"] == [5, 5, 5]
    assert result["rows"]["at_other_depths"] == 40
    assert [row["depth"] for row in only(result, "AMCE_ALL")] == [32] * 3
    keys = [(row["position"], row["kind"]) for row in only(result, "AMCE")]
    assert len(keys) == len(set(keys)) == 30
    [other] = result["other_depths"]
    assert other["depth_plan"] == [2, 2, 2]
    small = only(other, "AMCE", depth=14)
    assert len(small) == 12
    assert [row["estimate"] for row in small] == pytest.approx([0.1] * 12, abs=0.04)
    alone = skip_benefit(deep, [], planted.context)
    assert only(result, "AMCE") == only(alone, "AMCE")
    assert alone["other_depths"] == []


def test_many_depth_plans_are_pooled_by_stage_and_block(planted):
    rng = np.random.default_rng(3)
    space, trials = planted.space, []
    template = planted.design(1)[0]
    for number in range(240):
        spec = space.sample(rng)
        gain = sum(kind != "none" for kind in spec.kinds)
        loss = float(3 + 0.2 * sum(spec.depths) - 0.1 * gain + 0.05 * rng.normal())
        trials.append(
            replace(template, number=number, spec=spec, spec_id=spec.spec_id,
                    decisions=space.decisions(spec), value=loss)
        )  # fmt: skip
    context = replace(planted.context, reference_depths=None)
    result = skip_benefit(trials, [], context)
    assert result["reference_depth"] == {
        "depth": None, "depth_plan": None, "n_rows": 240, "is_pooled": True,
    }  # fmt: skip
    pooled = only(result, "AMCE", depth=None)
    assert len(pooled) == 30
    assert np.mean([row["estimate"] for row in pooled]) == pytest.approx(0.1, abs=0.03)
    assert "W_POOL_DEPTH" in result["warnings"]


def test_a_bare_context_and_rows_without_specs_are_enough(planted):
    trials = [replace(t, spec=None, spec_id=None, metrics={}) for t in planted.design(60)]
    result = skip_benefit(trials, [], BenefitContext(direction="minimize"))
    full = skip_benefit(planted.design(60), [], planted.context)
    assert result["headline"]["estimate"] == full["headline"]["estimate"]
    assert (result["sesoi"], result["sesoi_source"]) == (None, "none")
    assert result["headline"]["size"] is None
    assert result["reference_depth"]["depth_plan"] == [5, 5, 5]
    assert only(result, "AMCE", position=6)[0]["width"] is None


def test_rows_that_others_trained_claim_neither_networks_nor_a_distribution(planted):
    trials = planted.design(12)
    bare = skip_benefit(trials, [], BenefitContext(direction="minimize"))
    assert bare["reference_distribution"] is None
    assert (bare["training"]["norm"], bare["training"]["init"]) == (None, None)
    ours = skip_benefit(trials, [], planted.context)
    assert ours["reference_distribution"]["name"] == "uniform"
    assert ours["training"]["norm"] == "batch"


def test_counts_of_search_trials_add_up_and_repeats_have_their_own(planted):
    trials = planted.design(12)
    trials[0] = replace(trials[0], source=Source.ADAPTIVE)
    study = skip_benefit(trials, planted.anchors(), planted.context)["study"]
    assert study["by_source"] == {"adaptive": 1, "randomised": 11}
    assert sum(study["by_source"].values()) == study["n_trials"] == 12
    assert study["n_repeats"] == 10


def test_a_kind_that_takes_longer_to_train_says_by_how_much(planted):
    def seconds(trial):
        first, *_ = trial.spec.kinds
        return 10.0 + 3.0 * (first == "projection")

    trials = [replace(t, seconds=seconds(t)) for t in planted.design(60)]
    # A diverged training ends early, whatever its network costs.
    trials[0] = replace(trials[0], state=State.FAILED, reason="diverged", seconds=0.1)
    trials[1] = replace(trials[1], seconds=None)
    result = skip_benefit(trials, [], planted.context)
    [own] = only(result, "AMCE", position=1, kind="projection")
    assert own["delta_seconds"] == pytest.approx(3.0)
    [identity] = only(result, "AMCE", position=1, kind="identity")
    assert identity["delta_seconds"] == pytest.approx(0.0)
    [stage] = only(result, "AMCE_STAGE", stage=1, kind="projection")
    blocks = only(result, "AMCE", stage=1, kind="projection")
    assert stage["delta_seconds"] == pytest.approx(np.mean([b["delta_seconds"] for b in blocks]))


def test_a_table_without_seconds_has_no_difference_of_them(planted):
    trials = [replace(t, seconds=None) for t in planted.design(60)]
    result = skip_benefit(trials, [], planted.context)
    assert {row["delta_seconds"] for row in result["effects"]} == {None}


def test_effects_without_the_failed_rows_stand_beside_those_with_them(planted):
    trials = planted.design(100)
    for index in range(10):
        trials[index] = failed(trials[index], "diverged")
    result = skip_benefit(trials, [], planted.context)
    without = result["without_failed"]
    assert without["n_left_out"] == 10
    alone = skip_benefit(trials[10:], [], planted.context)
    assert without["headline"] == alone["headline"] != result["headline"]
    assert only(without, "AMCE_STAGE") == only(alone, "AMCE_STAGE")
    assert alone["without_failed"] is None
    # Rows that say nothing are left out either way.
    lost = [*trials[10:], failed(trials[10], "oom")]
    assert skip_benefit(lost, [], planted.context)["without_failed"] is None


def test_the_last_end_of_all_trainings_is_told(planted):
    trials = [replace(t, ended_utc=f"2026-01-{t.number + 1:02}T00:00:00+00:00")
              for t in planted.design(12)]  # fmt: skip
    anchor = replace(planted.anchors()[0], ended_utc="2026-02-01T00:00:00+00:00")
    result = skip_benefit(trials, [anchor], planted.context)
    assert result["last_trial_utc"] == "2026-02-01T00:00:00+00:00"
    alone = skip_benefit(trials, [], planted.context)
    assert alone["last_trial_utc"] == "2026-01-12T00:00:00+00:00"
    assert skip_benefit(planted.design(12), [], planted.context)["last_trial_utc"] is None


def test_a_larger_value_is_better_when_maximised(planted):
    trials = [replace(t, value=-t.value) for t in planted.design(60)]
    result = skip_benefit(trials, [], BenefitContext(direction="maximize"))
    assert result["headline"]["decision"] == "benefit"


def test_a_space_of_two_kinds_has_answers_for_its_kind_alone(planted):
    trials = []
    kinds = planted.context.kinds[:2]
    for trial in planted.design(80):
        on = [kind != "none" for kind in trial.spec.kinds]
        both = dict(zip(trial.spec.places(), (kinds[skip] for skip in on), strict=True))
        spec = planted.plain.with_kinds(both)
        trials.append(replace(trial, spec=spec, spec_id=spec.spec_id))
    result = skip_benefit(trials, [], replace(planted.context, kinds=kinds))
    assert {row["kind"] for row in only(result, "AMCE")} == {"identity"}
    assert only(result, "KIND") == []
    assert result["family_size"] == 15


@pytest.mark.parametrize("complete", [0, 10, 30])
def test_where_most_rows_diverged_nothing_is_decided_and_no_more_of_them_are_asked_for(
    planted, complete
):
    rows = planted.design(100)
    rows = [*rows[:complete], *(failed(row, "diverged") for row in rows[complete:])]
    result = skip_benefit(rows, [], replace(planted.context, sesoi=0.5))
    every = [*result["effects"], *result["without_failed"]["effects"]]
    assert {row["decision"] for row in every} == {"inconclusive"}
    assert result["headline"]["estimate"] is not None
    settled = result["settled"]
    assert (settled["num_settled"], settled["num_precise"]) == (0, 0)
    assert (settled["trials_to_rest"], settled["can_decide"]) == (None, False)
    assert settled["next"] is None
    assert result["best_set"] == []
    assert result["warnings"][0] == "W_FAILURES"
    failures = f"{100 - complete} of 100 random networks failed (diverged)."
    assert headline(result) == f"No answer at 32 layers: {failures}"


def test_values_that_are_all_one_decide_nothing(planted):
    rows = [replace(row, value=0.5) for row in planted.design(60)]
    result = skip_benefit(rows, [], replace(planted.context, sesoi=0.5))
    assert {row["decision"] for row in result["effects"]} == {"inconclusive"}
    assert result["settled"]["num_settled"] == 0
    assert "No answer at 32 layers: 60 random networks have one and the same" in headline(result)


def test_a_third_of_the_rows_may_decide(planted):
    rows = planted.design(150, sd=0.01)
    rows = [*rows[:60], *(failed(row, "diverged") for row in rows[60:])]
    assert skip_benefit(rows, [], planted.context)["settled"]["can_decide"]


IMAGES = InputShape(channels=1, height=8, width=8)
LONG = make_space(
    {"name": "longskip", "stages": 2, "max_blocks": 3, "max_span": 3, "across_stages": False},
    IMAGES,
    10,
)


def long_trials(rows, gain=0.3, sd=0.05):
    """Rows of the design where a skip lowers the loss by 0.1, and by `gain` more at span 3."""
    rng, found = np.random.default_rng(0), []
    for number, row in enumerate(islice(DesignPlan(LONG, 0).rows(), rows)):
        spans = row.spec.spans
        loss = 4 - 0.1 * np.count_nonzero(spans) - gain * spans.count(3) + sd * rng.normal()
        found.append(
            TrialRecord(
                number=number,
                state=State.COMPLETE,
                source=Source.RANDOMISED,
                decisions=row.answers,
                value=float(loss),
                spec=row.spec,
                spec_id=row.spec.spec_id,
                seconds=1.0,
            )
        )
    return found


def long_context(planted, **changes):
    plan = DesignPlan(LONG, 0)
    known = {
        "choices": plan.choices,
        "reference_depths": (3, 3),
        "reference_spec": plan.reference,
    }
    return replace(planted.context, **known | changes)


def test_spans_have_rows_of_their_own_and_kinds_keep_theirs(planted):
    result = skip_benefit(long_trials(100), [], long_context(planted))
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    blocks = [(row["position"], row["kind"]) for row in only(result, "AMCE")]
    assert blocks == [(p, k) for p in range(1, 7) for k in ("identity", "projection")]
    assert result["family_size"] == 12
    [two, three] = only(result, "SPAN_ALL")
    assert (two["span"], two["reference_span"], three["span"]) == (2, 1, 3)
    assert {row["kind"] for row in (two, three)} == {"skip"} == {three["reference_kind"]}
    assert set(EFFECT) | {"span", "reference_span"} <= set(three)
    assert three["estimate"] == pytest.approx(0.3, abs=0.05)
    assert (three["decision"], two["decision"]) == ("benefit", "inconclusive")
    single = [(row["position"], row["span"]) for row in only(result, "SPAN")]
    assert single == [(2, 2), (3, 2), (3, 3), (5, 2), (6, 2), (6, 3)]
    kinds = [row for row in result["effects"] if not row["estimand"].startswith("SPAN")]
    assert {(row["span"], row["reference_span"]) for row in kinds} == {(None, None)}
    # A third of the skips at the last block have span 3.
    [last] = only(result, "AMCE", position=6, kind="identity")
    assert last["estimate"] == pytest.approx(0.1 + 0.3 / 3, abs=0.06)
    assert result["settled"]["num_answers"] == 14


def test_a_longer_projection_costs_what_its_channels_do(planted):
    across = make_space({"name": "longskip", "stages": 2, "max_blocks": 1}, IMAGES, 10)
    plan = DesignPlan(across, 0)
    context = replace(
        planted.context,
        choices=plan.choices,
        reference_depths=(1, 1),
        reference_spec=plan.reference,
    )
    result = skip_benefit([], [], context)
    # Width 8 to 16 from either block's input: 8 * 16 weights and the norm, so no difference.
    [row] = only(result, "SPAN", position=2)
    assert (row["span"], row["delta_params"], row["n_runs"]) == (2, 0.0, 0)
    [own] = only(result, "AMCE", position=2, kind="projection")
    assert own["delta_params"] == 160
    assert only(result, "SPAN_ALL")[0]["delta_macs"] == 0.0


def test_a_table_of_decisions_alone_tells_the_same_of_spans(planted):
    trials = long_trials(100)
    bare = [replace(t, spec=None, spec_id=None) for t in trials]
    found = skip_benefit(bare, [], BenefitContext(direction="minimize"))
    full = skip_benefit(trials, [], long_context(planted))
    for estimand in ("SPAN_ALL", "SPAN", "AMCE_ALL"):
        estimates = [row["estimate"] for row in only(found, estimand)]
        assert estimates == [row["estimate"] for row in only(full, estimand)]
    classic = [
        replace(t, decisions={k: v for k, v in t.decisions.items() if k[:4] != "span"})
        for t in bare
    ]
    result = skip_benefit(classic, [], BenefitContext(direction="minimize"))
    assert only(result, "SPAN_ALL") == []


def test_layers_are_those_of_the_block_type(planted):
    space = make_space({"max_blocks": 2, "block": "bottleneck"}, IMAGES, 10)
    plan = DesignPlan(space, 0)
    context = replace(
        planted.context,
        choices=plan.choices,
        reference_depths=(2, 2, 2),
        reference_spec=plan.reference,
    )
    result = skip_benefit([], [], context)
    assert result["reference_depth"]["depth"] == 20
    assert {row["depth"] for row in result["effects"]} == {20}


def test_a_full_identity_network_has_no_long_skips(planted):
    spec = DesignPlan(LONG, 0).reference
    places = [str(place) for place in spec.places()]
    classic = [{"from": p, "to": p, "kind": "identity"} for p in places]
    one = long_trials(1)[0]
    long = {"from": places[0], "to": places[2], "kind": "identity"}
    specs = {
        True: spec.with_skips(classic),
        False: spec.with_skips([*classic, long]),
    }
    for expected, network in specs.items():
        assert is_full_identity(replace(one, spec=network)) is expected
        decisions = LONG.decisions(network) if expected else {"skip2.stage1.block3": "identity"}
        kinds = {f"skip.{place}": "identity" for place in places}
        record = replace(one, spec=None, decisions=kinds | decisions)
        assert is_full_identity(record) is expected


def test_within_constraints_means_over_blocks_are_answered_for_all_blocks_or_not_at_all(planted):
    rows = planted.constrained()
    result = skip_benefit(rows, [], planted.context)
    assert {row["check"] for row in result["effects"]} == {None}
    assert {row["delta_seconds"] for row in result["effects"]} == {None}
    known = {row["kind"]: row["estimate"] is not None for row in only(result, "AMCE_ALL")}
    assert known == {"identity": True, "projection": False, "skip": False}
    stages = {(row["stage"], row["kind"]): row for row in only(result, "AMCE_STAGE")}
    assert stages[3, "projection"]["estimate"] is None
    assert stages[3, "projection"]["decision"] == "inconclusive"
    assert stages[2, "projection"]["estimate"] is not None
    [identity] = only(result, "AMCE_ALL", kind="identity")
    assert identity["estimate"] == pytest.approx(0.27, abs=0.05)
    assert identity["estimator"].startswith("ols_blocks")
    assert "one identity skip lowers validation log-loss by 0.2" in headline(result)


def test_few_rows_within_constraints_give_no_means_from_shares(planted):
    rows = planted.design(24)
    assert skip_benefit(rows, [], planted.context)["headline"]["estimate"] is not None
    rows[0] = replace(rows[0], rows_left_out=1)
    result = skip_benefit(rows, [], planted.context)
    assert {row["estimate"] for row in result["effects"]} == {None}
    assert headline(result).startswith("No answer yet")


@pytest.mark.parametrize("seed", range(6))
def test_six_networks_have_no_interval_rather_than_an_astronomical_one(planted, seed):
    small = planted.space.spec((2, 2, 2), {})
    rng = np.random.default_rng(seed)
    rows = []
    for number, kinds in enumerate(islice(design_rows([*small.places()], [*Kind], seed), 6)):
        loss = float(2 + 0.05 * rng.normal())
        spec = small.with_kinds(kinds)
        rows.append(
            replace(
                planted.design(1)[0],
                number=number,
                spec=spec,
                spec_id=spec.spec_id,
                value=loss,
                metrics={"val_log_loss": loss},
            )
        )
    context = replace(planted.context, reference_spec=small, reference_depths=small.depths)
    told = skip_benefit(rows, [], context)
    known = [row for row in told["effects"] if row["estimate"] is not None]
    assert known
    for row in known:
        names = ("se", "ci_low", "ci_high", "ci_sim_low", "ci_sim_high", "p", "p_adj", "mde")
        if row["ci_sim_high"] is None:
            assert all(row[name] is None for name in names)
            assert row["decision"] == "inconclusive"
        else:
            assert row["ci_sim_high"] - row["ci_sim_low"] < 10
    assert "e+" not in headline(told)
    page = render_report(ReportData(study="few", benefit=told, trials=rows))
    assert "e+1" not in page


def test_whatever_a_study_holds_its_order_changes_no_byte(planted):
    trials = planted.design(70)
    rows = [
        replace(t, number=2 * t.number + index, lr=lr, value=t.value + index / 10)
        for t in trials
        for index, lr in enumerate((0.03, 0.1))
    ]
    rows[:20] = [failed(row, "diverged") for row in rows[:20]]
    rows += [
        replace(t, number=500 + t.number, source=Source.ADAPTIVE) for t in planted.design(40, 5)
    ]
    context = replace(planted.context, importances={"fanova": {"skip.stage1.block1": 0.5}})
    expected = skip_benefit(rows, planted.anchors(), context)
    for key in ("sensitivity", "by_lr", "secondary", "prediction", "sight"):
        assert expected[key]
    assert {row["estimand"] for row in expected["effects"]} >= {"FAIL", "FAIL_STAGE", "FAIL_ALL"}
    shuffled = list(rows)
    random.Random(3).shuffle(shuffled)
    again = skip_benefit(shuffled, planted.anchors()[::-1], context)
    assert json.dumps(again, allow_nan=False) == json.dumps(expected, allow_nan=False)
