"""Layers of a fused network: the same layer of several members at once.

Shapes: (N, members * C, H, W), a member's channels side by side.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.population.dense import dense_convolution, is_dense
from trainer.population.parameters import ParameterVector


class FusedConvolution(nn.Module):
    """One grouped convolution: a group per member."""

    def __init__(
        self, stack: ParameterVector, members: Sequence[int], layers: Sequence[nn.Conv2d]
    ) -> None:
        super().__init__()
        first = layers[0]
        self.weight = stack.add(members, [cast(nn.Parameter, layer.weight) for layer in layers])
        # torch's annotation does not say that a layer may have no bias.
        has_bias = first.bias is not None  # pyright: ignore[reportUnnecessaryComparison]
        self.bias = (
            stack.add(members, [cast(nn.Parameter, layer.bias) for layer in layers])
            if has_bias
            else None
        )
        self.stride: Any = first.stride
        self.padding: Any = first.padding
        self.groups = len(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, members * C_in, H, W) to (N, members * C_out, H/stride, W/stride)."""
        bias = None if self.bias is None else self.bias.value
        if bias is None and is_dense(x, self.weight.value, self.stride, self.groups):
            return dense_convolution(x, self.weight.value, self.groups)
        return functional.conv2d(
            x, self.weight.value, bias, self.stride, self.padding, groups=self.groups
        )


class FusedNorm(nn.Module):
    """Batch norm of all members; channels of different members are different channels.

    The running statistics of the members' own layers become views of the fused ones.
    """

    def __init__(
        self, stack: ParameterVector, members: Sequence[int], layers: Sequence[nn.BatchNorm2d]
    ) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.weight = stack.add(members, [cast(nn.Parameter, layer.weight) for layer in layers])
        self.bias = stack.add(members, [cast(nn.Parameter, layer.bias) for layer in layers])
        self.momentum = float(layers[0].momentum or 0.0)
        self.eps = layers[0].eps
        self.mean = torch.empty(0)
        self.variance = torch.empty(0)
        self.keeps_statistics = True

    def build(self, device: torch.device) -> None:
        """Gather the running statistics on the device."""
        self.mean = torch.cat([_buffer(layer.running_mean) for layer in self.layers]).to(device)
        self.variance = torch.cat([_buffer(layer.running_var) for layer in self.layers]).to(device)
        parts = zip(
            self.layers,
            self.mean.chunk(len(self.layers)),
            self.variance.chunk(len(self.layers)),
            strict=True,
        )
        for layer, mean, variance in parts:
            layer.running_mean, layer.running_var = mean, variance

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, members * C, H, W) to the same shape."""
        keeps = self.keeps_statistics or not self.training
        return functional.batch_norm(
            x,
            self.mean if keeps else None,
            self.variance if keeps else None,
            self.weight.value,
            self.bias.value,
            self.training,
            self.momentum,
            self.eps,
        )


class FusedHead(nn.Module):
    """Every member's classifier on its own features, as one batch of matrix products."""

    def __init__(
        self, stack: ParameterVector, members: Sequence[int], layers: Sequence[nn.Linear]
    ) -> None:
        super().__init__()
        self.members = len(layers)
        self.classes = layers[0].out_features
        self.weight = stack.add(members, [cast(nn.Parameter, layer.weight) for layer in layers])
        self.bias = stack.add(members, [cast(nn.Parameter, layer.bias) for layer in layers])

    def forward(self, features: Tensor) -> Tensor:
        """Map features (N, members * C) to logits (members, N, K)."""
        own = features.unflatten(1, (self.members, -1)).transpose(0, 1)
        weight = self.weight.value.view(self.members, self.classes, -1).transpose(1, 2)
        bias = self.bias.value.view(self.members, 1, self.classes)
        return torch.baddbmm(bias, own, weight)


def fused_norm(
    stack: ParameterVector, members: Sequence[int], layers: Sequence[nn.Module]
) -> nn.Module:
    """Fuse the norms; nothing where the networks have none."""
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    return FusedNorm(stack, members, norms) if norms else nn.Identity()


def _buffer(value: Tensor | None) -> Tensor:
    if value is None:
        raise RuntimeError("A batch norm of a candidate must keep running statistics, got none.")
    return value
