"""The Lightning callback between a group and its owner: records, checkpoints, verdicts."""

import math
import time
from collections.abc import Sequence

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from trainer.compact import CandidateState, flat_buffers, flat_parameters, flatten
from trainer.measurement import EpochMetrics, Reason
from trainer.population.members import Member, plain_history
from trainer.population.module import PopulationModule
from trainer.progress import Verdict
from trainer.setting import Setting

SECONDS_BETWEEN_CHECKPOINTS = 1.0
"""A killed worker loses at most what it did since; more often would cost small networks more than
it saves."""


class GroupReporter(Checkpoint):
    """After each epoch and its validation: record, save, and ask for every member's verdict.

    A member that diverges or is stopped leaves: the Trainer stops, and the rest go on as a smaller
    group.

    Args:
        members: Members of the group, in its order.
        setting: Progress and checkpoints.
    """

    def __init__(self, members: Sequence[Member], setting: Setting) -> None:
        self.members = list(members)
        self.outside_error: Exception | None = None
        """What `progress` or `checkpoints` raised; no fault of a candidate."""
        self.training_seconds = 0.0
        self._setting = setting
        self._epoch_started = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clocks."""
        self._epoch_started = time.perf_counter()
        for member in self.members:
            # What a resume begins with is safe already.
            member.last_saved = max(member.last_saved, self._epoch_started)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the epoch of every member, and let those leave that are to go no further."""
        if not isinstance(pl_module, PopulationModule):
            raise TypeError(f"A group needs a PopulationModule, got {type(pl_module).__name__}.")
        self._record(pl_module)
        steps = pl_module.optimizer.steps
        for index, member in enumerate(self.members):
            if member.outcome is None:
                self._report(index, member, pl_module, steps)
        gone = [m for m in self.members if m.stopped or m.outcome is not None]
        done = max(len(member.history) for member in self.members)
        if len(gone) == len(self.members) or (gone and done < self._setting.recipe.epochs):
            trainer.should_stop = True
        now = time.perf_counter()
        self.training_seconds += now - self._epoch_started
        self._epoch_started = now

    def _record(self, module: PopulationModule) -> None:
        """Append the epoch to each member's history; a loss that is not finite ends it."""
        seconds = (time.perf_counter() - self._epoch_started) / len(self.members)
        measured = module.measured
        factor = float(module.optimizer.param_groups[0]["lr"])
        for index, member in enumerate(self.members):
            values = {name: of_members[index] for name, of_members in measured.items()}
            epoch = len(member.history) + 1
            for name in ("train/loss", "val/log_loss"):
                if not math.isfinite(values[name]):
                    member.fail(
                        Reason.DIVERGED,
                        f"DivergedError: Epoch {epoch}: the loss must be finite, got {name}="
                        f"{values[name]}. Lower the learning rate or lengthen the warm-up.",
                    )
                    break
            else:
                member.history.append(
                    EpochMetrics(
                        epoch=epoch,
                        train_loss=values["train/loss"],
                        val_log_loss=values["val/log_loss"],
                        val_accuracy=values["val/accuracy"],
                        lr=factor * member.recipe.lr,
                        seconds=seconds,
                    )
                )

    def _report(self, index: int, member: Member, module: PopulationModule, steps: int) -> None:
        epoch = member.history[-1]
        pauses = self._setting.is_paused_at(epoch.epoch)
        try:
            was_due = pauses or self._is_due(member)
            if was_due:
                self._save(index, member, module, steps)
            verdict = self._verdict(member, epoch)
            if verdict is Verdict.STOP and not was_due:
                self._save(index, member, module, steps)
        except Exception as error:
            self.outside_error = error
            raise
        is_last = epoch.epoch >= self._setting.recipe.epochs
        member.stopped = not is_last and (pauses or verdict is Verdict.STOP)

    def _verdict(self, member: Member, epoch: EpochMetrics) -> Verdict:
        """Ask once per epoch, also where a group that failed is trained again."""
        if epoch.epoch > member.told:
            member.told = epoch.epoch
            verdict = self._setting.progress.epoch_done(member.key, epoch)
            if verdict is Verdict.STOP:
                member.stops_after = epoch.epoch
        return Verdict.STOP if member.stops_after == epoch.epoch else Verdict.CONTINUE

    def _save(self, index: int, member: Member, module: PopulationModule, steps: int) -> None:
        if self._setting.checkpoints is not None:
            state = snapshot(index, member, module, steps)
            self._setting.checkpoints.save(member.key, state.to_bytes())
            member.last_saved = time.perf_counter()

    def _is_due(self, member: Member) -> bool:
        return time.perf_counter() - member.last_saved >= SECONDS_BETWEEN_CHECKPOINTS


def snapshot(index: int, member: Member, module: PopulationModule, steps: int) -> CandidateState:
    """Return a member's state as it is now."""
    vector = module.network.parameter_vector
    module.network.count_batches(steps)
    return CandidateState(
        identity=dict(member.identity),
        history=plain_history(member.history),
        gradient_norms=list(member.gradient_norms),
        steps=steps,
        parameters=flat_parameters(member.network),
        buffers=flat_buffers(member.network),
        moments={
            name: flatten(vector.of_member(moment, member.network))
            for name, moment in module.optimizer.moments.items()
        },
    )
