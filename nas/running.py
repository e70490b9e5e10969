"""Trials in training: started, retried when their worker is lost, ended; each end in two writes."""

import contextlib
import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from nas.ended import EndedTrials
from nas.feed import Watcher
from nas.records import (
    METRICS,
    PAUSED,
    PROMOTED_FROM,
    measured,
    paused_after,
    result_attribute,
    to_record,
)
from nas.study_store import StartedTrial, StudyStore
from nas.trials import TrialRecord, trial_key
from nas.wandb_runs.content import run_id
from search_spaces.spec import ArchitectureSpec
from trainer.checkpoints import CheckpointStore
from trainer.measurement import Candidate, EpochMetrics, Failure, Measurement, Reason


def is_ours(trial: FrozenTrial) -> bool:
    """Say whether an owner of the study has begun this trial.

    Other processes may ask and tell trials of their own in the same study, also with our
    `Objective`; those are neither counted nor touched.
    """
    return "spec" in trial.user_attrs and "wandb_id" in trial.user_attrs


@dataclass(kw_only=True)
class Running:
    """A trial that has begun and has not ended."""

    trial_id: int
    key: str
    record: TrialRecord
    history: list[EpochMetrics] = field(default_factory=list)
    """Epochs that this owner was told of; those of a former owner are in the checkpoint."""
    num_told: int = 0
    """Epochs among them that belong to the present attempt."""
    paused: Mapping[str, Any] | None = None
    """Its result at the last rung, as it is stored; None before the first."""

    @property
    def spec(self) -> ArchitectureSpec:
        """Its architecture; made when it is needed, since thousands may be paused."""
        # Every trial that is ours has one.
        return cast("ArchitectureSpec", self.record.spec)

    @property
    def num_kept(self) -> int:
        """Epochs at the last rung, whose checkpoint is kept; 0 before the first."""
        return len(self.paused["history"]) if self.paused else 0

    def candidate(self, ranges: Container[str] = ()) -> Candidate:
        """Return what the worker needs.

        Args:
            ranges: Fields of the recipe of which trials have values of their own.
        """
        own = {name: value for name, value in self.record.recipe.items() if name in ranges}
        return Candidate(
            key=self.key,
            spec=self.spec,
            seed=int(self.record.seed or 0),
            recipe_values={name: value for name, value in own.items() if value is not None},
        )


