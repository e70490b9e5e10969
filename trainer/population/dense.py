"""3x3 convolutions on maps of 2x2 px as matrix products.

Every pixel of such a map sees every other one through exactly one of the nine weights, so the
convolution is a full matrix per member. On a CPU the batched product is several times as fast as
the grouped convolution, whose kernels are made for larger images.

Shapes: (N, members * C, 2, 2), a member's channels side by side, channels last in memory.
"""

import functools
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

SIDE = 2
"""Height and width of the maps, px."""
_PIXELS = SIDE * SIDE
_LEAST_CHANNELS = 16
"""Input channels per member; with fewer the grouped convolution is as fast."""


def is_dense(x: Tensor, weight: Tensor, stride: tuple[int, ...], members: int) -> bool:
    """Say whether a convolution is one of these, and the product the faster way."""
    return (
        x.shape[2:] == (SIDE, SIDE)
        and weight.shape[2:] == (3, 3)
        and set(stride) == {1}
        and members > 1
        and weight.shape[1] >= _LEAST_CHANNELS
        and x.device.type == "cpu"
    )


def dense_convolution(x: Tensor, weight: Tensor, members: int) -> Tensor:
    """Convolve with stride 1 and padding 1, without a bias.

    Args:
        x: (N, members * C_in, 2, 2).
        weight: (members * C_out, C_in, 3, 3), channels last in memory.
        members: How many.

    Returns:
        (N, members * C_out, 2, 2).
    """
    if torch.is_autocast_enabled(x.device.type):
        kind = torch.get_autocast_dtype(x.device.type)
        x, weight = x.to(kind), weight.to(kind)
    return _Dense.apply(x, weight, members)  # pyright: ignore[reportReturnType]


@functools.cache
def _taps(device: torch.device) -> Tensor:
    """Return which of the nine weights joins an output pixel to an input pixel, (16,)."""
    pixel = torch.arange(_PIXELS, device=device)
    row, column = pixel // SIDE, pixel % SIDE
    down = row[None, :] - row[:, None] + 1
    right = column[None, :] - column[:, None] + 1
    return (3 * down + right).flatten()


def _rows(x: Tensor, members: int) -> Tensor:
    """Return (members, N, pixels * C): one row per image."""
    count = x.shape[0]
    return (
        x.permute(0, 2, 3, 1)
        .reshape(count, _PIXELS, members, -1)
        .permute(2, 0, 1, 3)
        .reshape(members, count, -1)
    )


def _maps(rows: Tensor, members: int) -> Tensor:
    """Undo `_rows`; the result is no view, so that what follows may write over it."""
    count, channels = rows.shape[1], rows.shape[2] // _PIXELS
    shape = (count, members * channels, SIDE, SIDE)
    maps = torch.empty(
        shape, dtype=rows.dtype, device=rows.device, memory_format=torch.channels_last
    )
    pixels = maps.permute(0, 2, 3, 1).view(count, _PIXELS, members, channels)
    pixels.copy_(rows.view(members, count, _PIXELS, channels).permute(1, 2, 0, 3))
    return maps


class _Dense(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, members: int) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        outs, channels = weight.shape[0] // members, weight.shape[1]
        by_tap = weight.permute(0, 2, 3, 1).reshape(members, outs, 9, channels)
        joined = by_tap.index_select(2, _taps(x.device))
        matrix = (
            joined.view(members, outs, _PIXELS, -1)
            .transpose(1, 2)
            .reshape(members, _PIXELS * outs, -1)
        )
        rows = _rows(x, members)
        ctx.save_for_backward(rows, matrix)
        ctx.outs = outs
        return _maps(rows @ matrix.transpose(1, 2), members)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        rows, matrix = ctx.saved_tensors
        members, outs = matrix.shape[0], ctx.outs
        above = _rows(gradient, members)
        below = _maps(above @ matrix, members) if ctx.needs_input_grad[0] else None
        by_pixel = (above.transpose(1, 2) @ rows).view(members, _PIXELS, outs, _PIXELS, -1)
        by_tap = by_pixel.new_zeros(members, outs, 9, by_pixel.shape[-1])
        for out, taps in enumerate(_taps(gradient.device).split(_PIXELS)):
            by_tap.index_add_(2, taps, by_pixel[:, out])
        weight = by_tap.view(members * outs, 3, 3, -1).permute(0, 3, 1, 2)
        return below, weight, None
