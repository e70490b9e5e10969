"""Rungs in the owner: trials that pause, that go on, and that end where they paused."""

import copy
import math
from collections import Counter
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from nas.config import StudyConfig
from nas.records import PAUSED, PROMOTED_FROM, measured, paused_after
from nas.running import Running, TrialsInTraining
from nas.sampling import SamplerMirror
from nas.trials import Source, TrialRecord, trial_key
from trainer.measurement import EpochMetrics, Failure, Measurement


class Promotions:
    """Decides over paused trials of a search, and keeps the sampler's view of them.

    The sampler is told of a trial when it first pauses, as of a pruned one, since it must not wait
    for the end; of its end only where it is complete.

    Args:
        config: The study's configuration; without `search.rungs` no trial pauses.
        trials: Trials of the search.
        mirror: The sampler.
    """

    def __init__(
        self, config: StudyConfig, trials: TrialsInTraining, mirror: SamplerMirror
    ) -> None:
        search = config.search
        self._metric = search.metric
        self._rungs = search.rungs and search.rungs.make(config.recipe.epochs, search.direction)
        self._trials = trials
        self._mirror = mirror
        self._specs: Counter[str] = Counter()
        self._told: set[str] = set()

    @property
    def num_deserving(self) -> int:
        """Paused trials that go on as soon as there is a worker for them."""
        return self._rungs.num_deserving if self._rungs else 0

    @property
    def num_told(self) -> int:
        """Trials that have not ended, and of which the sampler knows that they paused."""
        return len(self._told)

    @property
    def specs(self) -> Counter[str]:
        """Paused trials by the id of their architecture; none at 0."""
        return self._specs

    def has_told(self, key: str) -> bool:
        """Whether the sampler knows that a trial paused."""
        return key in self._told

    def learn(self, frozen: FrozenTrial) -> None:
        """Take up what a former owner's trial has come to."""
        attributes = frozen.user_attrs
        if self._rungs is None or attributes.get("source") != Source.ADAPTIVE:
            return
        key = trial_key("trial", frozen.number)
        paused = attributes.get(PAUSED)
        history = (attributes.get("result") or paused or {}).get("history") or ()
        for level in self._rungs.levels:
            if level <= len(history):
                value = measured(EpochMetrics(**history[level - 1]), self._metric)
                self._rungs.reached(key, level, value)
        if frozen.state.is_finished():
            self._rungs.forget(key)
        elif paused:
            self._rungs.promoted(key, attributes.get(PROMOTED_FROM) or 0)
            self._told.add(key)
            if paused_after(frozen) is not None:
                self._specs[attributes["spec_id"]] += 1
            self._mirror.absorb(_as_pruned(frozen))

    def pause_after(self, running: Running) -> int | None:
        """Return the epochs after which a trial pauses; None where it goes to the end."""
        if self._rungs is None or running.record.source is not Source.ADAPTIVE:
            return None
        return self._rungs.pause_after_of(running.key)

    def stage(self, running: Running) -> tuple[int, int | None]:
        """Return between which epochs a trial is trained next; equal for a group."""
        return (running.num_kept, self.pause_after(running))

    def pauses(self, outcome: Measurement | Failure) -> bool:
        """Whether a training has come to a rung with a value, and so has not ended."""
        if self._rungs is None or not isinstance(outcome, Measurement) or not outcome.stopped:
            return False
        value = measured(outcome.last, self._metric)
        return value is not None and math.isfinite(value)

    def pause(self, outcomes: Sequence[Measurement]) -> list[TrialRecord]:
        """Keep trials at their rung; return those that somebody else has ended meanwhile."""
        if self._rungs is None or not outcomes:
            return []
        ended = self._trials.pause(outcomes)
        for outcome in outcomes:
            running = self._trials.paused.get(outcome.key)
            if running is not None:
                value = measured(outcome.last, self._metric)
                self._rungs.reached(outcome.key, outcome.last.epoch, value)
                self._specs[str(running.record.spec_id)] += 1
        return ended

    def tell(self, key: str) -> None:
        """Note that the sampler knows that a trial paused."""
        self._told.add(key)

    def promote(self, most: int) -> list[TrialRecord]:
        """Let the best paused trials of one rung wait for a worker.

        Returns:
            The records of those that somebody else has ended meanwhile.
        """
        keys = self._rungs.next_promotions(most) if self._rungs else []
        self._release(keys)
        return self._trials.promote(keys) if keys else []

    def end_all(self) -> list[TrialRecord]:
        """End what is still paused as pruned, with its last value, and return the records."""
        paused = self._trials.paused
        if self._rungs is None or not paused:
            return []
        reasons = {
            key: f"paused at epoch {running.num_kept} of rung "
            f"{self._rungs.rung_of(running.num_kept)}"
            for key, running in paused.items()
        }
        self._release(list(paused))
        return self._trials.end_paused(reasons)

    def leave(self, key: str) -> None:
        """Forget a trial that has ended; its values still count for the others."""
        self._told.discard(key)
        if self._rungs is not None:
            self._rungs.forget(key)

    def _release(self, keys: Sequence[str]) -> None:
        for key in keys:
            spec_id = str(self._trials.paused[key].record.spec_id)
            self._specs[spec_id] -= 1
            if not self._specs[spec_id]:
                del self._specs[spec_id]


def _as_pruned(frozen: FrozenTrial) -> FrozenTrial:
    pruned = copy.copy(frozen)
    pruned.state = TrialState.PRUNED
    return pruned
