"""`trainings.jsonl`: one line per finished job, so that nothing is ever done twice; no torch here."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.claims.jobs import Measuring, Training
from nas.claims.results import Outcome
from trainer.measurement import Failure, Measurement


class JobStore:
    """Finished jobs in a file to which lines are only appended.

    A line that a kill has cut short is left out when the file is read, and ended when the next is
    written: what it told of is done again.

    Args:
        path: The file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: dict[str, Outcome] = {}
        """By the key of the training."""
        self.measured: dict[str, Any] = {}
        """By the key of the measurement."""
        self._is_torn = False
        if path.is_file():
            self._read(path.read_text(encoding="utf-8"))

    def add_training(
        self,
        training: Training,
        ended: Measurement | Failure,
        inside: Mapping[str, Any],
    ) -> None:
        """Keep how a training ended."""
        diverged = isinstance(ended, Failure)
        record = {
            "key": training.key,
            "layers": training.spec.layers,
            "code": training.spec.code,
            "spec_id": training.spec.spec_id,
            "replicate": training.replicate,
            "data": training.scope.data,
            "recipe": training.recipe.model_dump(mode="json"),
            "state": "diverged" if diverged else "complete",
            "val_log_losses": [epoch.val_log_loss for epoch in ended.history],
            "train_losses": [epoch.train_loss for epoch in ended.history],
            "val_accuracy": None if diverged else ended.last.val_accuracy,
            "seconds": ended.seconds,
            "inside": dict(inside),
        }
        self._append(record)

    def add_measured(self, measuring: Measuring, values: Any) -> None:
        """Keep what was measured without training."""
        spec = measuring.spec
        self._append(
            {
                "key": measuring.key,
                "what": measuring.what,
                "code": None if spec is None else spec.code,
                "norm": None if spec is None else spec.norm,
                "num_seeds": measuring.num_seeds,
                "values": values,
            }
        )

    def _append(self, record: dict[str, Any]) -> None:
        # One write: what is cut short is the last line alone.
        text = json.dumps(_finite(record), allow_nan=False, separators=(",", ":")) + "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"\n{text}" if self._is_torn else text)
        self._is_torn = False
        self._take(json.loads(text))

    def _read(self, text: str) -> None:
        self._is_torn = bool(text) and not text.endswith("\n")
        for line in text.splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and "key" in record:
                self._take(record)

    def _take(self, record: dict[str, Any]) -> None:
        if "values" in record:
            self.measured[record["key"]] = record["values"]
            return
        losses = (float("inf") if v is None else v for v in record["val_log_losses"])
        self.outcomes[record["key"]] = Outcome(
            diverged=record["state"] == "diverged",
            val_log_losses=tuple(losses),
            val_accuracy=record["val_accuracy"],
            inside=record["inside"],
            seconds=record["seconds"],
        )


def _finite(value: Any) -> Any:
    """Return JSON data with None for numbers that are not finite."""
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value