class TrialsInTraining:
    """Keeps trials of one study from their start to their end.

    Args:
        store: The study.
        prefix: First part of the keys: `trial`, or `repeat` for the `.repeats` study.
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
        self.ended = EndedTrials()
        self.retries: list[Running] = []
        """Trials that have begun and that no worker has: lost ones, those that a former owner
        left, and new ones that wait for others to be trained together with."""
        self.in_training: dict[str, Running] = {}
        """Trials that workers have, by key."""
        self.paused: dict[str, Running] = {}
        """Trials that wait at a rung with their checkpoints, by key."""
        self._prefix = prefix
        self._metric = metric
        self._max_attempts = max_attempts
        self._checkpoints = checkpoints
        self._watcher = watcher

    @property
    def begun(self) -> list[Running]:
        """All trials that have begun and have not ended."""
        return [*self.active, *self.paused.values()]

    @property
    def active(self) -> list[Running]:
        """Trials that have begun and have not ended, without those that are paused."""
        return [*self.in_training.values(), *self.retries]

    @property
    def seconds_paused(self) -> float:
        """Training time of all trials that are paused, s."""
        return sum(
            float(running.paused["seconds"]) for running in self.paused.values() if running.paused
        )

    def take_over(self) -> None:
        """Read what a former owner left: its ended trials, and those to be taken up again."""
        for frozen in self.store.trials():
            if is_ours(frozen):
                self._take_over(frozen)
            elif frozen.user_attrs.get("enqueued") is True:
                self._take_over_claim(frozen)

    def claim(
        self,
        waiting: FrozenTrial,
        params: dict[str, Any],
        distributions: dict[str, BaseDistribution],
        attributes: dict[str, Any],
        constraints: Mapping[str, float] | None = None,
    ) -> StartedTrial | None:
        """Take up a trial that somebody enqueued; None where another process was quicker.

        It takes several writes. The mark before them lets the next owner put the trial back,
        should this one be killed in between.
        """
        trial_id = waiting._trial_id  # Optuna has no public name for it.
        with contextlib.suppress(UpdateFinishedTrialError):
            self.store.annotate(trial_id, {"enqueued": True})
            # Enqueued as a copy of another trial, with its attributes.
            copied = [k for k in ("result", PAUSED, PROMOTED_FROM) if waiting.user_attrs.get(k)]
            if copied:
                self.store.annotate(trial_id, dict.fromkeys(copied))
            started = self.store.claim(waiting, params, distributions, attributes, constraints)
            if started is not None:
                return started
            self.store.annotate(trial_id, {"enqueued": False})
        return None

    def refuse(self, waiting: FrozenTrial, message: str) -> None:
        """End an enqueued trial that cannot be trained, with the reason."""
        started = self.claim(waiting, {}, {}, {})
        if started is None:
            return
        failed = {"reason": Reason.ERROR.value, "message": message}
        self.store.finish(started.trial_id, TrialState.FAIL, None, failed)
        record = to_record(self.store.storage.get_trial(started.trial_id))
        self.ended.append(record)
        self._watcher.ended(record)

    def begin(self, started: StartedTrial, attributes: Mapping[str, Any]) -> Running:
        """Take up a created trial; it then waits in `retries` for a worker."""
        frozen = self.store.storage.get_trial(started.trial_id)
        running = self._running(frozen)
        wanted = self.wandb_id(started.number)
        if attributes.get("wandb_id") != wanted:
            self.store.annotate(started.trial_id, {"wandb_id": wanted})
            running.record = replace(running.record, wandb_id=wanted)
        self.retries.append(running)
        return running

    def next_wandb_id(self) -> str:
        """Return the W&B run id that the next trial gets, unless somebody enqueues meanwhile."""
        return self.wandb_id(self.store.next_number)

    def wandb_id(self, number: int) -> str:
        """Return the W&B run id of a trial."""
        return run_id(self.store.uid, number, repeat=self._prefix != "trial")

    def submit(self, group: Sequence[Running]) -> None:
        """Note that a worker has these now."""
        for running in list(group):
            self.retries.remove(running)
            running.num_told = 0
            self.in_training[running.key] = running
            self._watcher.started(running.record)

    def epoch(self, key: str, metrics: EpochMetrics) -> Running:
        """Note a finished epoch."""
        running = self.in_training[key]
        # An attempt without its checkpoint tells the same epochs again.
        running.history = [e for e in running.history if e.epoch < metrics.epoch] + [metrics]
        running.num_told += 1
        self._watcher.epoch(running.record, metrics)
        return running

    def report(self, running: Running, epoch: int, value: float) -> None:
        """Keep an intermediate value."""
        with contextlib.suppress(UpdateFinishedTrialError):
            self.store.report(running.trial_id, epoch, value)

    def done(self, outcomes: Sequence[Measurement | Failure]) -> list[TrialRecord]:
        """Persist the ends of trials in one write, and return their records."""
        ended = [self.in_training[outcome.key] for outcome in outcomes]
        with self.store.batch():
            for running, outcome in zip(ended, outcomes, strict=True):
                before = _seconds_of_earlier_attempts(running, outcome)
                self._finish(running.trial_id, result_attribute(outcome, before))
        # Only now may anybody hear of it.
        return [self._leave(running) for running in ended]

    def pause(self, outcomes: Sequence[Measurement]) -> list[TrialRecord]:
        """Keep what trials have come to at a rung, in one write; they then wait in `paused`.

        Returns:
            The records of those that somebody else has ended meanwhile.
        """
        stopped = [(self.in_training[outcome.key], outcome) for outcome in outcomes]
        with self.store.batch():
            kept = [self._keep_paused(running, outcome) for running, outcome in stopped]
        for (running, outcome), is_kept in zip(stopped, kept, strict=True):
            if is_kept:
                del self.in_training[running.key]
                self.paused[running.key] = running
                self._watcher.paused(running.record, len(outcome.history))
        return [
            self._leave(running)
            for (running, _), is_kept in zip(stopped, kept, strict=True)
            if not is_kept
        ]

    def promote(self, keys: Sequence[str]) -> list[TrialRecord]:
        """Let paused trials wait for a worker; return those that somebody else has ended."""
        promoted = [self.paused.pop(key) for key in keys]
        ended: list[Running] = []
        with self.store.batch():
            for running in promoted:
                try:
                    self.store.annotate(running.trial_id, {PROMOTED_FROM: running.num_kept})
                except UpdateFinishedTrialError:
                    ended.append(running)
                else:
                    self.retries.append(running)
        return [self._leave(running) for running in ended]

    def end_paused(self, reasons: Mapping[str, str]) -> list[TrialRecord]:
        """End paused trials as pruned, in one write.

        Args:
            reasons: Why, by key.
        """
        ended = [self.paused.pop(key) for key in reasons]
        with self.store.batch():
            for running in ended:
                result = {**(running.paused or {}), "reason": reasons[running.key]}
                self._finish(running.trial_id, result)
        return [self._leave(running) for running in ended]

    def lost(self, keys: Sequence[str], message: str) -> list[TrialRecord]:
        """Queue trials again whose worker was lost; return those that were lost too often."""
        lost = [self.in_training[key] for key in keys]
        with self.store.batch():
            ended = [running for running in lost if not self._queue_again(running, message)]
        return [self._leave(running) for running in ended]

    def key_of(self, record: TrialRecord) -> str:
        """Return the key of a trial."""
        return self._key(record.number)

    def is_last_attempt(self, running: Running) -> bool:
        """Whether the next loss of a trial is its failure.

        It is then trained alone, so that a network that kills its worker fails alone.
        """
        return self._max_attempts <= running.record.attempts

    def _queue_again(self, running: Running, message: str) -> bool:
        """Let a lost trial wait for another worker; False where it has ended."""
        if running.record.attempts >= self._max_attempts:
            failure = Failure(
                key=running.key,
                spec_id=running.spec.spec_id,
                seed=int(running.record.seed or 0),
                reason=Reason.LOST,
                message=f"{message}, {running.record.attempts} times",
                traceback="",
                history=tuple(running.history),
                seconds=sum(epoch.seconds for epoch in running.history),
            )
            self._finish(running.trial_id, result_attribute(failure, 0.0))
            return False
        attempts = running.record.attempts + 1
        try:
            self.store.annotate(running.trial_id, {"attempts": attempts})
        except UpdateFinishedTrialError:
            return False
        del self.in_training[running.key]
        running.record = replace(running.record, attempts=attempts)
        self.retries.append(running)
        return True

    def _keep_paused(self, running: Running, outcome: Measurement) -> bool:
        """Store the result so far; False where the trial has ended."""
        result = result_attribute(outcome, _seconds_of_earlier_attempts(running, outcome))
        value = measured(outcome.last, self._metric)
        try:
            self.store.annotate(running.trial_id, {PAUSED: result})
            if value is not None:
                self.store.report(running.trial_id, outcome.last.epoch, value)
        except UpdateFinishedTrialError:
            return False
        running.paused, running.history = result, list(outcome.history)
        return True

    def _leave(self, running: Running) -> TrialRecord:
        record = to_record(self.store.storage.get_trial(running.trial_id))
        self.in_training.pop(running.key, None)
        self.ended.append(record)
        self._checkpoints.delete(running.key)
        self._watcher.ended(record)
        return record

    def _finish(self, trial_id: int, result: dict[str, Any]) -> None:
        """Write the result, then the state that follows from it."""
        history = result.get("history") or ()
        value = measured(EpochMetrics(**history[-1]), self._metric) if history else None
        # One that was stopped may say why; it has not failed.
        is_stopped = bool(result.get("stopped"))
        has_failed = bool(result.get("reason")) and not is_stopped
        if not has_failed and (value is None or not math.isfinite(value)):
            result, has_failed = result | self._unmeasured(value), True
        if has_failed or value is None:
            state, values = TrialState.FAIL, None
        else:
            state = TrialState.PRUNED if is_stopped else TrialState.COMPLETE
            values = [value]
        # Somebody else may have ended the trial, as by hand in the dashboard: theirs stands.
        with contextlib.suppress(UpdateFinishedTrialError):
            self.store.finish(trial_id, state, values, result)

    def _unmeasured(self, value: float | None) -> dict[str, str]:
        """Say why a training that ended well has failed all the same: it has no result."""
        is_own = self._metric not in METRICS
        got = "none" if is_own else value
        remedy = " Look at what your task measures on the validation split." if is_own else ""
        return {
            "reason": (Reason.ERROR if is_own else Reason.DIVERGED).value,
            "message": f"{self._metric} must be finite at the last epoch, got {got}.{remedy}",
        }

    def _take_over(self, frozen: FrozenTrial) -> None:
        result = frozen.user_attrs.get("result")
        if frozen.state is TrialState.RUNNING:
            running = self._running(frozen)
            if result is None:
                if paused_after(frozen) is None:
                    self.retries.append(running)
                else:
                    self.paused[running.key] = running
                return
            # Killed between the result and the state: the training need not be repeated.
            self._finish(running.trial_id, result)
        if frozen.state is not TrialState.WAITING:
            self.ended.append(to_record(self.store.storage.get_trial(frozen._trial_id)))
            # Killed between the state and this.
            self._checkpoints.delete(self._key(frozen.number))

    def _take_over_claim(self, frozen: FrozenTrial) -> None:
        """Let a trial wait again whose claim a former owner had begun and not finished."""
        if frozen.state is TrialState.RUNNING:
            self.store.storage.set_trial_state_values(frozen._trial_id, TrialState.WAITING)
        elif frozen.state is TrialState.FAIL:
            self.ended.append(to_record(frozen))

    def _running(self, frozen: FrozenTrial) -> Running:
        paused = frozen.user_attrs.get(PAUSED)
        return Running(
            trial_id=frozen._trial_id,  # Optuna has no public name for it.
            key=self._key(frozen.number),
            record=to_record(frozen),
            history=[EpochMetrics(**epoch) for epoch in paused["history"]] if paused else [],
            paused=paused,
        )

    def _key(self, number: int) -> str:
        return trial_key(self._prefix, number)


def _seconds_of_earlier_attempts(running: Running, outcome: Measurement | Failure) -> float:
    """Add up the epochs that an outcome has taken over from a checkpoint, s."""
    if isinstance(outcome, Measurement):
        num_earlier = outcome.resumed_from_epoch
    else:
        num_earlier = max(len(outcome.history) - running.num_told, 0)
    return sum(epoch.seconds for epoch in outcome.history[:num_earlier])
