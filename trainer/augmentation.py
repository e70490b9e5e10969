"""Random crops and flips of training images, on the device and by the candidate's own seed.

A *pick* is one integer that says which image and in which of its forms: index + images * form. The
forms of an image are all its shifts, each as it is or mirrored, so that an augmented mini-batch is
chosen by as many numbers as one that is not.
"""

from typing import Self

import torch
from torch import Tensor

from trainer.recipe import Recipe
from trainer.seeding import generator


class Augmentation:
    """Zero padding and a random crop of the old size, then a horizontal flip by chance.

    Images are normalised, so that zero is the training split's mean colour.

    Args:
        num_images: Images of the training split.
        crop_padding: Pixels added on every side.
        flip: Whether half the images are mirrored.
    """

    def __init__(self, num_images: int, *, crop_padding: int, flip: bool) -> None:
        self._num_images = num_images
        self._padding = crop_padding
        self._shifts = 2 * crop_padding + 1
        self.num_forms = self._shifts**2 * (2 if flip else 1)
        """Forms of an image, all of them equally likely."""

    @classmethod
    def from_recipe(cls, recipe: Recipe, num_images: int) -> Self | None:
        """Return the recipe's augmentation; None where it has none."""
        if not recipe.crop_padding and not recipe.flip:
            return None
        return cls(num_images, crop_padding=recipe.crop_padding, flip=recipe.flip)

    def draw(self, order: Tensor, seed: int, epoch: int) -> Tensor:
        """Draw each image's form for one epoch; stateless, like the order of the images.

        Args:
            order: Indices of images, int64, on the CPU.
            seed: The candidate's seed.
            epoch: Its number, from 0.

        Returns:
            The picks of these images, of the same shape.
        """
        draws = generator(seed, "augment", epoch)
        forms = torch.randint(self.num_forms, (self._num_images,), generator=draws)
        return order + self._num_images * forms[order]

    def gather(self, images: Tensor, picks: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images that are picked, in their forms.

        Nothing here waits for the device.

        Args:
            images: The training split, (images, H, W, C), finite; contiguous, or it is copied.
            picks: (..., N).

        Returns:
            Images (..., N, H, W, C), and their indices (..., N).
        """
        height, width = images.shape[1:3]
        indices = picks % self._num_images
        forms = picks.div(self._num_images, rounding_mode="floor")
        down = forms % self._shifts - self._padding
        forms = forms.div(self._shifts, rounding_mode="floor")
        right = forms % self._shifts - self._padding
        is_flipped = forms >= self._shifts
        row = torch.arange(height, device=picks.device)
        column = torch.arange(width, device=picks.device)
        rows = down[..., None] + row
        columns = torch.where(is_flipped[..., None], width - 1 - column, column) + right[..., None]
        found = _pixels(images, indices, rows.clamp(0, height - 1), columns.clamp(0, width - 1))
        if self._padding:
            is_inside = (
                _is_within(rows, height)[..., :, None] & _is_within(columns, width)[..., None, :]
            )
            found.mul_(is_inside.to(found.dtype)[..., None])
        return found, indices


def _pixels(images: Tensor, indices: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return `images[index, row, column]` for all rows and columns of each index.

    One gather of whole pixels by their place in memory; several times as fast as torch's indexing
    by three tensors.
    """
    height, width, channels = images.shape[1:]
    lines = indices[..., None] * height + rows
    places = (lines * width)[..., :, None] + columns[..., None, :]
    found = images.reshape(-1, channels).index_select(0, places.flatten())
    return found.view(*places.shape, channels)


def _is_within(positions: Tensor, size: int) -> Tensor:
    return (positions >= 0) & (positions < size)
