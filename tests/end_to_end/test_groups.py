"""A study whose workers train several candidates at once: killed, interrupted, and still whole."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from nas.trials import Source, State
from tests.end_to_end.studies import Search, are_gone, epochs_of, read, workers_of, write_config

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc"),
]
TRIALS = 16
EPOCHS = 12
CHANGES = {
    "recipe": {"epochs": EPOCHS, "batch_size": 24, "lr": {"low": 0.05, "high": 0.2}},
    "search": {
        "trials": TRIALS,
        "workers": 2,
        "group_size": 4,
        "devices": "cpu",
        "startup_trials": 4,
        "pruner": {"class_path": "optuna.pruners.MedianPruner", "init_args": {}},
    },
    "wandb": {"mode": "disabled"},
}


@dataclass
class Grouped:
    """What happened to the study."""

    run: Path
    killed: list[int] = field(default_factory=list)
    """Trials of the worker that was killed."""
    interrupted: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def board(run: Path) -> list[dict[str, Any]]:
    """Return what each worker trains, as `nas status` knows it."""
    try:
        return json.loads((run / "workers.json").read_text())["workers"]
    except OSError:
        return []


def numbers_of(worker: dict[str, Any]) -> list[int]:
    return [int(key[-4:]) for key in worker["trials"]]


def midway(run: Path) -> dict[str, Any] | None:
    """Return a worker in the midst of a group of the search."""
    last: dict[int, int] = {}
    for event in epochs_of(run):
        if event["event"] == "epoch" and event["source"] in ("randomised", "adaptive"):
            last[event["trial"]] = event["epoch"]
    for worker in board(run):
        epochs = [last.get(number, 0) for number in numbers_of(worker)]
        if len(epochs) == 4 and min(epochs) >= 2 and max(epochs) < EPOCHS - 1:
            return worker
    return None


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grouped]:
    folder = tmp_path_factory.mktemp("grouped")
    config = write_config(folder, **CHANGES)
    found = Grouped(run=folder / "runs" / "tiny")
    seen: list[dict[str, Any]] = []

    def look() -> bool:
        worker = midway(found.run)
        if worker is not None:
            seen.append(worker)
        return worker is not None

    first = Search(folder, config.name, "--no-export", "--no-report")
    try:
        first.wait_until(look)
        found.killed = numbers_of(seen[-1])
        os.kill(seen[-1]["pid"], signal.SIGKILL)
        first.wait_until(lambda: seen[-1]["pid"] not in workers_of(found.run))
        first.wait_until(look)
        found.interrupted = numbers_of(seen[-1])
        pids = workers_of(found.run)
        found.codes.append(first.interrupt(signal.SIGINT))
        assert are_gone(pids)
        last = Search(folder, config.name, "--no-export", "--no-report")
        found.codes.append(last.wait())
        found.said = [first.output, last.output, last.errors]
        yield found
    finally:
        if first.process.poll() is None:
            first.kill()


def test_every_trial_ends_once(grouped: Grouped) -> None:
    assert grouped.codes == [130, 0], grouped.said
    run = read(grouped.run)
    records = [*run.records(), *run.repeats()]
    assert {record.state for record in records} <= {State.COMPLETE, State.PRUNED}
    assert [record.number for record in run.records()] == list(range(TRIALS))
    ends = Counter(
        (event["source"] in ("anchor", "finalist"), event["trial"])
        for event in epochs_of(grouped.run)
        if event["event"] == "end"
    )
    assert set(ends.values()) == {1}
    assert len(ends) == len(records)


def test_all_of_a_killed_group_is_tried_again(grouped: Grouped) -> None:
    attempts = {record.number: record.attempts for record in read(grouped.run).records()}
    assert len(grouped.killed) == len(grouped.interrupted) == 4
    assert {number for number, tries in attempts.items() if tries == 2} == set(grouped.killed)
    assert set(attempts.values()) == {1, 2}


def test_epochs_are_whole_and_adaptive_trials_alone_are_pruned(grouped: Grouped) -> None:
    for record in read(grouped.run).records():
        assert [epoch.epoch for epoch in record.history] == list(range(1, record.epochs_done + 1))
        if record.source is Source.RANDOMISED:
            assert (record.state, record.epochs_done) == (State.COMPLETE, EPOCHS)


def stored(run: Path) -> list[FrozenTrial]:
    """Read the trials as Optuna alone does."""
    storage = JournalStorage(JournalFileBackend(str(run / "journal.log")))
    return optuna.load_study(study_name="tiny", storage=storage).trials


def test_optuna_reads_what_was_written_in_groups(grouped: Grouped) -> None:
    trials = stored(grouped.run)
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    paths = Counter(trial.user_attrs["result"]["path"] for trial in trials)
    assert any(path.startswith("group of") for path in paths)
    rates = {t.number: t.params["recipe.lr"] for t in trials if "recipe.lr" in t.params}
    assert len(set(rates.values())) == len(rates) == TRIALS // 2


def test_size_of_groups_is_said_and_kept(grouped: Grouped) -> None:
    line = "groups   up to 4 candidates per worker train as one network\n"
    assert line in grouped.said[0]
    timing = json.loads((grouped.run / "logs" / "timing.json").read_text())
    assert timing["groups"]["size"] == 4
