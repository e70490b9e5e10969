"""Gives the claims' trainings to workers and keeps what comes of them; no torch here."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nas.claims.jobs import Training
from nas.claims.store import JobStore
from nas.groups import take_group
from nas.messages import Work
from trainer.checkpoints import CheckpointStore
from trainer.measurement import EpochMetrics, Failure, Measurement, Reason
from trainer.progress import Verdict

LookInside = Callable[[Training, bytes], Mapping[str, Any]]
"""Looks into the trained weights, safetensors bytes."""


class ClaimsFeed:
    """A source of work, the deepest networks first.

    Args:
        trainings: What is left to be trained, each once.
        store: Where ends are kept.
        checkpoints: Where workers put checkpoints and weights.
        look_inside: Called for trainings whose weights are looked at.
        max_attempts: How often a training whose worker was lost is tried.
        cost: What a training costs beside others, in whatever unit.
    """

    def __init__(
        self,
        trainings: Sequence[Training],
        store: JobStore,
        checkpoints: CheckpointStore,
        look_inside: LookInside,
        max_attempts: int = 3,
        cost: Callable[[Training], float] = lambda training: 1.0,
    ) -> None:
        # The longest first, so that no worker has a long one left at the end.
        self._waiting = sorted(trainings, key=lambda training: -training.spec.layers)
        self._in_training: dict[str, Training] = {}
        self._attempts: dict[str, int] = {}
        self._store = store
        self._checkpoints = checkpoints
        self._look_inside = look_inside
        self._max_attempts = max_attempts
        self._costs = {training.key: cost(training) for training in self._waiting}
        self._cost_done = 0.0
        self._shares: dict[str, float] = {}
        """Of each training in progress, the share that is done."""
        self.num_all = len(self._waiting)
        self.num_done = 0
        """Trainings that have ended, failed ones included."""
        self.problems: list[str] = []
        """Why trainings are missing: those that failed for another reason than divergence."""

    @property
    def num_ready(self) -> int:
        """Trainings that no worker has yet."""
        return len(self._waiting)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is in training and nothing will come."""
        return not self._waiting and not self._in_training

    @property
    def share_done(self) -> float:
        """Share of the whole cost that is done, of trainings in progress by their epochs."""
        begun = sum(share * self._costs[key] for key, share in self._shares.items())
        return (self._cost_done + begun) / max(sum(self._costs.values()), 1e-9)

    def next(self, most: int = 1) -> Work | None:
        """Return trainings that can be one fused network."""
        if not self._waiting:
            return None
        # What has killed its worker before trains alone.
        alone = self._attempts.get(self._waiting[0].key, 0) > 0
        taken = take_group(self._waiting, 1 if alone else most, lambda training: training.group)
        for training in taken:
            self._in_training[training.key] = training
            self._shares[training.key] = 0.0
        first = taken[0]
        recipe = first.shared_recipe if first.group is not None else first.recipe
        return Work(
            candidates=[training.candidate() for training in taken],
            recipe=recipe.model_dump(mode="json"),
            keep_weights=first.looks_inside,
        )

    def epoch(self, key: str, metrics: EpochMetrics) -> Verdict:
        """Take a finished epoch; every training goes on to its last."""
        training = self._in_training.get(key)
        if training is not None:
            self._shares[key] = min(metrics.epoch / training.recipe.epochs, 1.0)
        return Verdict.CONTINUE

    def done(self, outcomes: Sequence[Measurement | Failure]) -> None:
        """Keep ends; a training that failed but did not diverge is left for the next command."""
        for outcome in outcomes:
            training = self._leave(outcome.key)
            self._count(training)
            if isinstance(outcome, Failure) and outcome.reason is not Reason.DIVERGED:
                self._give_up(training, f"{outcome.reason}: {outcome.message}")
                continue
            inside: Mapping[str, Any] = {}
            weights = self._checkpoints.load(_weights(training))
            if training.looks_inside and weights is not None and isinstance(outcome, Measurement):
                inside = self._look_inside(training, weights)
            self._store.add_training(training, outcome, inside)
            # Only now: a kill before that has the training taken up at its last checkpoint.
            self._checkpoints.delete(training.key)
            self._checkpoints.delete(_weights(training))

    def lost(self, keys: Sequence[str], message: str) -> None:
        """Try again what a lost worker had, a bounded number of times."""
        for key in keys:
            training = self._leave(key)
            attempts = self._attempts[key] = self._attempts.get(key, 0) + 1
            if attempts < self._max_attempts:
                self._waiting.append(training)
                continue
            self._count(training)
            self._give_up(training, message)

    def _count(self, training: Training) -> None:
        self.num_done += 1
        self._cost_done += self._costs[training.key]

    def _leave(self, key: str) -> Training:
        self._shares.pop(key, None)
        return self._in_training.pop(key)

    def _give_up(self, training: Training, why: str) -> None:
        self.problems.append(f"{training.spec.code} ({training.spec.layers} layers): {why}")


def _weights(training: Training) -> str:
    return f"{training.key}-weights"


def seconds_left(feed: ClaimsFeed, elapsed_s: float, estimated_s: float) -> float:
    """Estimate the wall time to the end.

    Args:
        feed: What is trained.
        elapsed_s: Since the first worker was ready.
        estimated_s: Of all trainings, as estimated before.
    """
    done = feed.share_done
    if done <= 0:
        return estimated_s
    # The first figures are of the deepest networks, so that the estimate still weighs.
    measured = elapsed_s / done * (1 - done)
    trust = math.sqrt(done)
    return trust * measured + (1 - trust) * max(estimated_s * (1 - done), 0.0)
