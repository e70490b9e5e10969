"""A whole study without training: search, anchors, finalists, map, report and W&B."""

import json
from pathlib import Path

from nas.run import open_run
from nas.trials import Source, State
from tests.end_to_end.studies import Search
from trainer.recorded.lookup import seed_number
from trainer.recorded.skipbench import load_skipbench, pattern_number

TABLE = load_skipbench()


def test_study_on_recorded_data_has_everything_but_weights(tmp_path: Path) -> None:
    search = Search(
        tmp_path, "--trials", "48", "--workers", "2", "--wandb", "offline",
        "--set", "data=skipbench", "--set", "search.finalists=2",
        "--set", "search.finalist_seeds=2", "--set", "search.anchor_seeds=3",
    )  # fmt: skip
    assert search.wait() == 0, search.errors
    assert "trainings are looked up in a table, none is done" in search.output
    assert "no weights" in search.output.replace("\n", " ")
    folder = tmp_path / "runs" / "skipbench"
    assert not (folder / "export").exists()

    run = open_run(folder)
    trials = [record for record in run.records() if record.state is State.COMPLETE]
    assert len(trials) == 48
    assert sum(record.source is Source.RANDOMISED for record in trials) == 24
    assert {record.layers for record in trials} == {26}
    for record in trials:
        assert record.spec is not None
        number = pattern_number(record.spec)
        recorded = TABLE.log_loss[number, seed_number(int(record.seed or 0)), -1]
        assert record.value == recorded

    benefit = json.loads((folder / "report" / "skip_benefit.json").read_text())
    assert benefit["data"]["dataset"] == "skipbench"
    assert {row["name"] for row in benefit["anchors"]} >= {"plain-26", "identity-26"}
    assert len([row for row in benefit["effects"] if row["estimand"] == "AMCE"]) == 6
    assert benefit["truth"]["num_compared"] > 0
    # A run for each trial and repeat, and the summary.
    assert len(list((folder / "wandb" / "wandb").glob("offline-run-*"))) >= 48 + 6 + 4 + 1
