"""What all candidates of one `train` call share, and the Trainer that it makes for them."""

import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.exceptions import SIGTERMException
from safetensors.torch import save as to_safetensors
from torch import nn

from trainer.checkpoint_io import KeyedCheckpointIO
from trainer.checkpoints import CheckpointStore
from trainer.datasets import ImageData
from trainer.measurement import Candidate, Failure, Measurement, Reason
from trainer.module import CandidateModule
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.reporter import DivergedError

Ended = Callable[[Sequence[Measurement | Failure]], None]


def nobody_waits(outcomes: Sequence[Measurement | Failure]) -> None:
    """Take outcomes that are returned at the end anyway."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all candidates of one call share."""

    recipe: Recipe
    data: ImageData
    progress: Progress
    checkpoints: CheckpointStore | None
    device: torch.device
    test: bool
    keep_weights: bool
    module_class: type[CandidateModule]
    module_args: Mapping[str, Any]
    pause_after: int | None
    """Epochs in all after which candidates pause; None trains to the last."""
    evidence: bool = False
    """Whether the blocks of the trained networks are looked at."""
    ended: Ended = nobody_waits
    """Told of outcomes as soon as they are known."""

    def recipe_of(self, candidate: Candidate) -> Recipe:
        """Return the recipe with the candidate's own values."""
        if not candidate.recipe_values:
            return self.recipe
        return self.recipe.model_copy(update=dict(candidate.recipe_values))

    def is_paused_at(self, epochs: int) -> bool:
        """Whether a candidate that has finished so many epochs waits for a later call."""
        return self.pause_after is not None and self.pause_after <= epochs < self.recipe.epochs

    def keep(self, key: str, network: nn.Module) -> None:
        """Save the final weights, where they are to be kept."""
        if not self.keep_weights or self.checkpoints is None:
            return
        state = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
        self.checkpoints.save(f"{key}-weights", to_safetensors(state))


def new_trainer(setting: Setting, *callbacks: Callback, clip_norm: float | None) -> pl.Trainer:
    """Build a lean Trainer; a used one would silently train nothing.

    Args:
        setting: Device, precision, epochs and where checkpoints go.
        callbacks: What it calls.
        clip_norm: Largest norm of all gradients together; None where the module clips itself.
    """
    # The environment is named, so that Lightning does not take a cluster's job for its own.
    plugins: list[Any] = [LightningEnvironment()]
    if setting.checkpoints is not None:
        plugins.append(KeyedCheckpointIO(setting.checkpoints))
    on_cpu = setting.device.type == "cpu"
    return pl.Trainer(
        accelerator=setting.device.type,
        devices=1 if on_cpu else [setting.device.index],
        precision=setting.recipe.precision,
        max_epochs=setting.recipe.epochs,
        gradient_clip_val=clip_norm,
        callbacks=list(callbacks),
        plugins=plugins,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def start_at(trainer: pl.Trainer, epochs: int, steps: int) -> None:
    """Let a new Trainer begin after so many finished epochs and optimiser steps.

    Its counters are set as restoring one of Lightning's own checkpoints would set them.
    """
    loop = trainer.fit_loop
    for progress in (loop.epoch_progress.total, loop.epoch_progress.current):
        for field in ("ready", "started", "processed", "completed"):
            setattr(progress, field, epochs)
    step = loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step
    for total in (step.total, loop.epoch_loop.manual_optimization.optim_step_progress.total):
        total.ready = total.completed = steps
    loop.epoch_loop._batches_that_stepped = steps


def fit(trainer: pl.Trainer, *args: Any, **options: Any) -> None:
    """Call `trainer.fit`; Ctrl-C and SIGTERM end it as they end other programs.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        SystemExit: SIGTERM, with its usual exit code.
    """
    try:
        trainer.fit(*args, **options)
    except SystemExit as stop:
        # Lightning turns Ctrl-C into an exit, which callers that handle Ctrl-C do not expect.
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        if isinstance(stop, SIGTERMException):
            # Lightning's has no exit code, and so would end the process as if all were well.
            raise SystemExit(128 + signal.SIGTERM) from None
        raise


def reason_of(error: Exception) -> Reason:
    """Say in one word why a training failed."""
    if isinstance(error, DivergedError):
        return Reason.DIVERGED
    # torch reports a full main memory as a plain RuntimeError.
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    ):
        return Reason.OOM
    return Reason.ERROR


def peak_memory_bytes(device: torch.device) -> int:
    """Return the device's peak memory; on the CPU the peak resident memory of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts KiB, macOS bytes.
    return peak if sys.platform == "darwin" else peak * 1024
