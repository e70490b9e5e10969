"""Training loops of PyTorch alone, by which the cost of what lies above it is measured (H3)."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.resnet import build_candidate
from search_spaces.spec import ArchitectureSpec
from trainer.datasets import ImageData, NormalisedData
from trainer.loaders import EVAL_BATCH_SIZE, DeviceBatches
from trainer.module import lr_factor
from trainer.population.batches import IndexBlocks
from trainer.population.optimizer import PopulationOptimizer
from trainer.population.single import SingleNetwork
from trainer.recipe import Recipe
from trainer.seeding import generator


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One training."""

    per_step: float
    """Seconds from the first epoch's start to the last one's end, over the steps."""
    whole: float
    """Seconds of the whole call."""
    first_loss: float
    """Mean training loss of the first epoch, nats."""
    path: str


@dataclass(frozen=True, kw_only=True, eq=False)
class _Parts:
    """What a loop is made of."""

    logits: Callable[[Tensor], Tensor]
    """Maps images to logits (N, K)."""
    module: nn.Module
    """What is put in training mode."""
    optimizer: torch.optim.Optimizer
    batches: Callable[[int], Iterable[tuple[Tensor, Tensor]]]
    """By epoch, images and labels on the device."""
    num_batches: int


def train_raw(
    spec: ArchitectureSpec, recipe: Recipe, data: ImageData, device: str, seed: int
) -> Timed:
    """Train as one would without us: torch's fused SGD, batches gathered on the device."""
    called = time.perf_counter()
    splits = data.to(device)
    loader = DeviceBatches(splits.train, recipe.batch_size, seed=seed)
    network = build_candidate(spec, generator(seed, "init")).to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=True,
    )

    def batches(epoch: int) -> Iterable[tuple[Tensor, Tensor]]:
        loader.sampler.set_epoch(epoch)  # type: ignore[union-attr]
        return loader

    parts = _Parts(
        logits=network,
        module=network,
        optimizer=optimizer,
        batches=batches,
        num_batches=len(loader),
    )
    return _train(parts, recipe, splits, device, called, "raw")


def train_bare(
    spec: ArchitectureSpec, recipe: Recipe, data: ImageData, device: str, seed: int
) -> Timed:
    """Train by our own network, optimiser and batches, without Lightning around them."""
    called = time.perf_counter()
    splits = data.to(device)
    where = torch.device(device)
    blocks = IndexBlocks(len(splits.train.labels), recipe.batch_size, [seed], where)
    network = SingleNetwork(build_candidate(spec, generator(seed, "init")), where)
    images = splits.train.images.permute(0, 2, 3, 1).contiguous()

    def batches(epoch: int) -> Iterable[tuple[Tensor, Tensor]]:
        blocks.sampler.set_epoch(epoch)
        for block in blocks:
            for [indices] in block.split(recipe.batch_size, dim=1):
                yield images[indices].permute(0, 3, 1, 2), splits.train.labels[indices]

    parts = _Parts(
        logits=lambda images: network(images)[0],
        module=network,
        optimizer=PopulationOptimizer(network.parameter_vector, [recipe]),
        batches=batches,
        num_batches=blocks.num_batches,
    )
    return _train(parts, recipe, splits, device, called, "bare")


def _train(
    parts: _Parts, recipe: Recipe, splits: NormalisedData, device: str, called: float, path: str
) -> Timed:
    warmup = round(recipe.warmup_epochs * parts.num_batches)
    cosine_steps = recipe.epochs * parts.num_batches - warmup
    schedule = torch.optim.lr_scheduler.LambdaLR(
        parts.optimizer, lambda step: lr_factor(step, warmup=warmup, cosine_steps=cosine_steps)
    )
    mixed = recipe.precision == "bf16-mixed"
    autocast = torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=mixed)
    val = DeviceBatches(splits.val, EVAL_BATCH_SIZE)
    losses: list[float] = []
    started = time.perf_counter()
    for epoch in range(recipe.epochs):
        parts.module.train()
        total = torch.zeros((), device=device)
        for images, labels in parts.batches(epoch):
            parts.optimizer.zero_grad()
            with autocast:
                loss = functional.cross_entropy(parts.logits(images), labels)
            loss.backward()
            parts.optimizer.step()
            schedule.step()
            total += loss.detach() * len(labels)
        _validate(parts, val, autocast, device)
        losses.append(float(total) / len(splits.train.labels))
    ended = time.perf_counter()
    return Timed(
        per_step=(ended - started) / (recipe.epochs * parts.num_batches),
        whole=ended - called,
        first_loss=losses[0],
        path=path,
    )


def _validate(
    parts: _Parts, val: DeviceBatches, autocast: torch.autocast, device: str
) -> list[float]:
    """Return log-loss and right answers; reading waits for the device, as ours does per epoch."""
    parts.module.eval()
    sums = torch.zeros(2, device=device)
    with torch.inference_mode(), autocast:
        for images, labels in val:
            logits = parts.logits(images)
            sums[0] += functional.cross_entropy(logits.float(), labels, reduction="sum")
            sums[1] += (logits.argmax(dim=1) == labels).sum()
    return sums.tolist()
