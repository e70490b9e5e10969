"""Initial weights of a network, drawn from one generator."""

import torch
from torch import nn

from search_spaces.blocks import ResidualBlock


def initialise(network: nn.Module, generator: torch.Generator, *, zero_init: bool = False) -> None:
    """Draw all weights anew from `generator`, so that no global random state is used.

    Convolutions: normal, variance 2 / fan-out (He et al. 2015, arXiv:1502.01852, section 2.2),
    biases 0. Batch norm: scale 1, shift 0. Classifier: uniform within 1 / sqrt(fan-in), as torch
    does.

    Args:
        network: Whose weights are drawn.
        generator: Source of all randomness.
        zero_init: Whether branches beside a skip begin as zero, so that the block begins as its
            shortcut (Goyal et al. 2017, arXiv:1706.02677, section 5.1).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(
                module.weight, mode="fan_out", nonlinearity="relu", generator=generator
            )
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.Linear):
            bound = module.in_features**-0.5
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            # torch's annotation does not say that a layer may have no bias.
            if module.bias is not None:  # pyright: ignore[reportUnnecessaryComparison]
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
    if zero_init:
        zero_branches(network)


def zero_branches(network: nn.Module) -> None:
    """Set the last module of every branch beside a skip to zero.

    A branch without a skip beside it stays as it is: nothing would ever pass it.
    """
    for block in network.modules():
        if isinstance(block, ResidualBlock) and len(block.shortcuts):
            for parameter in block.branch.last.parameters(recurse=False):
                nn.init.zeros_(parameter)
