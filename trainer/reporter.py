"""The Lightning callback between one training and its owner: history, checkpoint, verdict."""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from trainer.checkpoints import CheckpointStore
from trainer.measurement import EpochMetrics
from trainer.progress import Progress, Verdict
from trainer.seeding import child_seed

NEEDED_METRICS = ("train/loss", "val/log_loss", "val/accuracy")


class DivergedError(ArithmeticError):
    """The loss is no longer finite."""


class EpochReporter(Checkpoint):
    """After each epoch and its validation: record, save the checkpoint, ask for the verdict.

    It is a `Checkpoint` to Lightning, and so runs after the module's own `on_train_epoch_end`,
    when everything is logged. What it knows travels in the checkpoint.

    Args:
        key: Key of the candidate.
        identity: Plain data that says which training this is; see `checkpoint_problem`.
        progress: Told of each epoch.
        checkpoints: Where checkpoints go; None saves none.
        pause_after: Epochs in all after which the training pauses; None: never.
    """

    def __init__(
        self,
        key: str,
        identity: dict[str, Any],
        progress: Progress,
        checkpoints: CheckpointStore | None,
        *,
        pause_after: int | None = None,
    ) -> None:
        self.key = key
        self.identity = identity
        self.history: list[EpochMetrics] = []
        self.gradient_norms: tuple[float, ...] = ()
        self.resumed_from_epoch = 0
        self.stopped = False
        self.outside_error: Exception | None = None
        """What `progress` or `checkpoints` raised; no fault of the candidate."""
        self._progress = progress
        self._checkpoints = checkpoints
        self._pause_after = pause_after
        self._epoch_started = 0.0

    @property
    def seconds(self) -> float:
        """Wall time of the epochs of this attempt."""
        return sum((epoch.seconds for epoch in self.history[self.resumed_from_epoch :]), 0.0)

    def state_dict(self) -> dict[str, Any]:
        """Return what the checkpoint keeps: plain data."""
        return {
            "identity": self.identity,
            "history": [asdict(epoch) for epoch in self.history],
            "gradient_norms": list(self.gradient_norms),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the finished epochs of the attempt that saved the checkpoint."""
        self.history = [EpochMetrics(**epoch) for epoch in state_dict["history"]]
        self.gradient_norms = tuple(state_dict["gradient_norms"])
        self.resumed_from_epoch = len(self.history)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock of the first epoch."""
        self._epoch_started = time.perf_counter()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Seed torch's global state, which a module of the user's may draw from, as by dropout.

        By epoch, so that a resumed training draws the same.
        """
        torch.manual_seed(child_seed(self.identity["seed"], "global", trainer.current_epoch))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the epoch, make it safe, and ask whether to go on.

        Raises:
            DivergedError: A loss is not finite.
        """
        metrics = self._measure(trainer)
        self.history.append(metrics)
        try:
            if self._checkpoints is not None:
                trainer.save_checkpoint(self.key)
            verdict = self._progress.epoch_done(self.key, metrics)
        except Exception as error:
            self.outside_error = error
            raise
        ends = verdict is Verdict.STOP or metrics.epoch == self._pause_after
        if ends and metrics.epoch < (trainer.max_epochs or 0):
            self.stopped = True
            trainer.should_stop = True
        self._epoch_started = time.perf_counter()

    def _measure(self, trainer: pl.Trainer) -> EpochMetrics:
        values = logged(trainer, NEEDED_METRICS)
        for name in ("train/loss", "val/log_loss"):
            # One look per epoch: reading a value waits for the device.
            if not math.isfinite(values[name]):
                raise DivergedError(
                    f"Epoch {len(self.history) + 1}: the loss must be finite, got "
                    f"{name}={values[name]}. Lower the learning rate or lengthen the warm-up."
                )
        return EpochMetrics(
            epoch=len(self.history) + 1,
            train_loss=values["train/loss"],
            val_log_loss=values["val/log_loss"],
            val_accuracy=values["val/accuracy"],
            lr=float(trainer.optimizers[0].param_groups[0]["lr"]),
            seconds=time.perf_counter() - self._epoch_started,
            more=logged_beside(trainer, "val/"),
        )


def logged(trainer: pl.Trainer, names: Sequence[str]) -> dict[str, float]:
    """Return the values that the module logged under `names`.

    Raises:
        RuntimeError: The module did not log one of them.
    """
    found = trainer.callback_metrics
    missing = [name for name in names if name not in found]
    if missing:
        raise RuntimeError(
            f"The candidate's module must log {', '.join(names)} every epoch, got none of "
            f"{', '.join(missing)}. Keep the hooks of CandidateModule, or log them yourself."
        )
    return {name: float(found[name]) for name in names}


def logged_beside(trainer: pl.Trainer, prefix: str) -> dict[str, float]:
    """Return what the module logged under `prefix` beside log-loss and accuracy.

    Values that are not finite are left out: a mean over no image is no result.

    Args:
        trainer: Knows what was logged.
        prefix: The split with its slash, `val/` or `test/`; names are returned without it.
    """
    found = {
        name.removeprefix(prefix): float(value)
        for name, value in trainer.callback_metrics.items()
        if name.startswith(prefix) and name.removeprefix(prefix) not in ("log_loss", "accuracy")
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}
