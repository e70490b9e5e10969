"""Blocks of mini-batches as indices: the images themselves lie on the device."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from trainer.augmentation import Augmentation
from trainer.loaders import SeededOrder

BATCHES_PER_BLOCK = 32
"""Mini-batches per `training_step`; what Lightning does around a step is then done this seldom.
Few enough that a signal is heard within seconds."""


class EpochOrders:
    """The orders of all members; what Lightning calls `sampler`, to tell it the epoch.

    Args:
        num_images: Images of the training split.
        seeds: The members' seeds.
        augmentation: How their images are changed at random.
    """

    def __init__(
        self,
        num_images: int,
        seeds: Sequence[int],
        augmentation: Augmentation | None = None,
    ) -> None:
        self._orders = [SeededOrder(num_images, seed) for seed in seeds]
        self._augmentation = augmentation

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose orders are drawn next; the first is 0."""
        for order in self._orders:
            order.set_epoch(epoch)

    def permutations(self) -> Tensor:
        """Return each member's order of the images, (members, num_images), on the CPU.

        Indices, or picks where images are augmented.
        """
        return torch.stack([self._drawn(order) for order in self._orders])

    def _drawn(self, order: SeededOrder) -> Tensor:
        indices = order.permutation()
        if self._augmentation is None:
            return indices
        return self._augmentation.draw(indices, order.seed, order.epoch)


class IndexBlocks:
    """Yields blocks (members, images) of indices; each member has the order of its own seed.

    Where images are augmented, the indices are picks, which say the image's form too. The mini-batches are those of `DeviceBatches`: the last, shorter one is kept unless it is a
    single image.

    Args:
        num_images: Images of the training split.
        batch_size: Images per mini-batch.
        seeds: The members' seeds.
        device: Where the indices go.
        augmentation: How images are changed at random.
    """

    def __init__(
        self,
        num_images: int,
        batch_size: int,
        seeds: Sequence[int],
        device: torch.device,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.sampler = EpochOrders(num_images, seeds, augmentation)
        # Lightning asks what has a `sampler` for this one too.
        self.batch_sampler = None
        self._batch_size = batch_size
        self._device = device
        whole, rest = divmod(num_images, batch_size)
        drops_last = rest == 1 and whole > 0
        self.num_images = num_images - rest if drops_last else num_images
        self.num_batches = math.ceil(self.num_images / batch_size)

    def __len__(self) -> int:
        return math.ceil(self.num_batches / BATCHES_PER_BLOCK)

    def __iter__(self) -> Iterator[Tensor]:
        orders = self.sampler.permutations()[:, : self.num_images].to(self._device)
        yield from orders.split(self._batch_size * BATCHES_PER_BLOCK, dim=1)
