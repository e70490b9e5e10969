"""Tasks and blocks of the user's, from files outside the package, by the command as it is typed."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.cli import main
from nas.run import Run
from nas.trials import Source, State
from search_spaces.spec import BlockClass
from tests.end_to_end.studies import NAS, Search, read, write_config

pytestmark = pytest.mark.timeout(120)

EXAMPLES = Path(__file__).parents[2] / "examples"
TINY: dict[str, Any] = {
    "recipe": {"epochs": 1, "batch_size": 512, "warmup_epochs": 0.5},
    "wandb": {"mode": "disabled"},
}
SEARCH: dict[str, Any] = {
    "trials": 4,
    "workers": 1,
    "devices": "cpu",
    "startup_trials": 2,
    "anchor_seeds": 2,
    "finalists": 1,
    "finalist_seeds": 2,
}


def nas(folder: Path, *arguments: str, command: str = "search") -> Search:
    """Run a command to its end."""
    search = Search(folder, command=[*NAS, command, *arguments])
    search.wait()
    return search


@pytest.fixture(scope="module")
def focal(tmp_path_factory: pytest.TempPathFactory) -> tuple[Search, Run]:
    """A study of the focal loss that maximises its macro F1, with report and export."""
    folder = tmp_path_factory.mktemp("own-task")
    shutil.copy(EXAMPLES / "own_task" / "my_task.py", folder)
    example = yaml.safe_load((EXAMPLES / "own_task" / "focal.yaml").read_text())
    search = {**SEARCH, **example["search"]}
    config = write_config(folder, **TINY, task=example["task"], search=search)
    ended = nas(folder, config.name)
    return ended, read(folder / "runs" / "tiny")


def test_a_task_is_searched_for_its_own_metric(focal: tuple[Search, Run]) -> None:
    search, run = focal
    assert search.process.returncode == 0, search.output + search.errors
    assert [record.state for record in run.records()] == [State.COMPLETE] * 4
    for record in run.records():
        assert record.value == record.metrics["val_macro_f1"] != record.metrics["val_accuracy"]
        assert record.history[-1].more == {"macro_f1": record.value}
    values = [record.value for record in run.records() if record.value is not None]
    assert run.best is not None
    assert run.best.value == max(values)


def test_its_metric_is_in_every_file_that_has_metrics(focal: tuple[Search, Run]) -> None:
    search, run = focal
    lines = (run.path / "logs" / "epochs.jsonl").read_text().splitlines()
    epochs = [line for line in map(json.loads, lines) if line["event"] == "epoch"]
    assert all("val_macro_f1" in line for line in epochs)
    assert "val_macro_f1" in (run.path / "report" / "trials.csv").read_text().splitlines()[0]
    assert "Macro f1" in (run.path / "report" / "report.html").read_text()
    assert "val/macro_f1" in search.output


def test_the_map_is_of_its_metric_with_the_usual_ones_beside(focal: tuple[Search, Run]) -> None:
    _, run = focal
    benefit = json.loads((run.path / "report" / "skip_benefit.json").read_text())
    data = benefit["data"]
    assert (data["metric"], data["direction"]) == ("val/macro_f1", "maximize")
    assert data.get("unit") is None
    assert benefit["metrics"].keys() == {"val_log_loss", "val_accuracy", "epochs_to_target"}


def test_a_task_with_its_own_loss_and_metric_is_exported(focal: tuple[Search, Run]) -> None:
    _, run = focal
    assert (run.path / "export" / "architecture.json").is_file()
    finalists = [record for record in run.repeats() if record.source is Source.FINALIST]
    assert all("test_macro_f1" in record.metrics for record in finalists)


def test_another_task_does_not_go_on_with_the_study(focal: tuple[Search, Run]) -> None:
    search, run = focal
    other = nas(search.folder, "tiny.yaml", "--set", "task.init_args.gamma=1.0")
    assert other.process.returncode == 2
    assert "error: Study 'tiny' was started with task=" in other.errors
    assert len(run.records()) == 4


def test_a_head_of_ones_own_is_searched_and_the_missing_export_explained(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "own_task" / "my_task.py", tmp_path)
    task = {"class_path": "my_task.DropoutHead", "init_args": {"rate": 0.5}}
    write_config(tmp_path, **TINY, task=task, search={**SEARCH, "trials": 2})
    search = nas(tmp_path, "tiny.yaml")
    assert search.process.returncode == 0, search.output + search.errors
    problem = "An export needs the network that the architecture alone describes, got the network"
    assert search.output.count(f"export   none: {problem}") == 2
    run = read(tmp_path / "runs" / "tiny")
    assert (run.path / "report" / "report.html").is_file()
    assert not (run.path / "export").exists()
    assert list((run.path / "checkpoints").glob("repeat-*-weights*"))
    exported = nas(tmp_path, "tiny", command="export")
    assert exported.process.returncode == 1
    assert f"error: {problem} of task='my_task.DropoutHead'" in exported.errors


def test_a_block_of_ones_own_is_searched(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "own_block" / "my_blocks.py", tmp_path)
    example = yaml.safe_load((EXAMPLES / "own_block" / "squeeze_excite.yaml").read_text())
    space = {**example["space"], "stages": 2, "max_blocks": 1, "width": 4}
    write_config(tmp_path, **TINY, space=space, search=SEARCH)
    search = nas(tmp_path, "tiny.yaml")
    assert search.process.returncode == 0, search.output + search.errors
    run = read(tmp_path / "runs" / "tiny")
    assert (run.path / "export" / "block.py").is_file()
    records = run.records()
    assert [record.state for record in records] == [State.COMPLETE] * 4
    for record in records:
        assert record.spec is not None
        assert record.spec.block == BlockClass(**example["space"]["block"])
        assert len(record.gradient_norms) == record.spec.num_blocks


BAD_TASK = "from trainer.module import CandidateModule\nclass Task(CandidateModule)\n    pass\n"
NO_MODULE = "class Task:\n    pass\n"
NO_METRIC = "from trainer.module import CandidateModule\nclass Task(CandidateModule):\n    pass\n"
BAD_BLOCK = (
    "from search_spaces.blocks import BasicBranch\n"
    "class Block(BasicBranch):\n"
    "    def forward(self, x):\n"
    "        return self.conv3(x)\n"
)


def test_what_cannot_be_imported_is_told_and_nothing_is_started(tmp_path: Path) -> None:
    (tmp_path / "a_task.py").write_text(BAD_TASK)
    write_config(tmp_path, **TINY, task={"class_path": "a_task.Task"}, search=SEARCH)
    search = nas(tmp_path, "tiny.yaml")
    assert search.process.returncode == 2, search.output + search.errors
    assert search.errors.startswith("error: ")
    assert "expected ':' (a_task.py," in search.errors
    assert search.output == ""
    assert not (tmp_path / "runs").exists()


# In this process, which has imported torch already. Modules are cached by name: each has its own.
@pytest.mark.parametrize(
    ("name", "text", "changes", "message"),
    [
        (
            "task_of_no_module",
            NO_MODULE,
            {"task": {"class_path": "task_of_no_module.Task"}},
            "must name a subclass of trainer.module.CandidateModule, got 'task_of_no_module.Task'",
        ),
        (
            "task_without_metric",
            NO_METRIC,
            {
                "task": {"class_path": "task_without_metric.Task"},
                "search": {**SEARCH, "metric": "val/f1", "direction": "maximize"},
            },
            "must measure 'f1', since search.metric is 'val/f1', got accuracy, log_loss.",
        ),
        (
            "bad_block",
            BAD_BLOCK,
            {"space": {"max_blocks": 2, "block": {"class_path": "bad_block.Block"}}},
            "block: bad_block.Block must work in the network",
        ),
    ],
    ids=["another class", "no metric", "block"],
)
def test_what_cannot_work_is_told_and_nothing_is_started(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str,
    changes: dict[str, Any],
    message: str,
) -> None:
    (tmp_path / f"{name}.py").write_text(text)
    write_config(tmp_path, **{**TINY, "search": SEARCH, **changes})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", ["nas", "search", "tiny.yaml"])
    with pytest.raises(SystemExit) as caught:
        main()
    shown = capsys.readouterr()
    assert caught.value.code == 2, shown
    assert shown.err.startswith("error: ")
    assert message in shown.err
    assert shown.out == ""
    assert not (tmp_path / "runs").exists()
