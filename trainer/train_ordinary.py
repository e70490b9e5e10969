"""Trains one candidate the ordinary way: any `CandidateModule`, automatic optimisation."""

import gc
import time
import traceback

import pytorch_lightning as pl
import torch
from torch import nn

from search_spaces.complexity import complexity
from trainer.augmentation import Augmentation
from trainer.checkpoint_io import checkpoint_from_bytes
from trainer.compact import CandidateState, read_state, split_like
from trainer.evidence import gradient_norms
from trainer.inside import look_inside
from trainer.loaders import EVAL_BATCH_SIZE, DeviceBatches
from trainer.measurement import Candidate, EpochMetrics, Failure, Measurement
from trainer.module import CandidateModule
from trainer.reporter import EpochReporter, logged, logged_beside
from trainer.resume import Found, find_checkpoint, training_identity
from trainer.seeding import child_seed
from trainer.setting import Setting, fit, new_trainer, peak_memory_bytes, reason_of, start_at


def train_ordinary(
    candidate: Candidate, setting: Setting, path: str = "ordinary"
) -> Measurement | Failure:
    """Train a candidate alone, by one `Trainer.fit`; return its outcome.

    Args:
        candidate: The training.
        setting: What it shares with others.
        path: Kept in the measurement: that it was trained so, and why.
    """
    started = time.perf_counter()
    identity = training_identity(
        candidate,
        setting.recipe_of(candidate),
        setting.data,
        setting.module_class,
        setting.module_args,
    )
    reporter = EpochReporter(
        candidate.key,
        identity,
        setting.progress,
        setting.checkpoints,
        pause_after=setting.pause_after,
    )
    try:
        return _attempt(candidate, setting, reporter, started, path)
    except Exception as error:
        if error is reporter.outside_error:
            raise
        failure = Failure(
            key=candidate.key,
            spec_id=candidate.spec.spec_id,
            seed=candidate.seed,
            reason=reason_of(error),
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
    candidate: Candidate, setting: Setting, reporter: EpochReporter, started: float, path: str
) -> Measurement:
    device, data = setting.device, setting.data.to(setting.device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    recipe = setting.recipe_of(candidate)
    batches = DeviceBatches(
        data.train,
        recipe.batch_size,
        seed=candidate.seed,
        augmentation=Augmentation.from_recipe(recipe, len(data.train.labels)),
    )
    torch.manual_seed(child_seed(candidate.seed, "global"))
    module = setting.module_class(
        spec=candidate.spec.to_dict(),
        recipe=recipe.model_dump(mode="json"),
        seed=candidate.seed,
        **setting.module_args,
    )
    found = find_checkpoint(reporter, setting.checkpoints)
    if found is None:
        reporter.gradient_norms = gradient_norms(
            module.network, module.training_loss, *next(iter(batches))
        )
    trainer = new_trainer(setting, reporter, clip_norm=recipe.gradient_clip_norm)
    val = DeviceBatches(data.val, EVAL_BATCH_SIZE)
    if found is Found.COMPACT:
        _take_over(candidate.key, setting, module, trainer, reporter)
    elif found is Found.LIGHTNING:
        _read_record(candidate.key, setting, module, reporter)
    if setting.is_paused_at(len(reporter.history)):
        reporter.stopped = True
    else:
        resume_key = candidate.key if found is Found.LIGHTNING else None
        fit(trainer, module, batches, val, ckpt_path=resume_key)
    tested: dict[str, float] = {}
    tested_more: dict[str, float] = {}
    if setting.test:
        trainer.test(module, DeviceBatches(data.test, EVAL_BATCH_SIZE), verbose=False)
        tested = logged(trainer, ("test/log_loss", "test/accuracy"))
        tested_more = logged_beside(trainer, "test/")
    setting.keep(candidate.key, module.network)
    looks = setting.evidence and not reporter.stopped
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
        peak_memory_bytes=peak_memory_bytes(device),
        params=size.params,
        macs=size.macs,
        gradient_norms=reporter.gradient_norms,
        device=str(device),
        path=path,
        test_log_loss=tested.get("test/log_loss"),
        test_accuracy=tested.get("test/accuracy"),
        test_more=tested_more,
        evidence=look_inside(module.network.to(device), data.val) if looks else {},
    )


def _take_over(
    key: str,
    setting: Setting,
    module: CandidateModule,
    trainer: pl.Trainer,
    reporter: EpochReporter,
) -> None:
    """Go on from a checkpoint of the accelerated path."""
    data = setting.checkpoints.load(key) if setting.checkpoints is not None else None
    if data is None:
        return
    state = read_state(data, module.network)
    reporter.history = [EpochMetrics(**epoch) for epoch in state.history]
    reporter.gradient_norms = tuple(state.gradient_norms)
    reporter.resumed_from_epoch = len(reporter.history)
    state.apply(module.network)
    start_at(trainer, len(reporter.history), state.steps)
    trainer.callbacks.append(_Moments(state, module.network))  # pyright: ignore[reportAttributeAccessIssue]


def _read_record(
    key: str, setting: Setting, module: CandidateModule, reporter: EpochReporter
) -> None:
    """Take record and weights of one of Lightning's checkpoints, which reads the rest itself.

    One that has come to its pause is measured without a fit, in which Lightning would read it.
    """
    data = setting.checkpoints.load(key) if setting.checkpoints is not None else None
    if data is None:
        return
    found = checkpoint_from_bytes(data)
    reporter.load_state_dict(found["callbacks"][reporter.state_key])
    if setting.is_paused_at(len(reporter.history)):
        module.load_state_dict(found["state_dict"])


class _Moments(pl.Callback):
    """Gives optimiser and schedule the state of a checkpoint, once they exist."""

    def __init__(self, state: CandidateState, network: nn.Module) -> None:
        self._state = state
        self._network = network

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        state, optimizer = self._state, trainer.optimizers[0]
        moments = {name: split_like(v, self._network) for name, v in state.moments.items()}
        for index, weight in enumerate(self._network.parameters()):
            # Laid out like the weight: fused optimisers walk memory without a look at strides.
            kept = {
                name: torch.empty_like(weight, requires_grad=False).copy_(parts[index])
                for name, parts in moments.items()
            }
            if "exp_avg" in moments:
                kept["step"] = torch.tensor(float(state.steps), device=weight.device)
            optimizer.state[weight] = kept
        scheduler = trainer.lr_scheduler_configs[0].scheduler
        if not isinstance(scheduler, torch.optim.lr_scheduler.LambdaLR):
            raise TypeError(f"The schedule must be a LambdaLR, got {type(scheduler).__name__}.")
        # Set, as `scheduler.step()` before the optimiser's first step makes torch warn.
        scheduler.last_epoch = state.steps
        for group, base, factor in zip(
            optimizer.param_groups, scheduler.base_lrs, scheduler.lr_lambdas, strict=True
        ):
            group["lr"] = base * factor(state.steps)
