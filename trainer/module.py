"""The Lightning module of one candidate: network, loss, metrics, optimiser and schedule."""

import math
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from search_spaces.resnet import build_candidate
from search_spaces.spec import ArchitectureSpec
from trainer.errors import RecipeError
from trainer.recipe import Recipe
from trainer.seeding import generator

Batch = tuple[Tensor, Tensor]
"""Normalised images (N, C, H, W) and labels (N,)."""


class ImageMean(Metric):
    """Mean over all images seen, of batches of unequal size.

    torchmetrics' `MeanMetric` either looks for NaN at every step, which waits for the device, or
    (version 1.9, `nan_strategy="disable"`) forgets the weights.
    """

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, mean: Tensor, num_images: int) -> None:
        """Take the mean of one batch."""
        self.total += mean * num_images
        self.count += num_images

    def compute(self) -> Tensor:
        """Return the mean."""
        return self.total / self.count


class LogLoss(ImageMean):
    """Mean negative log-likelihood of the right class, in nats, over all images seen."""

    higher_is_better = False

    def update(self, logits: Tensor, labels: Tensor) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take logits (N, K) and labels (N,)."""
        super().update(functional.cross_entropy(logits.float(), labels), labels.numel())


class CandidateModule(pl.LightningModule):
    """Trains one candidate; an ordinary module for any Trainer and any loader of batches.

    Logs `train/loss`, `val/log_loss`, `val/accuracy`, `test/log_loss` and `test/accuracy`, once
    per epoch. To change a part, subclass and override `build_network` (another head),
    `training_loss` or `make_metrics`; what else Lightning offers can be overridden as usual. A
    study takes the subclass under its key `task`; further arguments of `__init__` are JSON values.
    Clipping and precision of the recipe are the Trainer's business.

    Args:
        spec: The architecture, as `ArchitectureSpec.to_dict` gives it.
        recipe: The recipe, as `Recipe.model_dump(mode="json")` gives it.
        seed: The candidate's seed; the initial weights hang on it alone.
    """

    def __init__(self, spec: dict[str, Any], recipe: dict[str, Any], seed: int) -> None:
        super().__init__()
        # Plain JSON only, so that checkpoints load with weights_only=True.
        self.save_hyperparameters()
        self.spec = ArchitectureSpec.from_dict(spec)
        self.recipe = Recipe.model_validate(recipe)
        network = self.build_network(generator(seed, "init"))
        # Convolutions of this size are 5 to 15 % faster that way, also on the CPU.
        self.network = network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.train_loss = ImageMean()
        self.val_metrics = self.make_metrics().clone(prefix="val/")
        self.test_metrics = self.make_metrics().clone(prefix="test/")

    def build_network(self, generator: torch.Generator) -> nn.Module:
        """Return the network of `self.spec`; all its randomness must come from `generator`."""
        return build_candidate(self.spec, generator)

    def training_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss to minimise: the batch's mean cross-entropy, labels smoothed, in nats."""
        return functional.cross_entropy(
            logits, labels, label_smoothing=self.recipe.label_smoothing
        )

    def make_metrics(self) -> MetricCollection:
        """Return what is measured on logits (N, K) and labels (N,) of validation and test.

        `train` needs `accuracy` and `log_loss`. More may be added, each one number, named with
        letters, digits and underscores; a study can optimise them.
        """
        accuracy = MulticlassAccuracy(self.spec.num_classes, average="micro", validate_args=False)
        return MetricCollection(
            {"accuracy": accuracy, "log_loss": LogLoss()}, compute_groups=False
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images (N, C, H, W) to logits (N, K)."""
        return self.network(images)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch."""
        images, labels = batch
        loss = self.training_loss(self(images), labels)
        self.train_loss.update(loss.detach(), labels.numel())
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the epoch's mean loss; logging each step would cost more than it tells."""
        self.log("train/loss", self.train_loss.compute())
        self.train_loss.reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure one batch."""
        images, labels = batch
        self.val_metrics.update(self(images), labels)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the whole split."""
        self.log_dict(self.val_metrics.compute())
        self.val_metrics.reset()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure one batch."""
        images, labels = batch
        self.test_metrics.update(self(images), labels)

    def on_test_epoch_end(self) -> None:
        """Log the metrics of the whole split."""
        self.log_dict(self.test_metrics.compute())
        self.test_metrics.reset()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the recipe's optimiser, and its schedule that moves every step.

        Raises:
            RecipeError: A Trainer without a last epoch, of which the schedule is a function.
        """
        recipe = self.recipe
        total = self.trainer.estimated_stepping_batches
        if self.trainer.max_epochs in (None, -1):
            raise RecipeError(
                f"recipe: the schedule {recipe.schedule!r} needs a Trainer that counts epochs, "
                f"got max_epochs={self.trainer.max_epochs}. Set max_epochs."
            )
        optimizer = self._optimizer()
        steps_per_epoch = self.trainer.num_training_batches / self.trainer.accumulate_grad_batches
        warmup = round(recipe.warmup_epochs * math.ceil(steps_per_epoch))
        cosine_steps = total - warmup if recipe.schedule == "cosine" else math.inf
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: lr_factor(step, warmup=warmup, cosine_steps=cosine_steps)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def _optimizer(self) -> torch.optim.Optimizer:
        recipe = self.recipe
        # Lightning refuses to clip for a fused optimiser under mixed precision.
        clips = bool(self.trainer.gradient_clip_val)
        fused = not (clips and "mixed" in str(self.trainer.precision))
        if recipe.optimizer == "adamw":
            return torch.optim.AdamW(
                self.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, fused=fused
            )
        return torch.optim.SGD(
            self.parameters(),
            lr=recipe.lr,
            momentum=recipe.momentum,
            # torch allows Nesterov only with momentum.
            nesterov=recipe.nesterov and recipe.momentum > 0,
            weight_decay=recipe.weight_decay,
            fused=fused,
        )


def lr_factor(step: int, *, warmup: int, cosine_steps: float) -> float:
    """Return the share of the peak learning rate at a step, from 0.

    Args:
        step: Steps done before.
        warmup: Steps of the linear rise; the last of them has the peak rate.
        cosine_steps: Steps from the peak down to zero; infinite keeps the peak.

    >>> [lr_factor(step, warmup=2, cosine_steps=4) for step in (0, 1, 2, 4, 6)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    if step < warmup:
        return (step + 1) / warmup
    if math.isinf(cosine_steps):
        return 1.0
    done = min(1.0, (step - warmup) / max(1, cosine_steps))
    return 0.5 * (1 + math.cos(math.pi * done))
