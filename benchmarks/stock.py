"""The stock baseline: what a good user of Optuna, Lightning and W&B writes in fifty lines today.

FROZEN. `docs/decisions/015-frozen-baselines.md` says why it is as it is; any change to this file
needs a decision record, and a test compares its hash.

`study.optimize` with TPE on SQLite, `DataLoader`s, a default Trainer and torch's default threads,
one W&B run per trial. Space, data, split, epochs, batch, optimiser and schedule are given.
"""

import time
from pathlib import Path

import optuna
import pytorch_lightning as pl
import torch
import wandb
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.job import Job, read_job
from benchmarks.run_content import (
    about_run,
    describe_candidate,
    evidence_rows,
    summary,
    with_results,
)
from benchmarks.shared_list import make_stock_sampler
from search_spaces.resnet import build_candidate
from trainer.datasets import NormalisedData, load_data
from trainer.evidence import gradient_norms
from trainer.measurement import EpochMetrics
from trainer.module import lr_factor
from trainer.recipe import Recipe

EVAL_BATCH_SIZE = 512


class Classifier(pl.LightningModule):
    """A network, its loss, its optimiser."""

    def __init__(self, network: torch.nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """Return the loss of a batch."""
        images, labels = batch
        loss = functional.cross_entropy(
            self.network(images), labels, label_smoothing=self.recipe.label_smoothing
        )
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        """Measure a batch."""
        images, labels = batch
        logits = self.network(images)
        self.log("val/log_loss", functional.cross_entropy(logits, labels))
        self.log("val/accuracy", (logits.argmax(dim=1) == labels).float().mean())

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return SGD, and a schedule that moves every step."""
        recipe = self.recipe
        optimizer = torch.optim.SGD(
            self.parameters(),
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
        )
        total = int(self.trainer.estimated_stepping_batches)
        warmup = round(recipe.warmup_epochs * total / recipe.epochs)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: lr_factor(step, warmup=warmup, cosine_steps=total - warmup)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class Curves(pl.Callback):
    """Keeps the metrics of every epoch."""

    def __init__(self) -> None:
        self.history: list[EpochMetrics] = []
        self.started = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep an epoch."""
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.history.append(
            EpochMetrics(
                epoch=trainer.current_epoch + 1,
                train_loss=found["train/loss"],
                val_log_loss=found["val/log_loss"],
                val_accuracy=found["val/accuracy"],
                lr=float(trainer.optimizers[0].param_groups[0]["lr"]),
                seconds=time.perf_counter() - self.started,
            )
        )


def train_trial(trial: optuna.Trial, job: Job, data: NormalisedData, folder: Path) -> float:
    """Train a trial's candidate and return its log-loss."""
    recipe = job.make_recipe()
    spec = job.make_space().suggest(trial)
    seed = job.seed * 100_000 + trial.number
    pl.seed_everything(seed)
    train = DataLoader(TensorDataset(*data.train), batch_size=recipe.batch_size, shuffle=True)
    val = DataLoader(TensorDataset(*data.val), batch_size=EVAL_BATCH_SIZE)
    network = build_candidate(spec, torch.Generator().manual_seed(seed))
    norms = gradient_norms(network, functional.cross_entropy, *next(iter(train)))
    record = describe_candidate(job, trial.number, spec, seed, trial.params)
    logger = WandbLogger(
        project="benchmark", offline=True, save_dir=str(folder), **about_run(job, record)
    )
    curves = Curves()
    trainer = pl.Trainer(
        max_epochs=recipe.epochs,
        accelerator="cpu" if job.device == "cpu" else "gpu",
        devices=1,
        logger=logger,
        callbacks=[curves],
        enable_checkpointing=False,
        enable_progress_bar=False,
        gradient_clip_val=recipe.gradient_clip_norm,
    )
    trainer.fit(Classifier(network, recipe), train, val)
    seconds = sum(epoch.seconds for epoch in curves.history)
    record = with_results(record, curves.history, norms, seconds)
    for row in evidence_rows(norms):
        logger.experiment.log(row)
    logger.experiment.summary.update(summary(record))
    wandb.finish()
    trial.set_user_attr("spec_id", spec.spec_id)
    trial.set_user_attr("val_accuracy", curves.history[-1].val_accuracy)
    return curves.history[-1].val_log_loss


def main() -> None:
    """Run the study of a job."""
    job, folder, _ = read_job("Stock baseline.")
    data = load_data(job.data).to("cpu")
    study = optuna.create_study(
        study_name="benchmark",
        storage=f"sqlite:///{folder}/study.db",
        sampler=make_stock_sampler(job.architectures, job.seed),
        direction="minimize",
    )
    study.optimize(lambda trial: train_trial(trial, job, data, folder), n_trials=job.trials)


if __name__ == "__main__":
    main()
