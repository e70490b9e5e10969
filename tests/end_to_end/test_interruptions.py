"""One study that is killed, interrupted, terminated and rivalled, and still ends as if not."""

import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nas.run import Run
from nas.trials import State
from nas.wandb_runs.files import run_folders
from tests.end_to_end.studies import (
    Search,
    are_gone,
    epochs_of,
    is_midway,
    key_of,
    read,
    workers_of,
    write_config,
)
from tests.nas.processes import wait_until

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc"),
]
EPOCHS = 8
SEARCH = {
    "trials": 6,
    "workers": 2,
    "group_size": 1,
    "devices": "cpu",
    "startup_trials": 2,
    "anchor_seeds": 2,
    "finalists": 1,
    "finalist_seeds": 2,
}


@dataclass
class Survivor:
    """What happened to the study."""

    run: Path
    after_kill: list[tuple[int, str | None, int | None, State]] = field(default_factory=list)
    workers_gone_after: dict[str, bool] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    owner: int = 0
    ended: list[int] = field(default_factory=list)


@pytest.fixture(scope="module")
def survivor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survivor]:
    folder = tmp_path_factory.mktemp("survivor")
    # Trained one by one, so that there is time to look on; groups have a test of their own.
    config = write_config(folder, recipe={"epochs": EPOCHS, "batch_size": 16}, search=SEARCH)
    found = Survivor(run=folder / "runs" / "tiny")
    running: list[Search] = []
    try:
        for num_ended, how in ((1, "killed"), (3, "interrupted"), (5, "terminated")):
            # How many workers there are may change from command to command.
            workers = () if how == "killed" else ("--workers", "1")
            search = Search(folder, config.name, *workers)
            running.append(search)
            search.wait_until(lambda number=num_ended: is_midway(found.run, number))
            pids = workers_of(found.run)
            if how == "killed":
                search.kill()
                wait_until(lambda pids=pids: are_gone(pids), seconds=5)
                found.after_kill = _identities(read(found.run))
            elif how == "interrupted":
                found.owner = search.process.pid
                rival = Search(folder, config.name, *workers)
                running.append(rival)
                found.codes["rival"] = rival.wait()
                found.said["rival"] = rival.errors
                found.codes[how] = search.interrupt(signal.SIGINT)
            else:
                found.codes[how] = search.interrupt(signal.SIGTERM)
            found.said[how] = search.errors
            found.workers_gone_after[how] = are_gone(pids)
        last = Search(folder, config.name)
        running.append(last)
        found.codes["finished"] = last.wait()
        found.said["finished"] = last.output + last.errors
        yield found
    finally:
        for search in running:
            if search.process.poll() is None:
                search.kill()


def _identities(run: Run) -> list[tuple[int, str | None, int | None, State]]:
    return [(r.number, r.spec_id, r.seed, r.state) for r in run.records()]


def test_the_repeated_command_ends_with_exactly_the_total(survivor: Survivor) -> None:
    assert survivor.codes["finished"] == 0, survivor.said["finished"]
    run = read(survivor.run)
    assert [record.state for record in run.records()] == [State.COMPLETE] * 6
    assert [record.number for record in run.records()] == list(range(6))
    assert [record.state for record in run.repeats()] == [State.COMPLETE] * 6
    assert Counter(r.source.value for r in run.repeats()) == {"anchor": 4, "finalist": 2}
    assert all(record.attempts == 1 for record in run.records())


def test_what_ran_when_the_owner_was_killed_went_on_under_its_number(survivor: Survivor) -> None:
    states = Counter(state for *_, state in survivor.after_kill)
    assert states[State.RUNNING] in (1, 2)
    after = {(r.number, r.spec_id, r.seed) for r in read(survivor.run).records()}
    assert {identity[:3] for identity in survivor.after_kill} <= after
    assert survivor.workers_gone_after["killed"]


def test_epochs_after_the_last_checkpoint_are_trained_again_with_the_same_result(
    survivor: Survivor,
) -> None:
    events = epochs_of(survivor.run)
    told: dict[Any, list[float]] = {}
    for event in events:
        if event["event"] == "epoch":
            told.setdefault((key_of(event), event["epoch"]), []).append(event["val_log_loss"])
    assert max(map(len, told.values())) <= 4
    assert all(
        losses == pytest.approx(losses[:1] * len(losses), rel=1e-3) for losses in told.values()
    )
    # Each kill may have come between the checkpoint and the telling.
    assert 12 * EPOCHS - 6 <= len(told) <= 12 * EPOCHS
    starts = Counter(key_of(event) for event in events if event["event"] == "start")
    assert max(starts.values()) > 1
    run = read(survivor.run)
    for record in [*run.records(), *run.repeats()]:
        assert [epoch.epoch for epoch in record.history] == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize("how", ["interrupted", "terminated"])
def test_an_interrupted_command_says_how_to_go_on(survivor: Survivor, how: str) -> None:
    assert survivor.codes[how] == 130
    assert "Interrupted; the study in runs/tiny is intact" in survivor.said[how]
    assert "nas search tiny.yaml --workers 1" in survivor.said[how]
    assert "Traceback" not in survivor.said[how]
    assert survivor.workers_gone_after[how]


def test_a_second_owner_is_told_who_has_the_study(survivor: Survivor) -> None:
    assert survivor.codes["rival"] == 1
    assert f"owned by process {survivor.owner}" in survivor.said["rival"]
    assert "Traceback" not in survivor.said["rival"]


def test_the_folder_is_whole(survivor: Survivor) -> None:
    run = survivor.run
    for name in (
        "config.yaml",
        "environment.json",
        "journal.log",
        "logs/epochs.jsonl",
        "logs/timing.json",
        "report/report.html",
        "report/skip_benefit.json",
        "report/skip_map.svg",
        "report/trials.csv",
        "report/repeats.csv",
        "export/architecture.json",
        "export/model.safetensors",
        "export/model.py",
        "export/card.md",
    ):
        assert (run / name).stat().st_size > 0, name
    assert not (run / "workers.json").exists()
    # One run per trial and repeat, and the summary.
    assert len(run_folders(run)) == 13
    # Only the weights that were exported are kept.
    assert [path.name for path in (run / "checkpoints").iterdir()] == [
        f"repeat-{_exported(run):04d}-weights.ckpt"
    ]
    assert "report   runs/tiny/report/report.html" in survivor.said["finished"]
    assert "proven in a fresh process" in survivor.said["finished"]


def _exported(run: Path) -> int:
    ranking = read(run).ranking
    assert ranking is not None
    return ranking.chosen.number


def test_the_time_of_all_owners_is_one_studys(survivor: Survivor) -> None:
    run = read(survivor.run)
    for record in [*run.records(), *run.repeats()]:
        measured = sum(epoch.seconds for epoch in record.history)
        assert record.seconds == pytest.approx(measured, rel=0.05, abs=0.05)
