"""Measurements on a network that is not trained yet."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from search_spaces.blocks import ResidualBlock


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
        network: A network whose blocks are `ResidualBlock`s; one without any gives an empty tuple.
        loss: Maps logits (N, K) and labels (N,) to a scalar.
        images: One normalised batch, (N, C, H, W).
        labels: Classes, (N,).
    """
    double = copy.deepcopy(network).to(images.device).train()
    branches = [
        [weight for weight in block.branch.parameters() if weight.requires_grad]
        for block in double.modules()
        if isinstance(block, ResidualBlock)
    ]
    weights = [weight for branch in branches for weight in branch]
    if not weights:
        return (0.0,) * len(branches)
    with torch.enable_grad():
        value = loss(double(images), labels)
        # A user's branch may have weights that it does not use: their gradient is 0.
        gradients = iter(torch.autograd.grad(value, weights, materialize_grads=True))
    norms = [
        torch.stack([value.new_zeros(()), *(next(gradients).norm() for _ in branch)]).norm()
        for branch in branches
    ]
    return tuple(torch.stack(norms).tolist())
