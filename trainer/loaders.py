"""Batches from tensors that already lie on the device, without worker processes."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from trainer.augmentation import Augmentation
from trainer.datasets import Split
from trainer.seeding import generator

EVAL_BATCH_SIZE = 512
"""Images per batch of an evaluation; large, as no gradients are kept."""


class SeededOrder:
    """The order of the images, drawn anew for each epoch from the candidate's own seed.

    Stateless: epoch 5 has the same order whether or not epochs 0 to 4 were run before, which
    makes a resume exact. Lightning calls `set_epoch` on a loader's `sampler` before every epoch.
    """

    def __init__(self, num_images: int, seed: int) -> None:
        self.num_images = num_images
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is drawn next; the first is 0."""
        self.epoch = epoch

    def permutation(self) -> Tensor:
        """Return this epoch's order of the indices, (num_images,), int64, on the CPU."""
        draws = generator(self.seed, "order", self.epoch)
        return torch.randperm(self.num_images, generator=draws)


class DeviceBatches:
    """Batches (images, labels) of one split; an iterable with a length, ordinary for Lightning.

    The last, shorter batch is kept, unless a training batch would hold a single image: batch norm
    needs two values per channel, and a stage may have shrunk its images to one pixel.

    Args:
        split: Images (N, C, H, W) and labels (N,), on the device.
        batch_size: Images per batch.
        seed: The candidate's seed, for training; without it the order is that of the split.
        augmentation: How training images are changed at random, by the same seed.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        *,
        seed: int | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.split = split
        self.batch_size = batch_size
        self.augmentation = augmentation
        # Channels last in memory, where an image's form is one gather.
        self._images = None if augmentation is None else _channels_last(split.images)
        self.sampler = None if seed is None else SeededOrder(len(split.labels), seed)
        # Lightning asks what has a `sampler` for this one too.
        self.batch_sampler = None

    def __len__(self) -> int:
        count = len(self.split.labels)
        whole, rest = divmod(count, self.batch_size)
        if self.sampler is not None and rest == 1 and whole:
            return whole
        return math.ceil(count / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        # A generator: the epoch is read when the first batch is asked for, after `set_epoch`.
        images, labels = self.split
        if self.sampler is None:
            for start in range(0, len(labels), self.batch_size):
                stop = start + self.batch_size
                yield images[start:stop], labels[start:stop]
            return
        order = self.sampler.permutation()
        if self.augmentation is not None:
            yield from self._augmented(order, self.augmentation)
            return
        order = order.to(labels.device)
        for number in range(len(self)):
            chosen = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield images[chosen], labels[chosen]

    def _augmented(
        self, order: Tensor, augmentation: Augmentation
    ) -> Iterator[tuple[Tensor, Tensor]]:
        if self.sampler is None or self._images is None:
            return
        seed, epoch = self.sampler.seed, self.sampler.epoch
        picks = augmentation.draw(order, seed, epoch).to(self.split.labels.device)
        for number in range(len(self)):
            chosen = picks[number * self.batch_size : (number + 1) * self.batch_size]
            images, indices = augmentation.gather(self._images, chosen)
            yield images.permute(0, 3, 1, 2), self.split.labels[indices]


def _channels_last(images: Tensor) -> Tensor:
    """Return images (N, C, H, W) as (N, H, W, C), contiguous."""
    return images.permute(0, 2, 3, 1).contiguous()
