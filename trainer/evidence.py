"""Measurements on a network that is not trained yet."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from search_spaces.blocks import BasicBlock


def gradient_norms(
    network: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
) -> tuple[float, ...]:
    """Return per block, in network order, the L2 norm of the gradient of its residual branch.

    The gradient is that of one batch, in training mode, over the weights of the branch: its
    convolutions and norms, without the shortcut. The network itself stays untouched, down to its
    running statistics; the work is done on a copy on the device of the images.

    Args:
        network: A network whose blocks are `BasicBlock`s; one without any gives an empty tuple.
        loss: Maps logits (N, K) and labels (N,) to a scalar.
        images: One normalised batch, (N, C, H, W).
        labels: Classes, (N,).
    """
    double = copy.deepcopy(network).to(images.device).train()
    branches = [
        [p for name, p in block.named_parameters() if not name.startswith("shortcuts.")]
        for block in double.modules()
        if isinstance(block, BasicBlock)
    ]
    if not branches:
        return ()
    with torch.enable_grad():
        value = loss(double(images), labels)
        gradients = iter(torch.autograd.grad(value, [p for branch in branches for p in branch]))
    norms = [torch.stack([next(gradients).norm() for _ in branch]).norm() for branch in branches]
    return tuple(torch.stack(norms).tolist())
