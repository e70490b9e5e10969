"""Images of any shape, made from a seed: for speed and memory, not for accuracy.

Each class is a smooth random pattern, and each image is its class's pattern under noise, so that a
network learns something and neither losses nor gradients are degenerate.
"""

import torch
from torch import Tensor
from torch.nn import functional

from trainer.data import DataFacts

_NOISE = 2.0
_COARSE = 4
"""Pixels per side of a pattern before it is enlarged."""


Drawn = tuple[Tensor, Tensor]
"""Images (N, C, H, W), float32, and labels (N,), int64."""


def generate(facts: DataFacts) -> tuple[Drawn, Drawn, Drawn]:
    """Generate training, validation and test split; `split_seed` is the seed of the images."""
    draws = torch.Generator().manual_seed(facts.split_seed)
    shape = facts.input
    coarse = torch.randn(facts.num_classes, shape.channels, _COARSE, _COARSE, generator=draws)
    patterns = functional.interpolate(
        coarse, size=(shape.height, shape.width), mode="bilinear", align_corners=False
    )
    counts = (facts.n_train, facts.n_val, facts.n_test)
    train, val, test = (_draw(patterns, count, draws) for count in counts)
    return train, val, test


def _draw(patterns: Tensor, count: int, draws: torch.Generator) -> Drawn:
    labels = torch.randint(len(patterns), (count,), generator=draws)
    noise = torch.randn(count, *patterns.shape[1:], generator=draws)
    return patterns[labels] + _NOISE * noise, labels
