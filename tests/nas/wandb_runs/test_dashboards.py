"""One study written by the real writer and W&B, read back from its files."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.trials import Source, State
from nas.wandb_runs.dashboards import cheap_settings
from nas.wandb_runs.files import run_folders, staging_folder
from nas.wandb_runs.run_log import RunLogResult
from tests.nas.wandb_reader import RunFile, read_run
from tests.nas.wandb_studies import make_record, open_log

KEY = "0123456789abcdef0123456789abcdef01234567"
HEADLINE = "Skips help: -0.21 to -0.35 nats."
SVG = "<svg xmlns='http://www.w3.org/2000/svg'></svg>"


def effect(position: int, kind: str) -> dict[str, Any]:
    return {
        "estimand": "AMCE",
        "depth": 16,
        "position": position,
        "stage": 1,
        "block": position,
        "kind": kind,
        "reference_kind": "none",
        "estimate": 0.25 * position,
        "ci_sim_low": 0.125,
        "ci_sim_high": 1.0,
        "decision": "benefit",
    }


BENEFIT = {
    "effects": [effect(p, k) for p in (1, 2) for k in ("identity", "projection")],
    "settled": {"num_answers": 4, "num_settled": 4},
    "ranking": [{"position": 2, "kind": "identity", "rank": 1, "rank_low": 1, "rank_high": 2}],
    "confirm": [
        {
            "estimand": "ABL",
            "base": "trial 0",
            "flip": "stage1.block1=none",
            "position": 1,
            "kind": "identity",
            "d_mean": 0.5,
            "ci_sim": [0.25, 0.75],
            "n_pairs": 8,
            "decision": "benefit",
        }
    ],
    "claims": [
        {"id": "C7", "statement": "s", "verdict": "supported", "evidence": "e", "numbers": [1]}
    ],
    "secondary": {"fanova": {"by_position": [{"position": 1, "importance": 0.9}]}},
}


class Study:
    """The folder of a study that was logged, and what became of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.run_folder = folder / "run"
        self.result: RunLogResult | None = None

    def path(self, run_id: str) -> Path:
        (path,) = run_folders(self.run_folder)[run_id]
        return path

    def read(self, run_id: str) -> RunFile:
        return read_run(self.path(run_id))


