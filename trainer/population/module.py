"""The Lightning module of a group: a block of mini-batches per training step.

Shapes: N mini-batch, K classes; images of all members are (N, members * C, H, W).
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor

from trainer.augmentation import Augmentation
from trainer.datasets import Split
from trainer.module import Batch, lr_factor
from trainer.population.metrics import MemberMeans, accuracies, log_losses
from trainer.population.network import FusedResNet
from trainer.population.optimizer import PopulationOptimizer
from trainer.population.single import SingleNetwork
from trainer.recipe import Recipe

if TYPE_CHECKING:
    # On a CPU nothing is captured, and the module is not loaded.
    from trainer.population.capture import StepCapture


class PopulationModule(pl.LightningModule):
    """Trains all members of a group at once; each as `CandidateModule` would train it alone.

    Optimisation is manual: a `training_step` takes a block of mini-batches and steps once for
    each of them through Lightning's wrapped optimiser, so that `global_step` counts mini-batches.

    Args:
        network: The members as one network.
        recipes: Each member's recipe.
        train: The training split, on the device.
        steps_per_epoch: Mini-batches of an epoch.
        steps_done: Mini-batches before a resume.
        capture: Records the step of a whole mini-batch, to run it again from the record.
    """

    def __init__(
        self,
        network: FusedResNet | SingleNetwork,
        recipes: Sequence[Recipe],
        train: Split,
        *,
        steps_per_epoch: int,
        steps_done: int = 0,
        capture: "StepCapture | None" = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        # The members' own state is what is saved.
        self.network = network
        self.recipe = recipes[0]
        self.optimizer = PopulationOptimizer(network.parameter_vector, recipes)
        self.optimizer.steps = steps_done
        self.num_members = len(recipes)
        self.train_losses = MemberMeans(self.num_members)
        self.val_losses = MemberMeans(self.num_members)
        self.val_accuracies = MemberMeans(self.num_members)
        self.measured: dict[str, list[float]] = {}
        """By name of the metric, each member's value of the last epoch or test."""
        self._images = train.images.permute(0, 2, 3, 1).contiguous()
        self._labels = train.labels
        self._augmentation = Augmentation.from_recipe(self.recipe, len(train.labels))
        self._capture = capture
        self._steps_per_epoch = steps_per_epoch
        self._steps_done = steps_done

    @property
    def is_captured(self) -> bool:
        """Whether whole mini-batches are trained on from a record."""
        return self._capture is not None and self._capture.is_used

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set all gradients to zero; they keep their memory, which belongs to the vector."""
        self.network.parameter_vector.zero_grad()

    def mini_batch(self, indices: Tensor) -> Batch:
        """Gather each member's images (N, members * C, H, W) and labels (members, N).

        Args:
            indices: (members, N); picks where images are augmented.
        """
        if self._augmentation is None:
            images = self._images[indices]
        else:
            images, indices = self._augmentation.gather(self._images, indices)
        # (N, H, W, members, C) in memory: a member's channels side by side, channels last.
        images = images.permute(1, 2, 3, 0, 4)
        return images.flatten(3).permute(0, 3, 1, 2), self._labels[indices]

    def losses(self, batch: Batch) -> Tensor:
        """Return each member's training loss on its batch, (members,)."""
        images, labels = batch
        logits = self.network(images)
        return log_losses(logits, labels, label_smoothing=self.recipe.label_smoothing)

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        """Train on a block of mini-batches.

        Args:
            batch: Indices of each member's images, (members, images).
            batch_idx: Number of the block.
        """
        optimizer, schedule = self.optimizers(), self.lr_schedulers()
        sums = torch.zeros(self.num_members, device=self.device)
        for indices in batch.split(self.recipe.batch_size, dim=1):
            losses = self._train(indices, optimizer)
            schedule.step()  # pyright: ignore[reportAttributeAccessIssue,reportOptionalMemberAccess,reportCallIssue]
            sums.add_(losses, alpha=indices.shape[1])
        self.train_losses.update(sums / batch.shape[1], batch.shape[1])

    def _train(self, indices: Tensor, optimizer: Any) -> Tensor:
        """Take one step through Lightning's optimiser; return the losses, (members,)."""
        if self._capture is not None and indices.shape[1] == self.recipe.batch_size:
            captured = self._capture.step_for(self, indices)
            if captured is not None:
                optimizer.step(instead=partial(captured.run, indices))
                return captured.losses
        optimizer.zero_grad()
        losses = self.losses(self.mini_batch(indices))
        # Each member's loss has the gradient 1, so that no member scales another's.
        self.manual_backward(losses.sum())
        optimizer.step()
        return losses.detach()

    @torch.enable_grad()
    def whole_step(self, indices: Tensor) -> Tensor:
        """Take one step without Lightning, from the images to the weights; return the losses.

        It can be recorded: nothing in it waits for the device or hangs on a Python number that
        changes. The optimiser does not count it.
        """
        self.zero_grad()
        losses = self.losses(self.mini_batch(indices))
        losses.sum().backward()
        self.optimizer.move_by_device_numbers()
        return losses.detach()

    def state_tensors(self) -> list[Tensor]:
        """Return all that a step changes, as it lies on the device."""
        buffers = [buffer for network in self.network.networks for buffer in network.buffers()]
        return [self.network.parameter_vector.vector, *self.optimizer.moments.values(), *buffers]

    def on_train_epoch_end(self) -> None:
        """Read the epoch's mean losses; one look per epoch, as it waits for the device."""
        self.measured["train/loss"] = _read(self.train_losses)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure one batch, which all members see."""
        images, labels = batch
        logits = self.network(self.for_all(images)).float()
        own = labels.expand(self.num_members, -1)
        self.val_losses.update(log_losses(logits, own), len(labels))
        self.val_accuracies.update(accuracies(logits, own), len(labels))

    def on_validation_epoch_end(self) -> None:
        """Read the metrics of the whole split."""
        self._read_evaluation("val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure one batch, which all members see."""
        self.validation_step(batch, batch_idx)

    def on_test_epoch_end(self) -> None:
        """Read the metrics of the whole split."""
        self._read_evaluation("test")

    def for_all(self, images: Tensor) -> Tensor:
        """Give each member the same images: (N, C, H, W) to (N, members * C, H, W)."""
        if self.num_members == 1:
            return images
        repeated = images.repeat(1, self.num_members, 1, 1)
        return repeated.contiguous(memory_format=torch.channels_last)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the group's optimiser, and the schedule that moves every mini-batch."""
        recipe = self.recipe
        warmup = round(recipe.warmup_epochs * self._steps_per_epoch)
        total = recipe.epochs * self._steps_per_epoch
        cosine_steps = total - warmup if recipe.schedule == "cosine" else float("inf")
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: lr_factor(
                step + self._steps_done, warmup=warmup, cosine_steps=cosine_steps
            ),
        )
        return {
            "optimizer": self.optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def _read_evaluation(self, split: str) -> None:
        self.measured[f"{split}/log_loss"] = _read(self.val_losses)
        self.measured[f"{split}/accuracy"] = _read(self.val_accuracies)


def _read(metric: MemberMeans) -> list[float]:
    # torchmetrics makes a number of what has one element.
    values = metric.compute().reshape(-1).tolist()
    metric.reset()
    return values
