"""A pool without processes: trainings end at once, as a script says; and tiny studies for it."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna

from nas.callbacks import Callback
from nas.config import StudyConfig, make_config
from nas.messages import EpochDone, Lost, Work, WorkDone
from nas.open_study import OpenStudy, open_study
from nas.owner import Owner
from nas.pool import Event
from nas.run_folder import RunFolder
from nas.running import TrialsInTraining
from nas.search_feed import SearchFeed
from nas.study_store import StudyStore
from nas.trials import TrialRecord
from search_spaces.spec import ArchitectureSpec
from trainer.checkpoints import FolderCheckpoints
from trainer.measurement import Candidate, EpochMetrics, Failure, Measurement, Reason
from trainer.progress import Verdict

Fate = Callable[[Candidate, int], str]
"""What becomes of a candidate's attempt: `done`, `lost`, or a reason such as `diverged`."""


def loss_of(spec: ArchitectureSpec) -> float:
    """A made-up log-loss: skips help, and every network has its own."""
    return 1.0 - 0.5 * len(spec.skips) / spec.num_blocks + int(spec.spec_id[:4], 16) * 1e-6


def make_epoch(epoch: int, loss: float) -> EpochMetrics:
    """Return an epoch that took half a second and ends at this loss."""
    return EpochMetrics(
        epoch=epoch,
        train_loss=loss,
        val_log_loss=loss,
        val_accuracy=max(1 - loss / 2, 0.0),
        lr=0.1,
        seconds=0.5,
    )


def make_history(spec: ArchitectureSpec, epochs: int) -> tuple[EpochMetrics, ...]:
    """Return epochs whose loss falls to the network's own."""
    losses = [loss_of(spec) * (1 + 0.1 * (epochs - e)) for e in range(1, epochs + 1)]
    return tuple(make_epoch(number, loss) for number, loss in enumerate(losses, start=1))


def make_measurement(
    candidate: Candidate, epochs: int = 2, *, stopped_after: int | None = None, resumed: int = 0
) -> Measurement:
    """Return what a worker would send for a candidate."""
    history = make_history(candidate.spec, epochs)[: stopped_after or epochs]
    return Measurement(
        key=candidate.key,
        spec_id=candidate.spec.spec_id,
        seed=candidate.seed,
        stopped=stopped_after is not None,
        history=history,
        resumed_from_epoch=resumed,
        seconds=0.5 * (len(history) - resumed),
        setup_seconds=0.1,
        peak_memory_bytes=1000,
        params=10,
        macs=100,
        gradient_norms=(1.0,) * candidate.spec.num_blocks,
        device="cpu",
        path="alone",
        test_log_loss=0.5,
        test_accuracy=0.75,
    )


def make_failure(
    candidate: Candidate, reason: Reason = Reason.DIVERGED, epochs: int = 0
) -> Failure:
    """Return what a worker would send for a training that failed after so many epochs."""
    return Failure(
        key=candidate.key,
        spec_id=candidate.spec.spec_id,
        seed=candidate.seed,
        reason=reason,
        message="DivergedError: the loss must be finite",
        traceback="...",
        history=make_history(candidate.spec, 2)[:epochs],
        seconds=0.25,
    )


@dataclasses.dataclass
class _Training:
    candidate: Candidate
    fate: str
    supervised: bool
    epoch: int
    start: int
    pause_after: int | None = None
    stopped: bool = False

    def has_ended(self, epochs: int) -> bool:
        """Whether it has no further epoch; those that do not end well get one epoch far."""
        whole = min(self.pause_after or epochs, epochs)
        last = whole if self.fate == "done" else min(self.start + 1, whole)
        return self.stopped or self.epoch >= last


