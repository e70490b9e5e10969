"""Two studies at once: one by the command, one by a script that has no guard for imports."""

import json
import sys
from collections.abc import Iterator

import pytest

from nas.trials import State
from tests.end_to_end.studies import Search, read, write_config

pytestmark = pytest.mark.timeout(180)

SCRIPT = """
import json
from pathlib import Path

import nas

# Neither a function nor a guard: workers must not run this file again.
Path("marks").open("a").write("run\\n")
run = nas.search(
    {
        "name": "scripted",
        "space": {"stages": 1, "max_blocks": 2, "width": 2},
        "recipe": {"epochs": 2, "batch_size": 256},
        "search": {"trials": 4, "workers": 1, "devices": "cpu", "sampler": "random"},
        "wandb": {"mode": "disabled"},
    },
    runs="mine",
    report=False,
    export=False,
)
print(json.dumps([run.best.number, len(run.trials()), len(run.repeats())]))
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Search, Search]]:
    folder = tmp_path_factory.mktemp("side-by-side")
    config = write_config(
        folder,
        recipe={"epochs": 2, "batch_size": 256},
        search={"trials": 4, "workers": 1, "devices": "cpu", "anchor_seeds": 2},
    )
    script = folder / "script.py"
    script.write_text(SCRIPT)
    # A module of the user's that has the name of one of ours.
    (folder / "trainer.py").write_text("raise RuntimeError('this is not the trainer')\n")
    command = Search(folder, config.name, "--no-export", "--wandb", "disabled")
    scripted = Search(folder, command=[sys.executable, "-P", str(script)])
    try:
        command.wait()
        scripted.wait()
        yield command, scripted
    finally:
        for search in (command, scripted):
            if search.process.poll() is None:
                search.kill()


def test_both_studies_end(both: tuple[Search, Search]) -> None:
    for search, name in zip(both, ("runs/tiny", "mine/scripted"), strict=True):
        assert search.process.returncode == 0, search.output + search.errors
        run = read(search.folder / name)
        assert [record.state for record in run.records()] == [State.COMPLETE] * 4


def test_a_script_without_a_guard_is_run_once_and_gets_the_study(
    both: tuple[Search, Search],
) -> None:
    _, scripted = both
    assert (scripted.folder / "marks").read_text() == "run\n"
    best, num_trials, num_repeats = json.loads(scripted.output.splitlines()[-1])
    assert 0 <= best < 4
    assert (num_trials, num_repeats) == (4, 0)


def test_what_was_left_out_is_not_there(both: tuple[Search, Search]) -> None:
    command, scripted = both
    with_report, without = command.folder / "runs/tiny", scripted.folder / "mine/scripted"
    assert (with_report / "report" / "report.html").is_file()
    assert not (with_report / "export").exists()
    assert [r.source.value for r in read(with_report).repeats()] == ["anchor"] * 4
    assert not (without / "report").exists()
    assert not (without / "wandb").exists()
    # Trainings of less than a second leave none to delete.
    assert list((without / "checkpoints").glob("*")) == []


def test_the_same_command_again_only_says_what_was_found(both: tuple[Search, Search]) -> None:
    command, _ = both
    before = (command.folder / "runs/tiny/journal.log").read_bytes()
    again = Search(command.folder, "tiny.yaml", "--no-export", "--wandb", "disabled")
    assert again.wait() == 0, again.errors
    assert "resume   4 trials are done, 0 go on" in again.output
    assert (command.folder / "runs/tiny/journal.log").read_bytes() == before
    assert not (command.folder / "runs/tiny/workers.json").exists()
