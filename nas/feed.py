"""What the owner gets work from: the search itself, and the repeats after it."""

from collections.abc import Sequence
from typing import Protocol

from nas.messages import Work
from nas.trials import TrialRecord
from trainer.measurement import EpochMetrics, Failure, Measurement
from trainer.progress import Verdict


class Feed(Protocol):
    """A source of work that also keeps what came of it.

    The owner asks `next` whenever a worker is idle, and tells each candidate's epochs and end to
    the feed that gave it. A feed has persisted an end when `done` or `lost` returns.
    """

    @property
    def num_ready(self) -> int:
        """Candidates that no worker has yet, as far as they are known."""
        ...

    def next(self, most: int = 1) -> Work | None:
        """Return the next work, or None where there is none at the moment.

        Args:
            most: Most candidates that are trained together.
        """
        ...

    @property
    def is_finished(self) -> bool:
        """Whether nothing is in training and nothing will come."""
        ...

    def epoch(self, key: str, metrics: EpochMetrics) -> Verdict:
        """Take a finished epoch and say whether the candidate goes on."""
        ...

    def done(self, outcomes: Sequence[Measurement | Failure]) -> None:
        """Take the ends of candidates that were trained together."""
        ...

    def lost(self, keys: Sequence[str], message: str) -> None:
        """Take the loss of their worker: they are tried again, or fail for good."""
        ...


class Watcher(Protocol):
    """Looks on without a say: the display, the epoch log, W&B."""

    def started(self, record: TrialRecord) -> None:
        """A trial is handed to a worker, for the first time or again."""
        ...

    def epoch(self, record: TrialRecord, metrics: EpochMetrics) -> None:
        """A trial has finished an epoch."""
        ...

    def paused(self, record: TrialRecord, epoch: int) -> None:
        """A trial has left its worker at a rung; it may be started again to go on."""
        ...

    def ended(self, record: TrialRecord) -> None:
        """A trial has ended, and its end is persisted."""
        ...


class Watchers:
    """Several watchers as one."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def started(self, record: TrialRecord) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.started(record)

    def epoch(self, record: TrialRecord, metrics: EpochMetrics) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.epoch(record, metrics)

    def paused(self, record: TrialRecord, epoch: int) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.paused(record, epoch)

    def ended(self, record: TrialRecord) -> None:
        """Tell all."""
        for watcher in self._watchers:
            watcher.ended(record)
