"""The competent baseline: what a good engineer writes who knows where such scripts lose time.

FROZEN. `docs/decisions/015-frozen-baselines.md` says why it is as it is; any change to this file
needs a decision record, and a test compares its hash.

Data lie on the device and batches are slices of it; channels_last, a fused optimiser, bf16 on
GPUs; a lean Trainer without logger that logs once per epoch; one process per core with one thread
each, or per GPU, on one study in a journal; a W&B run per trial, written in one go at its end
without the statistics and records of the machine that W&B makes by default.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytorch_lightning as pl
import torch
import wandb
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional

from benchmarks.job import Job, read_job
from benchmarks.run_content import (
    about_run,
    describe_candidate,
    evidence_rows,
    history_rows,
    summary,
    with_results,
)
from benchmarks.shared_list import make_stock_sampler
from nas.trials import TrialRecord
from search_spaces.resnet import build_candidate
from trainer.datasets import NormalisedData, Split, load_data
from trainer.evidence import gradient_norms
from trainer.measurement import EpochMetrics
from trainer.module import lr_factor
from trainer.recipe import Recipe

EVAL_BATCH_SIZE = 512


class Batches:
    """Slices of tensors on the device, in a new order every epoch."""

    def __init__(self, split: Split, batch_size: int, *, shuffle: bool) -> None:
        self.split = split
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __len__(self) -> int:
        return math.ceil(len(self.split.labels) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        images, labels = self.split
        if self.shuffle:
            order = torch.randperm(len(labels), device=labels.device)
            images, labels = images[order], labels[order]
        yield from zip(images.split(self.batch_size), labels.split(self.batch_size), strict=True)


class Classifier(pl.LightningModule):
    """A network that sums its metrics on the device and reads them once per epoch."""

    def __init__(self, network: torch.nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.history: list[EpochMetrics] = []
        self.train_losses: list[Tensor] = []
        self.val_sums: list[Tensor] = []

    def on_train_epoch_start(self) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        images, labels = batch
        loss = functional.cross_entropy(
            self.network(images), labels, label_smoothing=self.recipe.label_smoothing
        )
        self.train_losses.append(loss.detach() * len(labels))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Measure a batch."""
        images, labels = batch
        logits = self.network(images).float()
        log_loss = functional.cross_entropy(logits, labels, reduction="sum")
        right = (logits.argmax(dim=1) == labels).sum()
        self.val_sums.append(
            torch.stack([log_loss, right, torch.full_like(log_loss, len(labels))])
        )

    def on_train_epoch_end(self) -> None:
        """Keep the epoch; the validation has run."""
        log_loss, right, count = torch.stack(self.val_sums).sum(dim=0).tolist()
        num_images = len(self.trainer.train_dataloader.split.labels)  # type: ignore[union-attr]
        self.history.append(
            EpochMetrics(
                epoch=self.current_epoch + 1,
                train_loss=float(torch.stack(self.train_losses).sum()) / num_images,
                val_log_loss=log_loss / count,
                val_accuracy=right / count,
                lr=float(self.trainer.optimizers[0].param_groups[0]["lr"]),
                seconds=time.perf_counter() - self.started,
            )
        )
        self.train_losses.clear()
        self.val_sums.clear()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return SGD, and a schedule that moves every step."""
        recipe = self.recipe
        optimizer = torch.optim.SGD(
            self.parameters(),
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            fused=True,
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


def log_run(job: Job, record: TrialRecord, folder: Path) -> None:
    """Write the W&B run of a finished trial."""
    run = wandb.init(
        project="benchmark",
        mode="offline",
        dir=str(folder),
        settings=wandb.Settings(
            console="off",
            silent=True,
            disable_git=True,
            save_code=False,
            x_disable_stats=True,
            x_disable_meta=True,
        ),
        **about_run(job, record),
    )
    for row in (*history_rows(record), *evidence_rows(record.gradient_norms)):
        run.log(row)
    run.summary.update(summary(record))
    run.finish()


def train_trial(trial: optuna.Trial, job: Job, data: NormalisedData, folder: Path) -> float:
    """Train a trial's candidate and return its log-loss."""
    recipe = job.make_recipe()
    spec = job.make_space().suggest(trial)
    seed = job.seed * 100_000 + trial.number
    torch.manual_seed(seed)
    train = Batches(data.train, recipe.batch_size, shuffle=True)
    val = Batches(data.val, EVAL_BATCH_SIZE, shuffle=False)
    network = build_candidate(spec, torch.Generator().manual_seed(seed))
    device = data.train.images.device
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    norms = gradient_norms(network, functional.cross_entropy, *next(iter(train)))
    module = Classifier(network, recipe)
    started = time.perf_counter()
    trainer = pl.Trainer(
        max_epochs=recipe.epochs,
        accelerator=device.type,
        devices=1 if device.type == "cpu" else [device.index],
        precision="32-true" if device.type == "cpu" else "bf16-mixed",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        gradient_clip_val=recipe.gradient_clip_norm,
    )
    trainer.fit(module, train, val)
    seconds = time.perf_counter() - started
    record = describe_candidate(job, trial.number, spec, seed, trial.params)
    record = with_results(record, module.history, norms, seconds)
    log_run(job, record, folder)
    trial.set_user_attr("spec_id", spec.spec_id)
    trial.set_user_attr("val_accuracy", module.history[-1].val_accuracy)
    return module.history[-1].val_log_loss


def main() -> None:
    """Train until the study has its trials, whoever trains them."""
    job, folder, number = read_job("Competent baseline; start it once per core or GPU.")
    device = "cpu" if job.device == "cpu" else f"cuda:{number}"
    if device == "cpu":
        torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = True
    data = load_data(job.data).to(device)
    study = optuna.create_study(
        study_name="benchmark",
        storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
        sampler=make_stock_sampler(job.architectures, job.seed + 1000 * number),
        direction="minimize",
        load_if_exists=True,
    )
    while (trial := study.ask()).number < job.trials:
        study.tell(trial, train_trial(trial, job, data, folder))
    study.tell(trial, state=optuna.trial.TrialState.FAIL)


if __name__ == "__main__":
    main()
