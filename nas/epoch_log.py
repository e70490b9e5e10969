"""`logs/epochs.jsonl`: one line per finished epoch, so that anybody can see what was trained."""

import datetime
import json
from pathlib import Path
from typing import Any

from nas.trials import TrialRecord
from trainer.measurement import EpochMetrics


class EpochLog:
    """A watcher that writes starts, epochs, pauses and ends as JSON lines.

    Args:
        path: The file; lines are appended.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def started(self, record: TrialRecord) -> None:
        """Write a start."""
        self._write("start", record)

    def epoch(self, record: TrialRecord, metrics: EpochMetrics) -> None:
        """Write an epoch."""
        self._write(
            "epoch",
            record,
            epoch=metrics.epoch,
            train_loss=metrics.train_loss,
            val_log_loss=metrics.val_log_loss,
            val_accuracy=metrics.val_accuracy,
            **{f"val_{name}": value for name, value in metrics.more.items()},
        )

    def paused(self, record: TrialRecord, epoch: int) -> None:
        """Write a pause at a rung."""
        self._write("pause", record, epoch=epoch)

    def ended(self, record: TrialRecord) -> None:
        """Write an end."""
        self._write("end", record, state=record.state.value, reason=record.reason)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: str, record: TrialRecord, **more: Any) -> None:
        line = {
            "utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "event": event,
            "trial": record.number,
            "source": record.source.value,
            "attempt": record.attempts,
            **more,
        }
        self._file.write(json.dumps(line) + "\n")
