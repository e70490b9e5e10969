import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas
from nas.errors import TableError
from nas.spans import all_spans_of
from nas.table_cells import cells_of_rows
from nas.tables import read_rows, read_table
from nas.trials import Source, State, TrialRecord
from nas.wandb_runs.content import StudyInfo, trial_config, trial_summary
from nas.wandb_table import is_wandb_table
from search_spaces.longskip import LongSkipSpace, LongSkipSpaceConfig
from search_spaces.space import SearchSpace
from tests.nas.table_files import IMAGES, design_trials

STUDY = StudyInfo(name="made", uid="abc", dataset="digits", epochs=8, deepest=(5, 5, 5))
UI = {"Name": "0001 5-5-5", "State": "finished", "Notes": "-", "Tags": "digits, x", "Sweep": ""}


@pytest.fixture(scope="module")
def records() -> list[TrialRecord]:
    rows = design_trials(30, min_blocks=1)
    rows[4] = replace(rows[4], state=State.FAILED, value=None, reason="oom", metrics={})
    return rows


def run_of(record: TrialRecord, study: StudyInfo = STUDY) -> tuple[dict[str, Any], dict[str, Any]]:
    return trial_config(record, study), trial_summary(record)


def check(read: list[TrialRecord], records: list[TrialRecord]) -> None:
    for ours, theirs in zip(read, records, strict=True):
        for name in ("number", "state", "source", "value", "seed", "lr", "spec_id", "reason"):
            assert getattr(ours, name) == getattr(theirs, name)
        assert theirs.decisions.items() <= ours.decisions.items()
        assert ours.metrics == theirs.metrics


def test_the_table_of_the_web_page_is_read_without_names(
    records: list[TrialRecord], tmp_path: Path
) -> None:
    rows = [UI | config | summary for config, summary in map(run_of, records)]
    # The summary of the study is a run among the others.
    rows.append(UI | {"Name": "made summary"})
    with (tmp_path / "wandb.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(k for r in rows for k in r)), restval="")
        writer.writeheader()
        writer.writerows(rows)
    read = read_table(tmp_path / "wandb.csv")
    check(read.records, records)
    [unused] = read.unused
    assert unused.rows == (32,)
    assert "no decision about a skip" in unused.reason
    benefit = nas.skip_benefit(tmp_path / "wandb.csv", direction="minimize")
    known = nas.skip_benefit([r.to_row() for r in records], direction="minimize")
    assert [row["estimate"] for row in benefit["effects"]] == [
        row["estimate"] for row in known["effects"]
    ]
    assert benefit["unused_rows"][0]["n"] == 1


@pytest.mark.parametrize("form", ["config/", "config.", "value"])
def test_keys_may_say_where_in_the_run_they_are_from(
    records: list[TrialRecord], form: str
) -> None:
    rows = []
    for config, summary in map(run_of, records):
        if form == "value":
            row = {f"config.{key}.value": value for key, value in config.items()}
            row |= {f"summary.{key}": value for key, value in summary.items()}
        else:
            row = {f"{form}{key}": value for key, value in config.items()}
            row |= {f"{form.replace('config', 'summary')}{k}": v for k, v in summary.items()}
        rows.append({"name": "0001 5-5-5", **row})
    check(read_rows(rows).records, records)


@pytest.mark.parametrize("as_text", [False, True])
def test_frames_of_the_api_hold_configs_as_they_are_or_as_text(
    records: list[TrialRecord], as_text: bool
) -> None:
    rows = [
        {
            "name": "0001 5-5-5",
            "state": "finished",
            "config": str(config) if as_text else config,
            "summary": str(summary | {"_loss": float("nan")}) if as_text else summary,
        }
        for config, summary in map(run_of, records)
    ]
    check(read_rows(rows).records, records)


def test_where_our_own_state_was_not_exported_that_of_the_run_counts() -> None:
    record = design_trials(3)[0]
    config, _ = run_of(record)
    rows = [
        {"State": "finished", "value": 0.5, **config, "trial": 0},
        {"State": "crashed", "value": "NaN", **config, "trial": 1},
        {"State": "running", **config, "trial": 2},
    ]
    read = read_rows(rows)
    assert [row.state for row in read.records] == [State.COMPLETE, State.FAILED]
    assert [row.value for row in read.records] == [0.5, None]
    assert [(rows.reason, rows.rows) for rows in read.unused] == [("not finished", (3,))]


@pytest.mark.parametrize(
    ("state", "own", "reason"),
    [
        ("crashed", None, "lost"),
        ("killed", None, "lost"),
        ("failed", None, "error"),
        ("crashed", "diverged", "diverged"),
    ],
)
def test_a_run_whose_machine_was_lost_is_no_network_that_did_not_train(
    state: str, own: str | None, reason: str
) -> None:
    first, *others = design_trials(60)
    rows = [{"State": "finished", **run_of(r)[0], "value": r.value} for r in (first, *others)]
    rows[3] |= {"State": state, "value": "", **({"reason": own} if own else {})}
    assert read_rows(rows).records[3].reason == reason
    found = nas.skip_benefit(rows, direction="minimize")
    fails = [row for row in found["effects"] if row["estimand"] == "FAIL"]
    assert bool(fails) is (reason == "diverged")


def test_the_state_of_the_api_counts_as_that_of_the_page() -> None:
    records = design_trials(2)
    rows = [{"state": "finished", "config": run_of(r)[0], "value": r.value} for r in records]
    rows[1] |= {"state": "crashed", "value": None}
    assert [row.reason for row in read_rows(rows).records] == [None, "lost"]


def test_runs_of_several_studies_are_told_apart() -> None:
    records = design_trials(3)
    rows = [config | summary for config, summary in map(run_of, records)]
    rows[1]["study"] = "other"
    with pytest.raises(TableError, match=r"of one study, got made and other\. Filter the runs"):
        read_rows(rows)


def test_anchors_keep_their_name_and_shallow_networks_their_depth() -> None:
    record = design_trials(3)[0]
    anchor = replace(record, source=Source.ANCHOR, name="plain-32", number=7)
    deeper = StudyInfo(**{**STUDY.to_json(), "deepest": (6, 6, 6), "tags": ()})
    config, summary = run_of(anchor, deeper)
    assert config["skip_s1_b06"] == "absent"
    [read] = read_rows([{"name": "anchor 0007 plain-32", **config, **summary}]).records
    assert read.name == "plain-32"
    assert read.decisions["depth.stage1"] == 5
    assert "skip.stage1.block6" not in read.decisions


def test_long_skips_keep_their_spans() -> None:
    space: SearchSpace = LongSkipSpace(LongSkipSpaceConfig(stages=2, max_blocks=3), IMAGES, 10)
    rng = np.random.default_rng(0)
    study = replace(STUDY, deepest=(3, 3), has_spans=True)
    records = []
    for number in range(12):
        spec = space.sample(rng)
        record = TrialRecord(
            number=number, state=State.COMPLETE, source=Source.ADAPTIVE, value=1.0,
            decisions=space.decisions(spec), spec=spec, spec_id=spec.spec_id,
        )  # fmt: skip
        records.append(record)
    read = read_rows([{**c, **s} for c, s in (run_of(r, study) for r in records)]).records
    assert [all_spans_of(row) for row in read] == [all_spans_of(row) for row in records]


def test_tables_of_others_are_no_runs_of_ours() -> None:
    assert not is_wandb_table(cells_of_rows([{"skip.stage1.block1": "none", "config": "{broken"}]))
    assert is_wandb_table(cells_of_rows([{"config": '{"skip_s1_b01": {"value": "none"}}'}]))
