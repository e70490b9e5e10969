"""Trains a group: as one network as long as its members stay together, then in smaller ones."""

import gc
import logging
import math
import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytorch_lightning as pl
import torch

from trainer.augmentation import Augmentation
from trainer.compact import split_like
from trainer.datasets import Split
from trainer.evidence import gradient_norms
from trainer.inside import look_inside
from trainer.loaders import EVAL_BATCH_SIZE, DeviceBatches
from trainer.measurement import Candidate, Failure, Measurement
from trainer.population.batches import IndexBlocks
from trainer.population.members import Member, new_member
from trainer.population.metrics import log_losses
from trainer.population.module import PopulationModule
from trainer.population.network import FusedResNet
from trainer.population.reporter import GroupReporter, snapshot
from trainer.population.single import SingleNetwork
from trainer.setting import Setting, fit, new_trainer, reason_of, start_at

if TYPE_CHECKING:
    from trainer.population.capture import StepCapture

_log = logging.getLogger(__name__)


def train_group(
    candidates: Sequence[Candidate], setting: Setting
) -> dict[str, Measurement | Failure]:
    """Train candidates that can be fused (`can_fuse`) together; return each one's outcome by key.

    Those that a checkpoint brings further than others are a group of their own. A group that
    cannot be trained, as for lack of memory, is halved and trained again.
    """
    started = time.perf_counter()
    members = [new_member(candidate, setting) for candidate in candidates]
    for member in members:
        member.setup_seconds = (time.perf_counter() - started) / len(members)
    by_epoch: dict[int, list[Member]] = {}
    for member in members:
        by_epoch.setdefault(len(member.history), []).append(member)
    outcomes: dict[str, Measurement | Failure] = {}
    for together in by_epoch.values():
        outcomes |= _train_together(together, setting, _path(len(together)))
    return outcomes


def _path(size: int) -> str:
    return "lean" if size == 1 else f"group of {size}"


def _train_together(
    members: list[Member], setting: Setting, path: str
) -> dict[str, Measurement | Failure]:
    """Train members that have finished equally many epochs."""
    for member in members:
        if member.stops_after == len(member.history):
            # Stopped in a group that failed after that.
            member.stopped = True
            member.measure(setting, path)
    _tell(members, setting)
    while going := [member for member in members if member.outcome is None]:
        segment = _Segment(going, setting)
        try:
            segment.run()
        except Exception as error:
            if error is segment.reporter.outside_error:
                raise
            failed, problem = error, traceback.format_exc()
        else:
            segment.end_members(path)
            _tell(going, setting)
            continue
        # Only now: the traceback's frames held the network until the handler was left.
        del segment
        _free(setting.device)
        _tell(going, setting)
        going = [member for member in going if member.outcome is None]
        if len(going) > 1:
            return _outcomes(members) | _halved(going, setting, failed)
        message = f"{type(failed).__name__}: {failed}".splitlines()[0]
        for member in going:
            member.fail(reason_of(failed), message, problem)
        _tell(going, setting)
    return _outcomes(members)


def _tell(members: Sequence[Member], setting: Setting) -> None:
    """Say which of these members have ended, if any."""
    ended = list(_outcomes(members).values())
    if ended:
        setting.ended(ended)


def _halved(
    members: list[Member], setting: Setting, error: Exception
) -> dict[str, Measurement | Failure]:
    """Train the halves of a group that could not be trained, from their checkpoints."""
    why = type(error).__name__
    _log.warning("A group of %d could not be trained (%s); it is halved.", len(members), error)
    half = (len(members) + 1) // 2
    outcomes: dict[str, Measurement | Failure] = {}
    for part in (members[:half], members[half:]):
        fresh = [new_member(member.candidate, setting) for member in part]
        for member, former in zip(fresh, part, strict=True):
            member.told, member.stops_after = former.told, former.stops_after
        by_epoch: dict[int, list[Member]] = {}
        for member in fresh:
            by_epoch.setdefault(len(member.history), []).append(member)
        for together in by_epoch.values():
            path = f"{_path(len(together))} ({why} in one of {len(members)})"
            outcomes |= _train_together(together, setting, path)
    return outcomes


def _outcomes(members: Sequence[Member]) -> dict[str, Measurement | Failure]:
    return {member.key: member.outcome for member in members if member.outcome is not None}


