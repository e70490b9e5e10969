"""Taking members out of a fused tensor and adding to some of them.

Shapes: a fused tensor is (N, members * C, H, W), a member's channels side by side, channels last
in memory. Positions count members.
"""

from typing import Any

from torch import Tensor
from torch.autograd import Function


def by_member(x: Tensor, channels: int) -> Tensor:
    """View (N, members * C, H, W) as (N, H, W, members, C)."""
    return x.permute(0, 2, 3, 1).unflatten(3, (-1, channels))


def fused(x: Tensor) -> Tensor:
    """View (N, H, W, members, C) as (N, members * C, H, W)."""
    return x.flatten(3).permute(0, 3, 1, 2)


def take(x: Tensor, positions: Tensor, channels: int) -> Tensor:
    """Return these members in this order; a position may come at most once.

    Args:
        x: (N, members * C, H, W).
        positions: (taken,), int64.
        channels: C.
    """
    return _Take.apply(x, positions, channels)  # pyright: ignore[reportReturnType]


def fork(x: Tensor, chosen: list[Tensor], channels: int) -> tuple[Tensor, list[Tensor]]:
    """Return `x` itself and several choices of its members, as `take` returns them.

    Its gradient adds those of the choices to that of `x` in place, instead of summing whole
    tensors that are zero for most members.

    Args:
        x: (N, members * C, H, W).
        chosen: For each choice its positions, (taken,), int64.
        channels: C.
    """
    first, *rest = _Fork.apply(x, channels, *chosen)  # pyright: ignore[reportGeneralTypeIssues]
    return first, rest


def add_at(x: Tensor, part: Tensor, positions: Tensor, channels: int) -> Tensor:
    """Add `part` to these members of `x`, in place; a position may come at most once.

    The others are not touched, not even by adding zero.

    Args:
        x: (N, members * C, H, W), overwritten.
        part: (N, positions * C, H, W).
        positions: (added,), int64.
        channels: C.
    """
    return _AddAt.apply(x, part, positions, channels)  # pyright: ignore[reportReturnType]


# Own gradients: torch's of indexing add up, member by member, as a position might come twice.


class _Take(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, positions: Tensor, channels: int) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        members = by_member(x, channels)
        ctx.save_for_backward(positions)
        ctx.channels, ctx.shape = channels, members.shape
        return fused(members.index_select(3, positions))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (positions,) = ctx.saved_tensors
        whole = gradient.new_zeros(ctx.shape)
        whole.index_copy_(3, positions, by_member(gradient, ctx.channels))
        return fused(whole), None, None


class _Fork(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, channels: int, *chosen: Tensor) -> tuple[Tensor, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(*chosen)
        ctx.channels = channels
        members = by_member(x, channels)
        return x, *(fused(members.index_select(3, positions)) for positions in chosen)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *parts: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        # The branch's convolution has just made it, and nobody else reads it.
        whole = by_member(gradient, ctx.channels)
        for positions, part in zip(ctx.saved_tensors, parts, strict=True):
            whole.index_add_(3, positions, by_member(part, ctx.channels))
        return gradient, None, *(None for _ in parts)


class _AddAt(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, part: Tensor, positions: Tensor, channels: int) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.mark_dirty(x)
        ctx.save_for_backward(positions)
        ctx.channels = channels
        by_member(x, channels).index_add_(3, positions, by_member(part, channels))
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (positions,) = ctx.saved_tensors
        part = by_member(gradient, ctx.channels).index_select(3, positions)
        return gradient, fused(part), None, None
