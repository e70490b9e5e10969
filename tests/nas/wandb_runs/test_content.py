from dataclasses import replace
from typing import Any

import pytest

from nas.trials import Source, State, TrialRecord
from nas.wandb_runs.content import (
    StudyInfo,
    record_run_id,
    run_id,
    run_name,
    run_tags,
    trial_config,
    trial_evidence,
    trial_history,
    trial_summary,
)
from search_spaces import InputShape, make_space
from tests.nas.wandb_studies import DECISIONS, STUDY, make_record


def test_config_says_every_block_up_to_the_deepest() -> None:
    config = trial_config(make_record(), STUDY)
    assert {key: kind for key, kind in config.items() if key.startswith("skip_")} == {
        "skip_s1_b01": "none",
        "skip_s1_b02": "absent",
        "skip_s2_b01": "projection",
        "skip_s2_b02": "identity",
        "skip_s3_b01": "identity",
        "skip_s3_b02": "absent",
        "skip_s3_b03": "absent",
    }
    assert [config[f"has_skip_s2_b0{b}"] for b in (1, 2)] == [1, 1]
    assert [config[f"is_projection_s2_b0{b}"] for b in (1, 2)] == [1, 0]
    assert config["has_skip_s1_b01"] == config["has_skip_s1_b02"] == 0
    assert (config["depth_s1"], config["depth_s2"], config["n_skips"]) == (1, 2, 3)


def test_config_is_flat_and_in_network_order() -> None:
    config = trial_config(make_record(), STUDY)
    assert not any("." in key for key in config)
    skips = [key for key in config if key.startswith("skip_")]
    assert skips == sorted(skips)
    assert all(isinstance(value, (int, float, str)) for value in config.values())


def test_config_says_who_chose_it_and_how_it_was_trained() -> None:
    record = make_record(42)
    config = trial_config(record, STUDY)
    expected = {
        "study": "made-up",
        "trial": 42,
        "source": "randomised",
        "dataset": "digits",
        "seed": 17,
        "lr": 0.1,
        "epochs": 8,
        "spec_id": record.spec_id,
        "layers": 10,
        "params": record.params,
        "macs": record.macs,
    }
    assert expected.items() <= config.items()


def test_config_of_an_ablation_says_what_is_compared_with_what() -> None:
    pair = {"base": "plain-8", "flip": "stage1.block1=identity", "replicate": 2}
    config = trial_config(make_record(source=Source.PAIRED, **pair), STUDY)
    assert pair.items() <= config.items()
    assert not pair.keys() & trial_config(make_record(), STUDY).keys()


def test_config_follows_from_decisions_where_there_is_no_spec() -> None:
    whole = trial_config(make_record(), STUDY)
    config = trial_config(make_record(spec=None, spec_id=None), STUDY)
    unknown = ("layers", "spec_id", "width", "block")
    assert config == {k: v for k, v in whole.items() if k not in unknown}
    assert len(DECISIONS) == 7


def test_history_has_a_row_per_epoch() -> None:
    assert list(trial_history(make_record(epochs=2)))[1] == {
        "epoch": 2,
        "train/loss": 0.5,
        "val/log_loss": 1.0,
        "val/accuracy": 0.75,
    }


def test_history_and_summary_have_the_metrics_of_the_task() -> None:
    record = make_record(epochs=1, metrics={"val_log_loss": 2.0, "val_f1": 0.5})
    record = replace(record, history=(replace(record.history[0], more={"f1": 0.5}),))
    assert [row["val/f1"] for row in trial_history(record)] == [0.5]
    assert trial_summary(record)["val_f1"] == 0.5


def test_evidence_has_a_row_per_block() -> None:
    rows = list(trial_evidence(make_record()))
    assert [row["evidence/block"] for row in rows] == [1, 2, 3, 4]
    assert rows[3]["evidence/gradient_norm"] == 0.0625


def test_summary_of_a_failed_trial_says_why_and_leaves_out_what_is_unknown() -> None:
    record = make_record(
        state=State.FAILED,
        reason="diverged",
        message="loss is nan",
        value=None,
        metrics={},
        peak_memory_bytes=None,
        epochs_done=3,
    )
    assert trial_summary(record) == {
        "state": "failed",
        "reason": "diverged",
        "message": "loss is nan",
        "epochs_done": 3,
        "seconds": 1.5,
        "attempts": 1,
    }


def test_summary_of_a_complete_trial_gives_memory_in_megabytes() -> None:
    summary = trial_summary(make_record())
    assert (summary["val_accuracy"], summary["peak_memory_mb"]) == (0.9375, 300.0)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "0042 1-2-1 N PI I"),
        ({"source": Source.ANCHOR, "name": "plain-32"}, "anchor 0042 plain-32"),
        ({"source": Source.FINALIST, "of_trial": 7}, "finalist 0042 of 0007 1-2-1 N PI I"),
        (
            {"source": Source.PAIRED, "base": "trial 7", "flip": "stage2.block1=none"},
            "ablation 0042 trial 7 stage2.block1=none",
        ),
        ({"source": Source.PAIRED, "base": "plain-8"}, "ablation 0042 plain-8 as it is"),
    ],
)
def test_names_tell_what_a_run_is(changes: dict[str, Any], name: str) -> None:
    assert run_name(make_record(42, **changes)) == name


