import dataclasses
import re
import subprocess
import sys
from typing import Any

import pytest

from nas.benefit import BenefitContext, skip_benefit
from nas.report import ReportData, headline, render_report, skip_map_svg
from nas.report.effects import block_effects, effects_of
from nas.report.numbers import metric_of, typographic
from nas.trials import Source, State, TrialRecord
from tests.nas.report.reading import parsed, words
from tests.nas.report.sample import sample


@pytest.fixture(scope="module")
def data() -> ReportData:
    return sample()


@pytest.fixture(scope="module")
def page(data: ReportData) -> str:
    return render_report(data)


def but(data: ReportData, /, **benefit: Any) -> ReportData:
    return dataclasses.replace(data, benefit={**data.benefit, **benefit})


def test_the_page_is_well_formed_and_small(page: str) -> None:
    parser = parsed(page)
    assert page.startswith("<!DOCTYPE html>")
    assert len(page.encode()) < 500_000
    ids = [value for _, name, value in parser.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_the_page_fetches_nothing_and_runs_no_script_where_nothing_is_predicted(
    page: str,
) -> None:
    parser = parsed(page)
    assert "script" not in parser.tags
    assert "url(" not in page
    assert "@import" not in page
    for _, name, value in parser.attributes:
        assert name not in ("src", "srcset")
        assert not name.startswith("on")
        if name == "href":
            assert value.startswith("#")
    assert set(re.findall(r"https?://[^\"' <]+", page)) == {"http://www.w3.org/2000/svg"}


def test_rows_that_would_let_the_data_answer_are_linked(data: ReportData) -> None:
    rows = {"num_rows": 48, "path": "rows_to_add.csv", "settles": "the 9 open answers"}
    page = render_report(dataclasses.replace(data, rows_to_add=rows))
    assert '<a href="rows_to_add.csv">rows_to_add.csv</a>' in page
    assert "48 rows to train for the 9 open answers" in words(page)


def test_rows_that_could_not_be_used_are_named(data: ReportData) -> None:
    unused = [
        {"reason": "no value", "n": 2, "rows": [4, 7], "words": "2 rows have no value: 4, 7"}
    ]
    assert "2 rows have no value: 4, 7" in words(render_report(but(data, unused_rows=unused)))
    assert "could not be used" not in words(render_report(data))


def test_a_space_with_one_kind_of_skip_is_not_asked_which_is_better(data: ReportData) -> None:
    rows = [
        row
        for row in data.benefit["effects"]
        if row["kind"] in ("identity", "skip") and row["estimand"] != "KIND"
    ]
    assert "Only identity skips are offered here." in words(render_report(but(data, effects=rows)))


def test_links_lead_to_sections_that_exist(page: str) -> None:
    parser = parsed(page)
    ids = {value for _, name, value in parser.attributes if name == "id"}
    links = {value[1:] for _, name, value in parser.attributes if name == "href"}
    assert links
    assert links <= ids


def test_the_first_screen_answers_six_questions_in_order(page: str, data: ReportData) -> None:
    text = words(page)
    first = text[: text.index("Every effect")]
    claim = typographic(headline(data.benefit))
    expected = [
        claim,
        "What a skip does at each block",
        "Identity or projection",
        "With depth",
        "Best found against full identity of equal depth",
        "What would settle the rest",
    ]
    places = [first.index(part) for part in expected]
    assert places == sorted(places)
    assert "Identity is better, by 0.04 (0.01 to 0.07)." in first
    assert "Not distinguishable" in first
    assert typographic("Difference +0.006 (-0.007 to +0.019).") in first
    assert "22 of 30 answers settled" in first
    assert "nas search --name digits --trials 360" in first


def test_the_rival_is_the_network_compared_with_and_no_anchor_of_as_many_layers(
    data: ReportData,
) -> None:
    versus = data.benefit["search"]["versus_identity"]
    [best] = [t for t in data.trials if t.number == data.benefit["search"]["incumbent"]["trial"]]
    anchors = [
        row | {"name": f"identity-{best.layers}", "mean": 9.0} for row in data.benefit["anchors"]
    ]
    text = words(render_report(but(data, anchors=anchors)))
    metric = metric_of(data.benefit)
    assert (
        f"Identity everywhere, {best.layers} layers: {metric.value(versus['mean'])} log-loss and "
        "98.0% accuracy over 5 seeds"
    ) in text
    assert "45,678 params" in text


def test_every_effect_of_the_json_is_on_the_page(page: str, data: ReportData) -> None:
    text = words(page)
    metric = metric_of(data.benefit)
    effects = effects_of(data.benefit, "AMCE") + effects_of(data.benefit, "AMCE_STAGE")
    assert len(effects) == 39
    for effect in effects:
        interval = typographic(metric.effects(effect.low, effect.high))
        value = typographic(metric.effect(effect.estimate))
        assert f"{effect.words}, {value} ({interval}), n" in text


def test_the_map_shows_each_estimate_and_grey_where_the_data_cannot_tell(data: ReportData) -> None:
    svg = skip_map_svg(data)
    stages = effects_of(data.benefit, "AMCE_STAGE")
    effects = [e for e in stages if e.kind in ("identity", "projection")]
    effects += block_effects(data.benefit).values()
    inconclusive = sum(e.decision == "inconclusive" for e in effects)
    assert svg.count('class="nn-ink-unknown"') == inconclusive > 0
    labels = re.findall(r'class="nn-ink-[a-z0-9]+"[^>]*>([^<]+)<', svg)
    metric = metric_of(data.benefit)
    assert sorted(labels) == sorted(typographic(metric.effect(e.estimate)) for e in effects)


def test_an_effect_whose_stage_did_not_pass_is_grey(data: ReportData) -> None:
    effects = [row | {"gate_passed": False} for row in data.benefit["effects"]]
    svg = skip_map_svg(but(data, effects=effects))
    num_blocks, num_stages = 30, 6
    assert svg.count('class="nn-ink-unknown"') == num_blocks + num_stages


def test_accuracy_stands_beside_log_loss(page: str) -> None:
    text = words(page)
    assert "Accuracy, points" in text
    assert "In points of accuracy: identity +1.9, projection +1.5." in text


def test_metrics_of_a_task_stand_in_the_table_of_best_networks(data: ReportData) -> None:
    def measured(trial: TrialRecord) -> TrialRecord:
        more = {"val_top2": 0.75, "val_f1": 0.875} if trial.number % 2 else {}
        return dataclasses.replace(trial, metrics={**trial.metrics, **more})

    assert "TrialLog-lossAccuracyLayers" in words(render_report(data))
    found = dataclasses.replace(data, trials=[measured(trial) for trial in data.trials])
    text = words(render_report(found))
    assert "TrialLog-lossAccuracyF1Top2Layers" in text
    assert "0.8750.750" in text
    own = dataclasses.replace(
        found, benefit={"data": {"metric": "val/f1", "direction": "maximize"}}
    )
    assert "TrialF1AccuracyLog-lossTop2Layers" in words(render_report(own))


def test_counts_of_both_arms_come_from_the_randomised_trials(data: ReportData) -> None:
    with_it, without = data.arm(1, 1, "identity"), data.arm(1, 1, "none")
    assert with_it is not None
    assert without is not None
    rows = [t for t in data.trials if t.source is Source.RANDOMISED]
    assert with_it == sum(t.decisions["skip.stage1.block1"] == "identity" for t in rows)
    assert f"{with_it} | {without}" in words(render_report(data))


def test_warnings_are_at_most_three_and_end_in_a_command(data: ReportData) -> None:
    warnings = [
        {"code": f"W_{i}", "text": f"Warning {i}.", "remedy": f"Do: nas search --trials {i}"}
        for i in range(5)
    ]
    page = render_report(but(data, warning_details=warnings))
    assert page.count('class="warning"') == 3
    assert "Warning 2. Do: <code>nas search --trials 2</code></div>" in page
    assert "2 more warnings in skip_benefit.json." in page


def test_warnings_that_a_command_mends_go_before_those_that_words_mend(data: ReportData) -> None:
    words_alone = {"code": "W_A", "text": "Words.", "remedy": "Read the columns beside it."}
    command = {"code": "W_B", "text": "Mended.", "remedy": "nas search --trials 9"}
    page = render_report(but(data, warning_details=[words_alone, command]))
    assert page.count('class="warning"') == 1
    assert "Mended. <code>nas search --trials 9</code>" in page
    assert "1 more warning in skip_benefit.json." in page
    alone = render_report(but(data, warning_details=[words_alone]))
    assert "Words. Read the columns beside it.</div>" in alone


def test_the_fixed_words_on_redundancy_are_there(page: str) -> None:
    assert "The second can be near zero although the first is large" in words(page)


def test_the_method_names_the_kinds_that_were_drawn(data: ReportData, page: str) -> None:
    assert "drawn at random (none, identity or projection), independently" in words(page)
    two = [row for row in data.benefit["effects"] if row["kind"] == "identity"]
    text = words(render_report(but(data, effects=two)))
    assert "drawn at random (none or identity), independently" in text


def test_what_the_test_split_is_for_is_told_where_it_was_measured(data: ReportData) -> None:
    sentence = "The test split is measured once, for the finalists and the network they are"
    measured = {**data.benefit["search"], "test": {"test_accuracy": {"n": 5, "mean": 0.98}}}
    assert sentence in words(render_report(but(data, search=measured)))
    assert "test split" not in words(render_report(data))


def test_a_citation_holds_data_counts_and_recipe(page: str) -> None:
    assert (
        "Data set digits; 1,077 training and 360 validation images (fixed split, seed 0); n = 99 "
        "randomised of 200 trials; 70 repeats on 5 seeds; 8 epochs; learning rate 0.1; "
        "2 CPU cores."
    ) in words(page)


def test_what_users_write_is_escaped(data: ReportData) -> None:
    bad = '<script>alert("x")</script>&'
    page = render_report(
        dataclasses.replace(
            data,
            study=bad,
            versions={bad: bad},
            recipe={bad: bad},
            trials=[dataclasses.replace(t, reason=bad) for t in data.trials],
            repeats=[dataclasses.replace(t, name=bad) for t in data.repeats],
            benefit={
                **data.benefit,
                "tool_version": bad,
                "data": {"dataset": bad, "metric": bad},
                "sesoi": 0.1,
                "sesoi_source": bad,
                "warning_details": [{"text": bad, "remedy": f"nas {bad}"}],
                "anchors": [row | {"name": f"{bad}-8"} for row in data.benefit["anchors"]],
                "search": {"incumbent": {"trial": bad}, "versus_identity": {"verdict": bad}},
                "effects": [r | {"kind": bad, "grade": bad} for r in data.benefit["effects"]],
            },
        )
    )
    assert "script" not in parsed(page).tags
    assert "&lt;script&gt;" in page


def test_a_real_skip_map_is_drawn(data: ReportData) -> None:
    context = BenefitContext(
        direction="minimize",
        metric="val/log_loss",
        dataset="digits",
        study_name="digits",
        reference_spec=data.reference_spec,
    )
    benefit = skip_benefit(data.trials, data.repeats, context)
    real = dataclasses.replace(data, benefit=benefit)
    text = words(render_report(real))
    assert typographic(headline(benefit)) in text
    assert headline(benefit).startswith("Skips help on digits at 32 layers:")
    assert re.search(r"In points of accuracy: identity \+\d+\.\d, projection \+\d+\.\d\.", text)
    assert re.search(r"(better, by|Cannot tell which is better: difference|Equally good)", text)
    assert "Not compared yet" in text or "Difference" in text
    settled = benefit["settled"]
    assert f"{settled['num_settled']} of {settled['num_answers']} answers settled" in text
    rows = [row for row in benefit["effects"] if row["estimand"] == "AMCE"]
    metric = metric_of(benefit)
    for row in rows:
        assert typographic(metric.effects(row["ci_sim_low"], row["ci_sim_high"])) in text


def test_effects_of_other_depths_are_left_out(data: ReportData) -> None:
    effects = [row | {"estimate": 9.0} for row in data.benefit["effects"]]
    one = but(data, other_depths=[{"depth_plan": [1, 1, 1], "effects": effects}])
    assert skip_map_svg(one) == skip_map_svg(data)
    assert "9.00" not in words(render_report(one))


def few(data: ReportData, n: int, **changes: Any) -> ReportData:
    """A study that was stopped after `n` adaptive trials, without anything else."""
    trials = [dataclasses.replace(t, source=Source.ADAPTIVE, **changes) for t in data.trials[:n]]
    return ReportData(study="digits", trials=trials)


def degraded() -> dict[str, ReportData]:
    data = sample()
    failed = {"state": State.FAILED, "value": None, "metrics": {}, "reason": "oom"}
    unknown = [
        row | dict.fromkeys(("estimate", "se", "ci_sim_low", "ci_sim_high"), None)
        for row in data.benefit["effects"]
    ]
    table = [
        TrialRecord(
            number=i, state=State.COMPLETE, source=Source.RANDOMISED, decisions={}, value=v
        )
        for i, v in enumerate([0.5, 0.5, 0.5])
    ]
    nothing: dict[str, Any] = dict.fromkeys(data.benefit)
    return {
        "only a name": ReportData(study="digits"),
        "three trials": few(data, 3),
        "one trial": few(data, 1),
        "all failed": few(data, 20, **failed),
        "a table without specs": ReportData(study="csv", trials=table),
        "no anchors": dataclasses.replace(but(data, anchors=[]), repeats=()),
        "anchors that failed": but(
            data,
            anchors=[
                {"name": row["name"], "n": 0, "mean": None, "ci": None, "failed": 5}
                for row in data.benefit["anchors"]
            ],
        ),
        "a single anchor": but(data, anchors=data.benefit["anchors"][:1]),
        "anchors of one seed": but(
            data,
            anchors=[row | {"n": 1, "sd": None, "ci": None} for row in data.benefit["anchors"]],
        ),
        "effects not identified": but(data, effects=unknown),
        "no effects": but(data, effects=[], metrics={}),
        "identity alone": but(
            data, effects=[r for r in data.benefit["effects"] if r["kind"] == "identity"]
        ),
        "everything null": dataclasses.replace(data, benefit=nothing),
        "no benefit": dataclasses.replace(data, benefit={}),
        "no search": but(data, search={}),
        "not retrained": but(data, search={"incumbent": {"trial": 1}, "val_score": 0.1}),
        "null search": but(data, search={"incumbent": {"trial": 1}, "retrained": None}),
        "no trials": dataclasses.replace(data, trials=(), repeats=()),
        "no reference": dataclasses.replace(data, reference_spec=None),
        "no steps": dataclasses.replace(data, next_steps=()),
        "all settled": dataclasses.replace(
            but(data, settled={"num_settled": 30, "num_answers": 30, "trials_to_rest": 0}),
            next_steps=(),
        ),
        "effects all zero": but(
            data,
            effects=[
                r | {"estimate": 0.0, "ci_sim_low": 0.0, "ci_sim_high": 0.0, "decision": "benefit"}
                for r in data.benefit["effects"]
            ],
        ),
        "accuracy": but(
            data,
            data={"dataset": "digits", "metric": "val/accuracy", "direction": "maximize"},
            metrics={},
        ),
        "rubbish": but(
            data,
            effects="x",
            anchors={"a": 1},
            metrics=[1],
            search=3,
            settled="no",
            warning_details="w",
        ),
    }


@pytest.mark.parametrize("case", degraded())
def test_a_report_is_written_whatever_is_missing(case: str) -> None:
    data = degraded()[case]
    text = words(render_report(data))
    for word in ("None", "nan", "inf "):
        assert not re.search(rf"\b{word}\b", text), text
    assert text.count("What would settle the rest") >= 1
    headline(data.benefit)


def test_three_adaptive_trials_say_that_there_is_no_answer_and_draw_grey(data: ReportData) -> None:
    page = render_report(few(data, 3))
    text = words(page)
    assert "No answer" in text
    assert "not retrained, so partly luck" in text
    assert "No network of the random design has finished" in text
    assert "nas search" not in text
    assert "More trials of the random design, which alone are evidence" in text
    assert "Nothing is coloured: no effect of a single block has been measured." in text
    assert 'class="nn-ink-unknown"' in page
    assert not re.search(r'class="nn-ink-(helps|hurts)', page)


def test_without_a_network_the_map_is_empty_and_the_page_says_so() -> None:
    nothing = ReportData(study="digits")
    assert skip_map_svg(nothing) == ""
    assert "No network is known to draw." in words(render_report(nothing))


def test_the_map_alone_is_a_file_of_its_own(data: ReportData) -> None:
    svg = skip_map_svg(data)
    assert svg.startswith("<svg xmlns=")
    assert "<style>" in svg
    assert skip_map_svg(data) == svg


def test_same_data_gives_the_same_page(page: str) -> None:
    assert render_report(sample()) == page


def test_the_report_needs_neither_torch_nor_optuna() -> None:
    code = (
        "import sys, nas.report; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'optuna', 'wandb', 'scipy')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_space_whose_blocks_all_have_a_skip_is_shown_by_kind(data: ReportData) -> None:
    shares = {"identity": 0.5, "projection": 0.5}
    places = {f"stage{stage}.block{block}": shares for stage in (1, 2) for block in (1, 2)}
    rows = [row for row in data.benefit["effects"] if row["estimand"] == "AMCE"]
    kinds = [
        row | {"estimand": "KIND", "reference_kind": "identity"}
        for row in rows
        if row["kind"] == "projection"
    ]
    always = dict(data.benefit) | {
        "effects": kinds,
        "reference_distribution": {"per_position_probs": places},
    }
    page = render_report(dataclasses.replace(data, benefit=always))
    assert "What a projection in place of identity does at each block" in page
    assert "projection against identity at stage 1, block 1" in page
    assert "when a projection takes the place of an identity" in page
    assert "identity skip at stage" not in page


def test_an_effect_without_an_interval_is_drawn_without_a_whisker(data: ReportData) -> None:
    rows = [row | {"ci_sim_low": None, "ci_sim_high": None} for row in data.benefit["effects"]]
    page = render_report(dataclasses.replace(data, benefit=dict(data.benefit) | {"effects": rows}))
    assert "no interval yet" in page


def test_a_clear_block_behind_a_shut_gate_is_named_and_not_promised_more(data: ReportData) -> None:
    def shut(row: dict[str, Any]) -> dict[str, Any]:
        ends = {"ci_sim_low": 0.1, "ci_sim_high": 0.3, "estimate": 0.2}
        is_first = row["estimand"] == "AMCE" and (row["stage"], row["block"]) == (1, 1)
        return row | {"gate_passed": False} | ends if is_first else row

    effects = [shut(row) for row in data.benefit["effects"]]
    text = words(render_report(but(data, effects=effects)))
    assert (
        "stage1.block1: the interval leaves out zero, but the mean that has to be decided before "
        "single blocks is not. More rows need not change that." in text
    )
