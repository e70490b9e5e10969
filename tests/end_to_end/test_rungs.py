"""A study whose adaptive trials pause at rungs: its worker and its owner are killed in between."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from nas.messages import EpochDone, Work, WorkDone
from nas.owner import Owner
from nas.pool import Event
from nas.search_feed import SearchFeed
from nas.trials import Source, State, TrialRecord
from search_spaces.resnet import build_candidate
from tests.end_to_end.studies import Search, are_gone, epochs_of, read, workers_of, write_config
from tests.nas.fake_pool import open_tiny, take_trials, tiny_config
from tests.nas.processes import wait_until
from trainer.checkpoints import FolderCheckpoints
from trainer.datasets import ImageData, NormalisedData, Split, load_data
from trainer.measurement import Candidate, EpochMetrics, Measurement
from trainer.progress import Verdict
from trainer.recipe import Recipe
from trainer.train import train

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc"),
]
TRIALS = 24
EPOCHS = 4
CHANGES = {
    "space": {"stages": 2, "max_blocks": 2, "width": 2},
    "recipe": {"epochs": EPOCHS, "batch_size": 12},
    "search": {
        "trials": TRIALS,
        "workers": 2,
        "group_size": 4,
        "devices": "cpu",
        "startup_trials": 4,
        "rungs": {"first": 1, "reduction_factor": 2},
    },
    "wandb": {"mode": "disabled"},
}


@dataclass
class Halved:
    """What happened to the study."""

    run: Path
    lost: list[int] = field(default_factory=list)
    """Trials of the worker that was killed, promoted ones."""
    paused: set[int] = field(default_factory=set)
    """Trials that were paused when the owner was killed."""
    kept: set[str] = field(default_factory=set)
    """Checkpoints at that time."""
    code: int = -1
    said: str = ""


def promoted_in_training(run: Path) -> dict[str, Any] | None:
    """Return a worker that trains trials which have paused before."""
    last: dict[int, list[str]] = {}
    for event in epochs_of(run):
        if event["source"] in ("randomised", "adaptive"):
            last.setdefault(event["trial"], []).append(event["event"])
    promoted = {n for n, events in last.items() if "pause" in events and events[-1] == "start"}
    try:
        workers = json.loads((run / "workers.json").read_text())["workers"]
    except OSError:
        return None
    for worker in workers:
        numbers = {int(key[-4:]) for key in worker["trials"] if key.startswith("trial")}
        if numbers and numbers <= promoted:
            return worker
    return None


def paused_in(run: Path) -> set[int]:
    return {record.number for record in read(run).records() if record.paused_after is not None}


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Halved]:
    folder = tmp_path_factory.mktemp("halved")
    config = write_config(folder, **CHANGES)
    found = Halved(run=folder / "runs" / "tiny")
    first = Search(folder, config.name, "--no-export", "--no-report")
    try:
        first.wait_until(lambda: promoted_in_training(found.run) is not None)
        worker = promoted_in_training(found.run)
        if worker is not None:
            found.lost = [int(key[-4:]) for key in worker["trials"]]
            os.kill(worker["pid"], signal.SIGKILL)
        first.wait_until(lambda: bool(paused_in(found.run)))
        pids = workers_of(found.run)
        first.kill()
        wait_until(lambda: are_gone(pids), seconds=5)
        found.paused = paused_in(found.run)
        found.kept = {path.stem for path in (found.run / "checkpoints").iterdir()}
        last = Search(folder, config.name, "--no-export", "--no-report")
        found.code = last.wait()
        found.said = last.output + last.errors
        yield found
    finally:
        if first.process.poll() is None:
            first.kill()


def ended(halved: Halved) -> list[TrialRecord]:
    return list(read(halved.run).records())


def test_every_trial_ends_once(halved: Halved) -> None:
    assert halved.code == 0, halved.said
    records = ended(halved)
    assert [record.number for record in records] == list(range(TRIALS))
    assert {record.state for record in records} == {State.COMPLETE, State.PRUNED}
    ends = [event["trial"] for event in epochs_of(halved.run) if event["event"] == "end"]
    assert sorted(ends) == list(range(TRIALS))


def test_no_design_row_is_paused(halved: Halved) -> None:
    rows = {r.number: r for r in ended(halved) if r.source is Source.RANDOMISED}
    assert len(rows) == TRIALS // 2
    assert all((r.state, r.epochs_done) == (State.COMPLETE, EPOCHS) for r in rows.values())
    paused = {event["trial"] for event in epochs_of(halved.run) if event["event"] == "pause"}
    assert paused == {record.number for record in ended(halved)} - rows.keys()


def test_lost_promoted_trials_are_tried_again(halved: Halved) -> None:
    assert halved.lost
    attempts = {record.number: record.attempts for record in ended(halved)}
    assert {number for number, tries in attempts.items() if tries > 1} <= set(halved.lost)


def test_paused_trials_keep_their_checkpoints_until_they_end(halved: Halved) -> None:
    assert halved.paused
    assert {f"trial-{number:04d}" for number in halved.paused} <= halved.kept
    assert list((halved.run / "checkpoints").iterdir()) == []
    assert f"{len(halved.paused)} are paused" in halved.said


def test_a_promoted_trial_goes_on_from_what_it_paused_with(halved: Halved) -> None:
    first: dict[int, float] = {}
    for event in epochs_of(halved.run):
        if event["event"] == "epoch" and event["epoch"] == 1:
            first[event["trial"]] = event["val_log_loss"]
    promoted = [record for record in _adaptive(halved) if record.epochs_done > 1]
    assert any(record.epochs_done == EPOCHS for record in promoted)
    for record in promoted:
        assert [epoch.epoch for epoch in record.history] == list(range(1, record.epochs_done + 1))
        assert record.history[0].val_log_loss == pytest.approx(first[record.number], rel=1e-3)
        assert record.spec is not None
        assert len(record.gradient_norms) == record.spec.num_blocks


def test_saved_epochs_are_said(halved: Halved) -> None:
    assert f"rungs    {sum(r.epochs_done > 1 for r in _adaptive(halved))} of 12" in halved.said
    assert "% of their epochs saved" in halved.said


class InProcess:
    """One worker that trains in this process, in double precision."""

    num_workers = 1
    group_size = 4

    def __init__(self, data: ImageData, checkpoints: FolderCheckpoints) -> None:
        self._data = data
        self._checkpoints = checkpoints
        self._works: list[Work] = []
        self._events: list[Event] = []

    def start(self) -> None:
        self._works.clear()

    @property
    def num_idle(self) -> int:
        return 1 - len(self._works)

    def submit(self, work: Work) -> None:
        self._works.append(work)

    def answer(self, key: str, verdict: Verdict) -> None:
        pass

    def epoch_done(self, key: str, metrics: EpochMetrics) -> Verdict:
        self._events.append(EpochDone(key=key, metrics=metrics))
        return Verdict.CONTINUE

    def events(self, timeout_s: float) -> list[Event]:
        self._events = []
        for work in self._works:
            outcomes = train(
                work.candidates,
                Recipe.model_validate(work.recipe),
                self._data,
                self,
                checkpoints=self._checkpoints,
                pause_after=work.pause_after,
            )
            self._events.append(WorkDone(outcomes=outcomes))
        self._works.clear()
        return self._events

    def describe(self) -> list[dict[str, object]]:
        return []

    def close(self) -> None:
        pass


class DoubleData(ImageData):
    """The same images in double precision."""

    def to(self, device: str | torch.device) -> NormalisedData:
        splits = super().to(device)
        return NormalisedData(
            *(Split(s.images.double(), s.labels) for s in (splits.train, splits.val, splits.test))
        )


def test_a_promoted_trial_has_the_history_of_one_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In double precision: training amplifies the rounding of single precision, and a trial is
    # in other groups than it would be.
    for module in ("trainer.population.members", "trainer.module"):
        monkeypatch.setattr(
            f"{module}.build_candidate", lambda *args: build_candidate(*args).double()
        )
    digits = load_data("digits")
    data = DoubleData.from_splits(
        digits.facts, train=digits.train, val=digits.val, test=digits.test
    )
    config = tiny_config(
        space={"stages": 2, "max_blocks": 2},
        epochs=EPOCHS,
        trials=12,
        goal="best",
        rungs=CHANGES["search"]["rungs"],
    )
    study = open_tiny(tmp_path, config)
    feed = SearchFeed(config, study.space, take_trials(study))
    Owner(InProcess(data, FolderCheckpoints(study.folder.checkpoints)), [feed]).run()
    records = {str(record.number): record for record in feed.trials.ended}
    assert {record.epochs_done for record in records.values()} == {1, 2, EPOCHS}
    candidates = [
        Candidate(key=key, spec=record.spec, seed=int(record.seed or 0))
        for key, record in records.items()
        if record.spec is not None
    ]
    for outcome in train(candidates, config.recipe.reference(), data):
        assert isinstance(outcome, Measurement)
        record = records[outcome.key]
        losses = [epoch.val_log_loss for epoch in record.history]
        expected = [epoch.val_log_loss for epoch in outcome.history][: record.epochs_done]
        assert losses == pytest.approx(expected, rel=1e-5)
        assert record.gradient_norms == pytest.approx(outcome.gradient_norms, rel=1e-5)


def _adaptive(halved: Halved) -> list[TrialRecord]:
    return [record for record in ended(halved) if record.source is Source.ADAPTIVE]