def test_ids_of_trials_and_repeats_differ() -> None:
    trial = make_record(7, wandb_id=None)
    anchor = make_record(7, wandb_id=None, source=Source.ANCHOR)
    assert record_run_id(trial, STUDY) == run_id("uid", 7) == "uid-0007"
    assert record_run_id(anchor, STUDY) == run_id("uid", 7, repeat=True) == "uid-r0007"


def test_id_that_a_trial_carries_wins() -> None:
    assert record_run_id(make_record(7, wandb_id="mine"), STUDY) == "mine"


def test_tags_name_data_source_and_state() -> None:
    study = StudyInfo(name="s", uid="u", dataset="d", epochs=1, deepest=(1,), tags=("mine",))
    assert run_tags(make_record(), study) == ("d", "randomised", "complete", "mine")


def test_study_survives_json() -> None:
    assert StudyInfo.from_json(STUDY.to_json()) == STUDY


LONG = StudyInfo(
    name="long", uid="uid", dataset="digits", epochs=8, deepest=(2, 3), has_spans=True
)
LONG_DECISIONS = {
    "width": 16,
    "depth.stage1": 1,
    "depth.stage2": 2,
    "skip.stage1.block1": "none",
    "skip.stage2.block1": "projection",
    "span.stage2.block1": 2,
    "skip.stage2.block2": "identity",
    "span.stage2.block2": 1,
    "skip2.stage2.block2": "identity",
    "span2.stage2.block2": 3,
}


def long_record(**changes: Any) -> TrialRecord:
    fields = {"name": "longskip", "stages": 2, "max_blocks": 3, "width": [8, 16], "max_fan_in": 2}
    space = make_space(fields, InputShape(channels=1, height=8, width=8), 10)
    spec = space.from_decisions(LONG_DECISIONS)
    return make_record(**{"spec": spec, "decisions": dict(LONG_DECISIONS), **changes})


@pytest.mark.parametrize("changes", [{}, {"spec": None, "spec_id": None}])
def test_config_says_the_span_of_the_skip_that_ends_at_every_block(
    changes: dict[str, Any],
) -> None:
    config = trial_config(long_record(**changes), LONG)
    spans = {key: value for key, value in config.items() if key.startswith("span_")}
    expected = {"span_s1_b01": 0, "span_s1_b02": 0, "span_s2_b01": 2, "span_s2_b02": 1}
    assert spans == expected | {"span_s2_b03": 0}
    assert (config["skip_s2_b01"], config["skip_s2_b03"]) == ("projection", "absent")
    assert (config["skip2_s2_b02"], config["span2_s2_b02"]) == ("identity", 3)
    assert not any("." in key for key in config)


def test_config_says_width_and_block_type() -> None:
    config = trial_config(long_record(), LONG)
    assert (config["width"], config["block"]) == (16, "basic")
    assert (trial_config(make_record(), STUDY)["width"], config["n_skips"]) == (8, 3)


def test_a_study_without_long_skips_has_no_spans() -> None:
    assert not any(key.startswith("span") for key in trial_config(make_record(), STUDY))


def test_the_study_survives_the_way_to_the_writer() -> None:
    assert StudyInfo.from_json(LONG.to_json()) == LONG
    older = {key: value for key, value in STUDY.to_json().items() if key != "has_spans"}
    assert StudyInfo.from_json(older) == STUDY


@pytest.mark.parametrize("changes", [{}, {"spec": None, "spec_id": None}])
def test_config_counts_every_skip_that_ends_at_a_block(changes: dict[str, Any]) -> None:
    config = trial_config(long_record(**changes), LONG)
    longest = {key: value for key, value in config.items() if key.startswith("longest_span_")}
    expected = {"longest_span_s1_b01": 0, "longest_span_s1_b02": 0, "longest_span_s2_b01": 2}
    assert longest == expected | {"longest_span_s2_b02": 3, "longest_span_s2_b03": 0}
    assert config["n_skips"] == 3


def test_config_has_further_skips_of_a_network_whose_decisions_do_not_name_them() -> None:
    few = {"depth.stage1": 1, "depth.stage2": 2}
    config = trial_config(long_record(decisions=few), LONG)
    assert config == trial_config(long_record(), LONG)


def test_the_width_is_that_of_the_stem_whatever_the_stages_have() -> None:
    fields = {"block": ["basic", "bottleneck"], "width": [8, 16], "max_blocks": 1}
    space = make_space(fields, InputShape(channels=1, height=8, width=8), 10)
    decisions = {"width": 16, "block": "bottleneck"} | {f"depth.stage{i}": 1 for i in (1, 2, 3)}
    decisions |= {f"skip.stage{i}.block1": "none" for i in (1, 2, 3)}
    spec = space.from_decisions(decisions)
    assert spec.stages[0].width == 64
    for own in (decisions, {}):
        config = trial_config(make_record(spec=spec, decisions=dict(own)), STUDY)
        assert (config["width"], config["block"]) == (16, "bottleneck")
