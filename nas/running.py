"""Trials in training: started, retried when their worker is lost, ended; each end in two writes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from nas.feed import Watcher
from nas.records import METRICS, result_attribute, to_record
from nas.study_store import StartedTrial, StudyStore
from nas.trials import State, TrialRecord
from search_spaces.spec import ArchitectureSpec
from trainer.checkpoints import CheckpointStore
from trainer.measurement import Candidate, EpochMetrics, Failure, Measurement, Reason


@dataclass(kw_only=True)
class Running:
    """A trial that has begun and has not ended."""

    trial_id: int
    key: str
    record: TrialRecord
    spec: ArchitectureSpec
    history: list[EpochMetrics] = field(default_factory=list)
    """Epochs that this owner was told of; those of a former owner are in the checkpoint."""

    @property
    def candidate(self) -> Candidate:
        """What the worker needs."""
        return Candidate(key=self.key, spec=self.spec, seed=int(self.record.seed or 0))


class TrialsInTraining:
    """Keeps trials of one study from their start to their end.

    Args:
        store: The study.
        prefix: First part of the keys, such as `trial`.
        metric: What a trial's value is, such as `val/log_loss`.
        max_attempts: Starts of one trial before a lost worker counts as its failure.
        checkpoints: Where checkpoints are, to be deleted when a trial has ended.
        watcher: Told of starts, epochs and ends.
    """

    def __init__(
        self,
        store: StudyStore,
        *,
        prefix: str,
        metric: str,
        max_attempts: int,
        checkpoints: CheckpointStore,
        watcher: Watcher,
    ) -> None:
        self.store = store
        self.ended: list[TrialRecord] = []
        self.retries: list[Running] = []
        self.in_training: dict[str, Running] = {}
        self._prefix = prefix
        self._metric = METRICS[metric]
        self._max_attempts = max_attempts
        self._checkpoints = checkpoints
        self._watcher = watcher

    def take_over(self) -> None:
        """Read what a former owner left: its ended trials, and those to be taken up again."""
        for frozen in self.store.trials():
            result = frozen.user_attrs.get("result")
            if frozen.state is TrialState.RUNNING and "spec" in frozen.user_attrs:
                running = self._running(frozen)
                if result is None:
                    self.retries.append(running)
                    continue
                # Killed between the result and the state: the training need not be repeated.
                self._set_state(running, result)
                frozen = self.store.storage.get_trial(running.trial_id)
            if frozen.state.is_finished():
                self.ended.append(to_record(frozen))

    def begin(self, started: StartedTrial, attributes: Mapping[str, Any]) -> Running:
        """Hand a created trial over to training."""
        frozen = self.store.storage.get_trial(started.trial_id)
        running = self._running(frozen)
        wanted = f"{self.store.uid}-{self._infix}{started.number:04d}"
        if attributes.get("wandb_id") != wanted:
            self.store.annotate(started.trial_id, {"wandb_id": wanted})
            running.record = replace(running.record, wandb_id=wanted)
        return running

    def next_wandb_id(self) -> str:
        """Return the W&B run id that the next trial gets, unless somebody enqueues meanwhile."""
        number = len(self.store.trials())
        return f"{self.store.uid}-{self._infix}{number:04d}"

    def submit(self, running: Running) -> None:
        """Note that a worker has it now."""
        self.in_training[running.key] = running
        self._watcher.started(running.record)

    def epoch(self, key: str, metrics: EpochMetrics) -> Running:
        """Note a finished epoch."""
        running = self.in_training[key]
        running.history.append(metrics)
        self._watcher.epoch(running.record, metrics)
        return running

    def done(self, key: str, outcome: Measurement | Failure) -> TrialRecord:
        """Persist the end of a trial and return its record."""
        running = self.in_training[key]
        result = result_attribute(outcome, 0.0)
        self.store.storage.set_trial_user_attr(running.trial_id, "result", result)
        self._set_state(running, result)
        return self._leave(running)

    def lost(self, key: str, message: str) -> TrialRecord | None:
        """Queue a trial again after its worker was lost; its failed record after too many."""
        running = self.in_training[key]
        if running.record.attempts >= self._max_attempts:
            failure = Failure(
                key=key,
                spec_id=running.spec.spec_id,
                seed=int(running.record.seed or 0),
                reason=Reason.LOST,
                message=f"{message}, {running.record.attempts} times",
                traceback="",
                history=tuple(running.history),
                seconds=sum(epoch.seconds for epoch in running.history),
            )
            return self.done(key, failure)
        del self.in_training[key]
        attempts = running.record.attempts + 1
        self.store.annotate(running.trial_id, {"attempts": attempts})
        running.record = replace(running.record, attempts=attempts)
        self.retries.append(running)
        return None

    def _leave(self, running: Running) -> TrialRecord:
        record = to_record(self.store.storage.get_trial(running.trial_id))
        del self.in_training[running.key]
        self.ended.append(record)
        self._checkpoints.delete(running.key)
        self._watcher.ended(record)
        return record

    def _set_state(self, running: Running, result: Mapping[str, Any]) -> None:
        history = result.get("history") or ()
        value = history[-1][self._metric] if history else None
        if result.get("reason"):
            state, values = TrialState.FAIL, None
        elif value is None or not math.isfinite(value):
            state, values = TrialState.FAIL, None
        else:
            state = TrialState.PRUNED if result.get("stopped") else TrialState.COMPLETE
            values = [value]
        self.store.storage.set_trial_state_values(running.trial_id, state, values)

    def _running(self, frozen: FrozenTrial) -> Running:
        record = to_record(frozen)
        spec = ArchitectureSpec.from_dict(frozen.user_attrs["spec"])
        return Running(
            trial_id=frozen._trial_id,  # noqa: SLF001 - Optuna has no public name for it
            key=f"{self._prefix}-{frozen.number:04d}",
            record=replace(record, state=State.RUNNING),
            spec=spec,
        )

    @property
    def _infix(self) -> str:
        """Keeps the W&B ids of repeats apart from those of the search."""
        return "" if self._prefix == "trial" else f"{self._prefix}-"
