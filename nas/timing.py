"""Where the owner's time goes, measured in every study: `logs/timing.json`."""

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nas.feed import Feed
from nas.messages import Work
from nas.run_folder import write_whole
from trainer.measurement import EpochMetrics, Failure, Measurement
from trainer.progress import Verdict


class Timing:
    """Seconds of the owner by what it did, and seconds of training as workers measured them.

    Args:
        path: The file; what former owners of the study wrote there is added to.
    """

    def __init__(self, path: Path) -> None:
        former = read_timing(path)
        self.seconds: dict[str, float] = dict(former.get("seconds", {}))
        self.counts: dict[str, int] = dict(former.get("counts", {}))
        self.groups: dict[str, Any] = dict(former.get("groups", {}))
        """How many candidates train together, and what was measured of it."""
        self._path = path
        self._former_wall = float(former.get("wall", 0.0))
        self._start = time.monotonic()

    @contextlib.contextmanager
    def measure(self, what: str, count: int = 1) -> Iterator[None]:
        """Add the wall time of a block to `what`, and so much to its count."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(what, time.perf_counter() - start, count)

    def add(self, what: str, seconds: float, count: int = 1) -> None:
        """Add seconds to `what`, and so much to its count."""
        self.seconds[what] = self.seconds.get(what, 0.0) + seconds
        self.counts[what] = self.counts.get(what, 0) + count

    @property
    def wall(self) -> float:
        """Wall time of this owner and of all former ones, s."""
        return self._former_wall + time.monotonic() - self._start

    def write(self, num_workers: int) -> None:
        """Write wall time, seconds, counts and groups."""
        data = {
            "wall": self.wall,
            "workers": num_workers,
            "seconds": self.seconds,
            "counts": self.counts,
            "groups": self.groups,
        }
        write_whole(self._path, json.dumps(data, indent=2) + "\n")


def read_timing(path: Path) -> dict[str, Any]:
    """Return what was written; empty where nothing was."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class TimedFeed:
    """A feed whose calls are measured.

    Args:
        feed: Where the calls go.
        name: First part of the entries, such as `search`.
        timing: Where they are added up.
    """

    def __init__(self, feed: Feed, name: str, timing: Timing) -> None:
        self._feed = feed
        self._name = name
        self._timing = timing
        self._asking = 0.0

    @property
    def num_ready(self) -> int:
        """Candidates that no worker has yet."""
        return self._feed.num_ready

    def next(self, most: int = 1) -> Work | None:
        """Ask for work."""
        start = time.perf_counter()
        work = self._feed.next(most)
        # A feed may need several turns for one answer.
        self._asking += time.perf_counter() - start
        if work is not None:
            self._timing.add(f"{self._name}.ask", self._asking, len(work.candidates))
            self._asking = 0.0
        return work

    @property
    def is_finished(self) -> bool:
        """Whether the feed is finished."""
        return self._feed.is_finished

    def epoch(self, key: str, metrics: EpochMetrics) -> Verdict:
        """Tell an epoch."""
        with self._timing.measure(f"{self._name}.epoch"):
            return self._feed.epoch(key, metrics)

    def done(self, outcomes: Sequence[Measurement | Failure]) -> None:
        """Tell the ends of a work."""
        with self._timing.measure(f"{self._name}.tell", len(outcomes)):
            self._feed.done(outcomes)
        for outcome in outcomes:
            self._timing.add(f"{self._name}.training", outcome.seconds)
            if isinstance(outcome, Measurement):
                self._timing.add(f"{self._name}.setup", outcome.setup_seconds)

    def lost(self, keys: Sequence[str], message: str) -> None:
        """Tell a loss."""
        self._feed.lost(keys, message)