def _free(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def step_capture(device: torch.device, steps_left: int) -> "StepCapture | None":
    """Return what records a group's step; None where nothing can, or it would not pay.

    Args:
        device: Where the group is trained.
        steps_left: Mini-batches that it is going to be trained on.
    """
    if device.type != "cuda":
        return None
    # Imported here: a CPU has no use for it.
    from trainer.population.capture import LEAST_STEPS, CudaGraphs, StepCapture

    return StepCapture(CudaGraphs(device)) if steps_left >= LEAST_STEPS else None


class _Segment:
    """One `Trainer.fit`: from the members' present epoch until they end or one of them leaves."""

    def __init__(self, members: list[Member], setting: Setting) -> None:
        self.members = members
        self.setting = setting
        self.reporter = GroupReporter(members, setting)
        self.form = ""
        """What the measurements' `path` says of how the steps were taken."""

    @property
    def is_over(self) -> bool:
        """Whether the last epoch is done."""
        done = max(len(member.history) for member in self.members)
        return done >= self.setting.recipe.epochs

    @property
    def _epochs_left(self) -> int:
        last = min(self.setting.recipe.epochs, self.setting.pause_after or math.inf)
        return int(last) - len(self.members[0].history)

    def run(self) -> None:
        """Train; afterwards the members' networks and records are up to date."""
        started = time.perf_counter()
        setting, members = self.setting, self.members
        if setting.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(setting.device)
        data = setting.data.to(setting.device)
        epochs = len(members[0].history)
        module, blocks = self._module(data.train)
        if epochs == 0:
            self._look_at_gradients(module, blocks)
        trainer = new_trainer(setting, self.reporter, clip_norm=None)
        if epochs:
            start_at(trainer, epochs, module.optimizer.steps)
        if setting.is_paused_at(epochs):
            for member in members:
                member.stopped = True
        elif epochs < setting.recipe.epochs:
            fit(trainer, module, blocks, DeviceBatches(data.val, EVAL_BATCH_SIZE))
            self.form = ", CUDA graph" if module.is_captured else ""
        module.network.count_batches(module.optimizer.steps)
        ended = [m for m in members if m.outcome is None and (m.stopped or self.is_over)]
        if setting.test and ended:
            self._test(trainer, module, data.test)
        self._keep_state(module)
        setup = time.perf_counter() - started - self.reporter.training_seconds
        for member in members:
            member.setup_seconds += setup / len(members)

    def end_members(self, path: str) -> None:
        """Measure the members that have come to their last epoch, or that were stopped.

        Args:
            path: How the group was trained.
        """
        for member in self.members:
            if member.outcome is None and (member.stopped or self.is_over):
                self.setting.keep(member.key, member.network)
                if self.setting.evidence and not member.stopped:
                    val = self.setting.data.to(self.setting.device).val
                    member.evidence = look_inside(member.network, val)
                member.measure(self.setting, f"{path}{self.form}")

    def _module(self, train: Split) -> tuple[PopulationModule, IndexBlocks]:
        setting, members = self.setting, self.members
        networks = [member.network for member in members]
        network = (
            SingleNetwork(networks[0], setting.device)
            if len(networks) == 1
            else FusedResNet(networks, setting.device)
        )
        blocks = IndexBlocks(
            len(train.labels),
            setting.recipe.batch_size,
            [member.candidate.seed for member in members],
            setting.device,
            Augmentation.from_recipe(setting.recipe, len(train.labels)),
        )
        module = PopulationModule(
            network,
            [member.recipe for member in members],
            train,
            steps_per_epoch=blocks.num_batches,
            steps_done=len(members[0].history) * blocks.num_batches,
            capture=step_capture(setting.device, self._epochs_left * blocks.num_batches),
        )
        for member in members:
            if member.state is not None:
                _restore_moments(module, member)
        return module, blocks

    def _look_at_gradients(self, module: PopulationModule, blocks: IndexBlocks) -> None:
        """Measure the branches' gradients on the first mini-batch, before anything is trained."""
        indices = next(iter(blocks))[:, : self.setting.recipe.batch_size]
        batch = module.mini_batch(indices)
        network = module.network.train()
        if isinstance(network, SingleNetwork):
            own = (
                self.members[0].network,
                lambda logits, labels: log_losses(
                    logits.unsqueeze(0),
                    labels.unsqueeze(0),
                    label_smoothing=self.setting.recipe.label_smoothing,
                ).sum(),
            )
            self.members[0].gradient_norms = gradient_norms(*own, batch[0], batch[1][0])
            return
        network.keep_statistics(False)
        network.parameter_vector.zero_grad()
        module.losses(batch).sum().backward()
        network.keep_statistics(True)
        norms = network.branch_gradient_norms()
        network.parameter_vector.zero_grad()
        for member, own in zip(self.members, norms, strict=True):
            member.gradient_norms = own

    def _test(self, trainer: pl.Trainer, module: PopulationModule, test: Split) -> None:
        trainer.test(module, DeviceBatches(test, EVAL_BATCH_SIZE), verbose=False)
        for index, member in enumerate(self.members):
            for name in ("log_loss", "accuracy"):
                member.tested[name] = module.measured[f"test/{name}"][index]

    def _keep_state(self, module: PopulationModule) -> None:
        """Let members that go on in a smaller group take the optimiser's state along."""
        for index, member in enumerate(self.members):
            if member.outcome is None and not member.stopped and not self.is_over:
                member.state = snapshot(index, member, module, module.optimizer.steps)


def _restore_moments(module: PopulationModule, member: Member) -> None:
    if member.state is None:
        return
    vector = module.network.parameter_vector
    for name, flat in member.state.moments.items():
        own = vector.of_member(module.optimizer.moments[name], member.network)
        for part, value in zip(own, split_like(flat, member.network), strict=True):
            part.copy_(value)
