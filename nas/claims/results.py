"""What trainings and measurements gave, as the claims' tests ask for it; no torch here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nas.claims.finding import Finding
from nas.claims.jobs import Job, Measuring, Training
from nas.claims.setup import ClaimsSetup


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a training ended."""

    diverged: bool
    val_log_losses: tuple[float, ...]
    """Of every finished epoch, nats."""
    val_accuracy: float | None
    """Of the last epoch, in [0, 1]; None where it diverged."""
    inside: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What was seen in the trained weights; see `nas.claims.inside`."""
    seconds: float = 0.0


class Results:
    """Outcomes by training, with what a failed training counts as.

    Args:
        setup: What the claims are tested with.
        outcomes: By the key of the training.
        measured: What was measured without training, by key.
    """

    def __init__(
        self,
        setup: ClaimsSetup,
        outcomes: Mapping[str, Outcome],
        measured: Mapping[str, Any] | None = None,
    ) -> None:
        self._setup = setup
        self._outcomes = outcomes
        self._measured = measured or {}

    def has(self, job: Job) -> bool:
        """Whether the job is done."""
        return job.key in (self._outcomes if isinstance(job, Training) else self._measured)

    def measured(self, measuring: Measuring) -> Any:
        """Return what was measured; None where it was not."""
        return self._measured.get(measuring.key)

    def outcome(self, training: Training) -> Outcome | None:
        """Return how a training ended; None where it is not done."""
        return self._outcomes.get(training.key)

    def loss(self, training: Training, epochs: int | None = None) -> float | None:
        """Return the validation log-loss, at most that of chance; None where it is not done.

        A training that diverged counts as chance. So does one that ended above it: beyond chance
        the number says how wildly a network fails, and one such run would hide all others.

        Args:
            training: Which.
            epochs: After so many epochs; None: after the last.
        """
        outcome = self.outcome(training)
        if outcome is None:
            return None
        losses = outcome.val_log_losses[:epochs]
        if outcome.diverged or not losses:
            return self._setup.chance_loss
        return min(losses[-1], self._setup.chance_loss)

    def accuracy(self, training: Training) -> float | None:
        """Return the validation accuracy; chance where it diverged, None where it is not done."""
        outcome = self.outcome(training)
        if outcome is None:
            return None
        if outcome.diverged or outcome.val_accuracy is None:
            return 1 / self._setup.facts.num_classes
        return outcome.val_accuracy

    def num_diverged(self, trainings: Sequence[Training]) -> int:
        """Count trainings that diverged."""
        found = [self.outcome(training) for training in trainings]
        return sum(outcome is not None and outcome.diverged for outcome in found)


@dataclass(frozen=True, kw_only=True)
class ClaimTest:
    """A claim, what is trained for it, and the rule that turns results into a verdict."""

    id: str
    statement: str
    test: str
    rule: str
    plan: Callable[[ClaimsSetup], list[Job]]
    decide: Callable[[ClaimsSetup, Results], Finding]


def complete_seeds(
    number: int, values: Callable[[int], Sequence[float | None]]
) -> list[tuple[float, ...]]:
    """Return the values of every seed for which none is missing.

    Args:
        number: Seeds, from 0.
        values: Returns what is needed of one seed.
    """
    found = [tuple(values(replicate)) for replicate in range(number)]
    return [
        tuple(value for value in row if value is not None)
        for row in found
        if all(value is not None for value in row)
    ]
