"""What a pool of workers is: submit work, receive events, replace the dead.

Local processes implement it first (`local_pool`); other launchers need only these methods, since
messages are JSON and checkpoints travel by key.
"""

from typing import Protocol

from nas.messages import EpochDone, Lost, Ready, Work, WorkDone
from trainer.progress import Verdict

Event = Ready | EpochDone | WorkDone | Lost


class WorkerPool(Protocol):
    """Workers that train.

    The owner calls `start` once, then loops over `num_idle`, `group_size`, `submit` and `events`,
    and `close` at the end, whatever happened. A worker that dies is replaced by the pool; its unfinished
    candidates come back as Lost, and whether they are tried again is the owner's choice.
    """

    def start(self) -> None:
        """Start all workers; they become idle once they are ready."""
        ...

    @property
    def num_workers(self) -> int:
        """How many workers there are, those that are not ready yet included."""
        ...

    @property
    def num_idle(self) -> int:
        """How many workers wait for work."""
        ...

    @property
    def group_size(self) -> int:
        """How many candidates at once the worker takes that `submit` serves next."""
        ...

    def submit(self, work: Work) -> None:
        """Give work to an idle worker."""
        ...

    def answer(self, key: str, verdict: Verdict) -> None:
        """Answer a finished epoch of a supervised candidate."""
        ...

    def events(self, timeout_s: float) -> list[Event]:
        """Return what has happened, waiting at most `timeout_s` for the first event."""
        ...

    def describe(self) -> list[dict[str, object]]:
        """Return pid, device and the keys in training of each worker."""
        ...

    def close(self) -> None:
        """End all workers at once; finished epochs stay in their checkpoints."""
        ...
