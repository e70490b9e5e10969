"""A pool whose candidates are trained at once: what is left of a study is the owner's own work."""

import time
from collections.abc import Callable
from typing import cast

import numpy as np

from benchmarks.long_study import made_measurement, made_value
from nas.messages import EpochDone, Work, WorkDone, decode, encode
from nas.pool import Event
from trainer.measurement import EpochMetrics, Failure, Measurement
from trainer.progress import Verdict


class InstantPool:
    """One worker that has finished a group when it is asked for events.

    Args:
        group_size: Candidates at once.
    """

    def __init__(self, group_size: int = 1) -> None:
        self.num_workers = 1
        self.group_size = group_size
        self.num_done = 0
        """Candidates so far."""
        self.seconds = 0.0
        """From start to close, without what a worker would have done."""
        self.on_start: Callable[[], None] = lambda: None
        self._start = 0.0
        self._work: Work | None = None
        self._rng = np.random.default_rng(1)

    def start(self) -> None:
        """Start the clock."""
        self.on_start()
        self._start = time.perf_counter()

    @property
    def num_idle(self) -> int:
        """One, between a group and the next."""
        return int(self._work is None)

    def submit(self, work: Work) -> None:
        """Take a group; it is the owner that makes JSON of it."""
        encode(work)
        self._work = work

    def answer(self, key: str, verdict: Verdict) -> None:
        """Nobody asks."""

    def events(self, timeout_s: float) -> list[Event]:
        """Return the group's epochs and measurements."""
        if self._work is None:
            return []
        work, self._work = self._work, None
        self.num_done += len(work.candidates)
        epochs = int(work.recipe["epochs"])
        outcomes: list[Measurement | Failure] = []
        told: list[tuple[EpochMetrics, EpochDone]] = []
        for candidate in work.candidates:
            outcome = made_measurement(candidate, epochs, made_value(candidate.spec, self._rng))
            outcomes.append(outcome)
            told += [(m, EpochDone(key=candidate.key, metrics=m)) for m in outcome.history]
        # A group's members end their epochs together.
        told.sort(key=lambda pair: pair[0].epoch)
        messages = [*(message for _, message in told), WorkDone(outcomes=outcomes)]
        return [self._passed(message) for message in messages]

    def _passed(self, message: EpochDone | WorkDone) -> Event:
        """Return a message as it comes from a worker; only what the worker does is not counted."""
        start = time.perf_counter()
        line = encode(message)
        self._start += time.perf_counter() - start
        return cast(Event, decode(line))

    def describe(self) -> list[dict[str, object]]:
        """Return no workers."""
        return []

    def close(self) -> None:
        """Stop the clock."""
        self.seconds = time.perf_counter() - self._start