class FakePool:
    """Workers of which one finishes an epoch each time events are asked for.

    A candidate that was lost goes on from its last epoch, as from a checkpoint; with it the whole
    group is lost.
    """

    def __init__(
        self,
        num_workers: int = 2,
        epochs: int = 2,
        fate: Fate = lambda candidate, attempt: "done",
        group_size: int = 1,
    ) -> None:
        self.works: list[Work] = []
        self.closed = False
        self.num_workers = num_workers
        self.group_size = group_size
        self._epochs = epochs
        self._fate = fate
        self._groups: list[list[_Training]] = []
        self._attempts: dict[str, int] = {}
        self._saved: dict[str, int] = {}

    def start(self) -> None:
        self.closed = False

    @property
    def num_idle(self) -> int:
        return self.num_workers - len(self._groups)

    def submit(self, work: Work) -> None:
        assert self.num_idle > 0
        assert len(work.candidates) <= self.group_size
        self.works.append(work)
        self._groups.append([self._begin(c, work) for c in work.candidates])

    def answer(self, key: str, verdict: Verdict) -> None:
        for training in (training for group in self._groups for training in group):
            if training.candidate.key == key and training.supervised:
                training.stopped = verdict is Verdict.STOP

    def events(self, timeout_s: float) -> list[Event]:
        if not self._groups:
            return []
        # In turns, so that trials do not end together.
        group = self._groups.pop(0)
        self._groups.append(group)
        going_on = [t for t in group if not t.has_ended(self._epochs)]
        has_lost = any(t.fate == "lost" and t not in going_on for t in group)
        if going_on and not has_lost:
            return [self._advance(training) for training in going_on]
        self._groups.remove(group)
        if has_lost:
            keys = tuple(training.candidate.key for training in group)
            return [Lost(keys=keys, message="worker 7 on cpu ended with signal 9")]
        return [WorkDone(outcomes=[self._outcome(training) for training in group])]

    def describe(self) -> list[dict[str, object]]:
        return []

    def close(self) -> None:
        self.closed = True

    def _begin(self, candidate: Candidate, work: Work) -> _Training:
        attempt = self._attempts[candidate.key] = self._attempts.get(candidate.key, 0) + 1
        start = self._saved.get(candidate.key, 0)
        fate = self._fate(candidate, attempt)
        supervised = candidate.key in work.supervised
        return _Training(candidate, fate, supervised, start, start, work.pause_after)

    def _advance(self, training: _Training) -> Event:
        candidate = training.candidate
        training.epoch += 1
        self._saved[candidate.key] = training.epoch
        metrics = make_history(candidate.spec, self._epochs)[training.epoch - 1]
        return EpochDone(key=candidate.key, metrics=metrics)

    def _outcome(self, training: _Training) -> Measurement | Failure:
        if training.fate != "done":
            return make_failure(training.candidate, Reason(training.fate), training.epoch)
        is_paused = training.pause_after is not None and training.epoch < self._epochs
        after = training.epoch if training.stopped or is_paused else None
        return make_measurement(
            training.candidate, self._epochs, stopped_after=after, resumed=training.start
        )


def rates_of(pool: FakePool) -> dict[str, float]:
    """Return the learning rate of each candidate: its own, else that of its work."""
    return {
        candidate.key: candidate.recipe_values.get("lr", work.recipe["lr"])
        for work in pool.works
        for candidate in work.candidates
    }


class Recorder:
    """A watcher that remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, Any]] = []

    def started(self, record: TrialRecord) -> None:
        self.events.append(("started", record.number, record.attempts))

    def epoch(self, record: TrialRecord, metrics: EpochMetrics) -> None:
        self.events.append(("epoch", record.number, metrics.epoch))

    def paused(self, record: TrialRecord, epoch: int) -> None:
        self.events.append(("paused", record.number, epoch))

    def ended(self, record: TrialRecord) -> None:
        self.events.append(("ended", record.number, record.state))


def tiny_config(
    *,
    space: Mapping[str, Any] | None = None,
    storage: str = "journal",
    epochs: int = 2,
    **search: Any,
) -> StudyConfig:
    """Return a study of small networks; `search` are keys of `search`."""
    return make_config(
        {
            "name": "tiny",
            "space": {"width": 2, "max_blocks": 2, **(space or {})},
            "recipe": {"epochs": epochs, "batch_size": 256, "warmup_epochs": 0.5},
            "search": {"trials": 12, "startup_trials": 3, "anchor_seeds": 2, **search},
            "storage": storage,
            "wandb": {"mode": "disabled"},
        }
    )


def open_tiny(folder: Path, config: StudyConfig) -> OpenStudy:
    """Open the study in a folder, as its owner does."""
    folder.mkdir(parents=True, exist_ok=True)
    return open_study(RunFolder(folder), config)


def take_trials(
    study: OpenStudy, *, repeats: bool = False, watcher: Recorder | None = None
) -> TrialsInTraining:
    """Return the trials of a study, or of its repeats, as its owner keeps them."""
    return TrialsInTraining(
        study.repeats if repeats else study.search,
        prefix="repeat" if repeats else "trial",
        metric=study.config.search.metric,
        max_attempts=study.config.search.max_attempts,
        checkpoints=FolderCheckpoints(study.folder.checkpoints),
        watcher=watcher or Recorder(),
    )


def open_feed(
    folder: Path, config: StudyConfig, callbacks: tuple[Callback, ...] = ()
) -> SearchFeed:
    """Open the study in a folder and its search, as a new owner does."""
    study = open_tiny(folder, config)
    return SearchFeed(config, study.space, take_trials(study), callbacks)


def search(
    folder: Path,
    config: StudyConfig,
    pool: FakePool | None = None,
    callbacks: tuple[Callback, ...] = (),
) -> SearchFeed:
    """Search to the end, as a new owner, without training anything."""
    feed = open_feed(folder, config, callbacks)
    Owner(pool or FakePool(epochs=config.recipe.epochs), [feed]).run()
    return feed


def as_optuna(store: StudyStore) -> optuna.Study:
    """Return Optuna's own view of a study, as its users have it."""
    return optuna.load_study(study_name=store.name, storage=store.storage)


def load(folder: Path, config: StudyConfig) -> optuna.Study:
    """Return the study as another process sees it."""
    study = open_tiny(folder, config)
    return as_optuna(study.search)
