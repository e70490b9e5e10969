"""How training tells its owner where it is, and is told whether to go on; no torch here."""

from enum import StrEnum
from typing import Protocol

from trainer.measurement import EpochMetrics


class Verdict(StrEnum):
    """Answer to a finished epoch."""

    CONTINUE = "continue"
    STOP = "stop"


class Progress(Protocol):
    """Told of each finished epoch of each candidate.

    `train` calls `epoch_done` once per candidate and epoch, after validation and after the
    checkpoint of that epoch is safe, never for epochs that a checkpoint already holds. STOP ends
    that candidate alone; its measurement has `stopped=True`.
    """

    def epoch_done(self, key: str, metrics: EpochMetrics) -> Verdict:
        """Take the metrics of candidate `key` and say whether it goes on."""
        ...


class Unattended:
    """Progress that nobody watches: every candidate goes on to its last epoch."""

    def epoch_done(self, key: str, metrics: EpochMetrics) -> Verdict:
        """Answer CONTINUE."""
        return Verdict.CONTINUE