def write(study: Study) -> RunLogResult:
    export = study.folder / "export"
    export.mkdir()
    (export / "architecture.json").write_text("{}")
    (export / "card.md").write_text("# Card")
    benefit_file = study.folder / "skip_benefit.json"
    benefit_file.write_text(json.dumps(BENEFIT))
    (study.folder / "report.html").write_text("<html><body>report</body></html>")
    (study.folder / "map.svg").write_text(SVG)
    trials = [
        make_record(0),
        make_record(1, state=State.PRUNED, epochs=3, reason="pruned at rung 3"),
        make_record(2, state=State.FAILED, epochs=0, reason="oom", value=None, metrics={}),
    ]
    repeats = [
        make_record(0, source=Source.ANCHOR, name="plain-10", wandb_id="uid-r0000"),
        make_record(1, source=Source.FINALIST, of_trial=0, wandb_id="uid-r0001"),
    ]
    log = open_log(study.run_folder)
    for record in (*trials, *repeats):
        log.trial_done(record)
    for headline in ("Cannot tell yet.", HEADLINE):
        log.summary(
            headline=headline,
            benefit=BENEFIT,
            trials=trials,
            repeats=repeats,
            pictures={
                "skip_map": SVG,
                "report": study.folder / "report.html",
                "map_image": study.folder / "map.svg",
            },
            best=export,
            benefit_file=benefit_file,
        )
    return log.close()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    study = Study(tmp_path_factory.mktemp("study"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(study.home))
        patch.setenv("WANDB_API_KEY", KEY)
        study.result = write(study)
        yield study


def test_every_run_is_written_once_and_without_a_warning(study: Study) -> None:
    assert study.result == RunLogResult(num_written=7, failures=())
    runs = run_folders(study.run_folder)
    assert sorted(runs) == [
        "uid-0000",
        "uid-0001",
        "uid-0002",
        "uid-r0000",
        "uid-r0001",
        "uid-summary",
    ]
    assert all(len(paths) == 1 for paths in runs.values())


def test_the_key_is_in_no_file(study: Study) -> None:
    files = [path for path in study.folder.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_nothing_is_written_outside_the_run_folder(study: Study) -> None:
    assert list(study.home.iterdir()) == []


def test_a_trial_is_found_by_study_job_type_tags_and_name(study: Study) -> None:
    run = study.read("uid-0000").run
    assert (run.project, run.run_group, run.job_type) == ("nas", "made-up", "trial")
    assert list(run.tags) == ["digits", "randomised", "complete"]
    assert run.display_name == "0000 1-2-1 N PI I"


def test_a_trial_has_flat_config_and_summary(study: Study) -> None:
    run = study.read("uid-0000")
    assert (run.config["skip_s2_b01"], run.config["has_skip_s2_b01"]) == ("projection", 1)
    assert (run.summary["val_accuracy"], run.summary["state"]) == (0.9375, "complete")
    # What the history says is not said twice.
    assert not [key for key in run.summary if key.startswith(("val/", "train/", "evidence/"))]
    assert run.exit_code == 0


def test_a_trial_has_a_row_per_epoch_and_then_a_row_per_block(study: Study) -> None:
    history = study.read("uid-0000").history
    epochs = [row for row in history if "epoch" in row]
    blocks = [row for row in history if "evidence/block" in row]
    assert [row["epoch"] for row in epochs] == list(range(1, 9))
    assert [row["val/log_loss"] for row in epochs][:2] == [2.0, 1.0]
    assert [row["evidence/gradient_norm"] for row in blocks] == [0.5, 0.25, 0.125, 0.0625]


def test_epoch_is_the_step_of_the_metrics_and_evidence_is_hidden(study: Study) -> None:
    metrics = study.read("uid-0000").metrics
    assert (metrics["val/*"].step_metric, metrics["train/*"].step_metric) == ("epoch", "epoch")
    assert metrics["evidence/*"].step_metric == "evidence/block"
    assert metrics["evidence/*"].options.hidden


def test_a_pruned_trial_ends_well_and_says_why(study: Study) -> None:
    run = study.read("uid-0001")
    assert (run.exit_code, run.summary["state"]) == (0, "pruned")
    assert (run.summary["reason"], run.summary["epochs_done"]) == ("pruned at rung 3", 3)


def test_a_failed_trial_ends_with_an_error_and_says_why(study: Study) -> None:
    run = study.read("uid-0002")
    assert (run.exit_code, run.summary["state"], run.summary["reason"]) == (1, "failed", "oom")


def test_repeats_have_job_types_of_their_own(study: Study) -> None:
    anchor, finalist = study.read("uid-r0000"), study.read("uid-r0001")
    assert (anchor.run.job_type, anchor.config["anchor"]) == ("anchor", "plain-10")
    assert (finalist.run.job_type, finalist.config["of_trial"]) == ("finalist", 0)


def test_the_summary_run_has_a_row_per_position(study: Study) -> None:
    run = study.read("uid-summary")
    rows = [row for row in run.history if "answer/identity" in row]
    assert [row["answer/position"] for row in rows] == [1, 2]
    assert [row["answer/projection"] for row in rows] == [0.25, 0.5]
    assert (rows[1]["answer/identity_low"], rows[1]["answer/identity_high"]) == (0.125, 1.0)
    assert run.metrics["answer*"].step_metric == "answer/position"


def test_ranks_and_paired_evidence_have_rows_by_position_too(study: Study) -> None:
    history = study.read("uid-summary").history
    (rank,) = [row for row in history if "answer_rank/identity" in row]
    assert (rank["answer/position"], rank["answer_rank/identity_high"]) == (2, 2)
    (pair,) = [row for row in history if "answer_trial-0/identity" in row]
    assert (pair["answer/position"], pair["answer_trial-0/identity"]) == (1, 0.5)
    assert pair["answer_trial-0/identity_low"] == 0.25


def test_paired_evidence_and_claims_have_tables_and_importances_have_none(study: Study) -> None:
    run = study.read("uid-summary")
    (row,) = [row for row in run.history if "effects/_type" in row]
    files = study.path("uid-summary") / "files"
    confirm, claims = (
        json.loads((files / row[f"{name}/path"]).read_text()) for name in ("confirm", "claims")
    )
    cells = dict(zip(confirm["columns"], confirm["data"][0], strict=True))
    assert (cells["flip"], cells["d_mean"], cells["n_pairs"]) == ("stage1.block1=none", 0.5, 8)
    assert claims["data"] == [["C7", "s", "supported", "e", None, None]]
    assert run.summary["claim_C7"] == "supported"
    assert not [key for key in (*row, *run.summary) if "import" in key or "fanova" in key]


def test_the_summary_run_carries_the_last_headline(study: Study) -> None:
    run = study.read("uid-summary")
    assert (run.run.notes, run.summary["headline"]) == (HEADLINE, HEADLINE)
    assert (run.summary["n_settled"], run.summary["best_trial"]) == (4, 0)
    assert run.run.job_type == "summary"


def test_the_summary_run_has_tables_and_pictures(study: Study) -> None:
    (row,) = [row for row in study.read("uid-summary").history if "effects/_type" in row]
    assert row["effects/_type"] == row["trials/_type"] == "table-file"
    assert row["skip_map/_type"] == row["report/_type"] == "html-file"
    assert row["map_image/_type"] == "html-file"
    files = study.path("uid-summary") / "files"
    table = json.loads((files / row["trials/path"]).read_text())
    assert [cells[0] for cells in table["data"]] == ["trial"] * 3 + ["anchor", "finalist"]
    assert (files / row["map_image/path"]).read_text() == SVG
    assert (files / row["report/path"]).read_text() == "<html><body>report</body></html>"


def test_the_summary_run_keeps_export_and_benefit_as_artifacts(study: Study) -> None:
    artifacts = {artifact.name: artifact for artifact in study.read("uid-summary").artifacts}
    best = artifacts["made-up-best"]
    assert (best.type, artifacts["made-up-skip-benefit"].type) == ("model", "result")
    contents = {entry.path: Path(entry.local_path) for entry in best.manifest.contents}
    assert sorted(contents) == ["architecture.json", "card.md"]
    staging = staging_folder(study.run_folder)
    assert all(path.is_relative_to(staging) and path.exists() for path in contents.values())


@pytest.mark.parametrize(
    ("run_id", "key", "value"),
    [("uid-0000", "val_accuracy", 0.9375), ("uid-summary", "headline", HEADLINE)],
)
def test_wandb_itself_reads_config_and_summary(
    study: Study, run_id: str, key: str, value: object
) -> None:
    (path,) = study.path(run_id).glob("*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(path)]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert (shown["run_id"], shown["state"]) == (run_id, "finished")
    assert (shown["config"]["study"], shown["summary"][key]) == ("made-up", value)


def test_settings_that_this_release_does_not_know_are_left_out() -> None:
    settings = cheap_settings({"console": "off", "x_of_another_release": 1})
    assert settings.console == "off"
