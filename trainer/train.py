"""The one entry: train candidates, get a measurement or a failure for each.

Every candidate is trained alone, by one `Trainer.fit`, whatever else is in the list.
"""

import gc
import resource
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.utilities.exceptions import SIGTERMException
from safetensors.torch import save as to_safetensors

from search_spaces.complexity import complexity
from trainer.checkpoint_io import KeyedCheckpointIO
from trainer.checkpoints import CheckpointStore
from trainer.checks import check_candidates, check_module_args, check_store, parse_device
from trainer.datasets import ImageData
from trainer.evidence import gradient_norms
from trainer.loaders import EVAL_BATCH_SIZE, DeviceBatches
from trainer.measurement import Candidate, Failure, Measurement, Reason
from trainer.module import CandidateModule
from trainer.progress import Progress, Unattended
from trainer.quiet import quiet_lightning
from trainer.recipe import Recipe
from trainer.reporter import DivergedError, EpochReporter, logged, logged_beside
from trainer.resume import can_resume, training_identity
from trainer.seeding import child_seed


@dataclass(frozen=True, kw_only=True)
class _Setting:
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


def train(
    candidates: Sequence[Candidate],
    recipe: Recipe,
    data: ImageData,
    progress: Progress | None = None,
    *,
    checkpoints: CheckpointStore | None = None,
    device: str = "cpu",
    test: bool = False,
    keep_weights: bool = False,
    module_class: type[CandidateModule] = CandidateModule,
    module_args: Mapping[str, Any] | None = None,
) -> list[Measurement | Failure]:
    """Train candidates and return their outcomes, in order.

    A candidate's outcome hangs on its spec, its seed, the recipe and the data alone, neither on
    the list nor on global random state. One that fails does not stop the others.

    Args:
        candidates: The trainings to be done, with different keys.
        recipe: How all of them are trained.
        data: Images of the shape that every spec takes.
        progress: Told of each finished epoch, says whether to go on; without it all go on.
        checkpoints: Takes a checkpoint under the candidate's key after every epoch. One found
            there is resumed, with the same result as if it had never been interrupted; one of
            another training, or damaged, is logged and overwritten. It is left for the caller to
            delete.
        device: `cpu`, `cuda` or `cuda:N`.
        test: Whether to evaluate the test split after the last epoch.
        keep_weights: Whether to save the final weights, safetensors bytes of the network's
            `state_dict`, to `checkpoints` under `<key>-weights`.
        module_class: A subclass for another loss, head or metrics.
        module_args: Further arguments of `module_class`, by name; JSON values.

    Raises:
        UserError: The arguments do not fit together; nothing was trained.
        Exception: Whatever `progress` or `checkpoints` raise; they are not the candidate's fault.
    """
    arguments = check_module_args(module_args or {})
    setting = _Setting(
        recipe=recipe,
        data=data,
        progress=progress or Unattended(),
        checkpoints=checkpoints,
        device=parse_device(device),
        test=test,
        keep_weights=keep_weights,
        module_class=module_class,
        module_args=arguments,
    )
    check_candidates(candidates, data.facts)
    check_store(checkpoints, keep_weights=keep_weights)
    # What modules of the user's draw from torch's global state is seeded, and the state put back.
    devices = [] if setting.device.type == "cpu" else [setting.device]
    with quiet_lightning(), torch.random.fork_rng(devices=devices):
        return [_train_alone(candidate, setting) for candidate in candidates]


def _train_alone(candidate: Candidate, setting: _Setting) -> Measurement | Failure:
    started = time.perf_counter()
    identity = training_identity(
        candidate, setting.recipe, setting.data, setting.module_class, setting.module_args
    )
    reporter = EpochReporter(candidate.key, identity, setting.progress, setting.checkpoints)
    try:
        return _attempt(candidate, setting, reporter, started)
    except Exception as error:
        if error is reporter.outside_error:
            raise
        failure = Failure(
            key=candidate.key,
            spec_id=candidate.spec.spec_id,
            seed=candidate.seed,
            reason=_reason(error),
            message=f"{type(error).__name__}: {error}".splitlines()[0],
            traceback=traceback.format_exc(),
            history=tuple(reporter.history),
            seconds=time.perf_counter() - started,
        )
    # Only now: the traceback's frames held the network until the handler was left.
    gc.collect()
    if setting.device.type == "cuda":
        torch.cuda.empty_cache()
    return failure


def _attempt(
    candidate: Candidate, setting: _Setting, reporter: EpochReporter, started: float
) -> Measurement:
    device, data = setting.device, setting.data.to(setting.device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    batches = DeviceBatches(data.train, setting.recipe.batch_size, seed=candidate.seed)
    torch.manual_seed(child_seed(candidate.seed, "global"))
    module = setting.module_class(
        spec=candidate.spec.to_dict(),
        recipe=setting.recipe.model_dump(mode="json"),
        seed=candidate.seed,
        **setting.module_args,
    )
    resumes = can_resume(reporter, setting.checkpoints)
    if not resumes:
        reporter.gradient_norms = gradient_norms(
            module.network, module.training_loss, *next(iter(batches))
        )
    trainer = _new_trainer(setting, reporter)
    _fit(trainer, module, batches, setting, candidate.key if resumes else None)
    tested: dict[str, float] = {}
    tested_more: dict[str, float] = {}
    if setting.test:
        trainer.test(module, DeviceBatches(data.test, EVAL_BATCH_SIZE), verbose=False)
        tested = logged(trainer, ("test/log_loss", "test/accuracy"))
        tested_more = logged_beside(trainer, "test/")
    if setting.keep_weights and setting.checkpoints is not None:
        setting.checkpoints.save(f"{candidate.key}-weights", _weights(module))
    size = complexity(candidate.spec)
    return Measurement(
        key=candidate.key,
        spec_id=candidate.spec.spec_id,
        seed=candidate.seed,
        stopped=reporter.stopped,
        history=tuple(reporter.history),
        resumed_from_epoch=reporter.resumed_from_epoch,
        seconds=reporter.seconds,
        setup_seconds=time.perf_counter() - started - reporter.seconds,
        peak_memory_bytes=_peak_memory_bytes(device),
        params=size.params,
        macs=size.macs,
        gradient_norms=reporter.gradient_norms,
        device=str(device),
        path="alone",
        test_log_loss=tested.get("test/log_loss"),
        test_accuracy=tested.get("test/accuracy"),
        test_more=tested_more,
    )


def _new_trainer(setting: _Setting, reporter: EpochReporter) -> pl.Trainer:
    """Build a lean Trainer; a used one would silently train nothing."""
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
        gradient_clip_val=setting.recipe.gradient_clip_norm,
        callbacks=[reporter],
        plugins=plugins,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _fit(
    trainer: pl.Trainer,
    module: CandidateModule,
    batches: DeviceBatches,
    setting: _Setting,
    resume_key: str | None,
) -> None:
    val = DeviceBatches(setting.data.to(setting.device).val, EVAL_BATCH_SIZE)
    try:
        trainer.fit(module, batches, val, ckpt_path=resume_key)
    except SystemExit as stop:
        # Lightning turns Ctrl-C into an exit, which callers that handle Ctrl-C do not expect.
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        if isinstance(stop, SIGTERMException):
            # Lightning's has no exit code, and so would end the process as if all were well.
            raise SystemExit(128 + signal.SIGTERM) from None
        raise


def _reason(error: Exception) -> Reason:
    if isinstance(error, DivergedError):
        return Reason.DIVERGED
    # torch reports a full main memory as a plain RuntimeError.
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    ):
        return Reason.OOM
    return Reason.ERROR


def _weights(module: CandidateModule) -> bytes:
    state = module.network.state_dict()
    return to_safetensors({name: value.cpu().contiguous() for name, value in state.items()})


def _peak_memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts KiB, macOS bytes.
    return peak if sys.platform == "darwin" else peak * 1024
