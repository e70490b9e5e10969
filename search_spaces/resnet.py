"""The candidate ResNet: stem, stages of residual blocks, head, read off a spec.

Shapes: N batch, C channels, H and W px, K classes.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import BasicBlock, IdentityShortcut, ProjectionShortcut, initialise
from search_spaces.shapes import BlockShape, block_shapes
from search_spaces.spec import ArchitectureSpec, Kind, Place, SkipSpec


class CandidateResNet(nn.Module):
    """The network that a spec describes.

    Source:
        He et al. 2015, arXiv:1512.03385, section 4.2 (the CIFAR networks); differs in that any
        block may have no shortcut, an identity or a projection, and a skip may span blocks.
    """

    def __init__(self, spec: ArchitectureSpec) -> None:
        super().__init__()
        shapes = block_shapes(spec)
        index_of = {shape.place: index for index, shape in enumerate(shapes)}
        skips_to: dict[int, list[SkipSpec]] = {index: [] for index in range(len(shapes))}
        for skip in spec.skips:
            skips_to[index_of[Place.parse(skip.end)]].append(skip)

        self.spec = spec
        self.stem = nn.Conv2d(spec.input.channels, spec.stem_width, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(spec.stem_width)
        self.blocks = nn.ModuleList()
        self.sources: list[list[int]] = []
        for index, shape in enumerate(shapes):
            starts = [index_of[Place.parse(skip.start)] for skip in skips_to[index]]
            shortcuts = [
                _shortcut(skip, shapes[start : index + 1])
                for skip, start in zip(skips_to[index], starts, strict=True)
            ]
            self.blocks.append(
                BasicBlock(shape.in_channels, shape.out_channels, shape.stride, shortcuts)
            )
            self.sources.append(starts)
        self.head = nn.Linear(shapes[-1].out_channels, spec.num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images (N, C, H, W) to logits (N, K)."""
        x = functional.relu(self.stem_norm(self.stem(images)))
        inputs: list[Tensor] = []
        for block, starts in zip(self.blocks, self.sources, strict=True):
            inputs.append(x)
            x = block(x, [inputs[start] for start in starts])
        return self.head(x.mean(dim=(2, 3)))


def build_candidate(
    spec: ArchitectureSpec, generator: torch.Generator | None = None
) -> CandidateResNet:
    """Build the network of `spec`, on the CPU.

    Args:
        spec: The architecture.
        generator: Source of the initial weights; torch's global state is neither read nor moved
            where it is given. Without it the weights are torch's defaults.
    """
    if generator is None:
        return CandidateResNet(spec)
    # torch does not annotate fork_rng.
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        network = CandidateResNet(spec)
    initialise(network, generator)
    return network


def _shortcut(skip: SkipSpec, passed: Sequence[BlockShape]) -> nn.Module:
    """Build the shortcut around the blocks `passed`, the first and the last included."""
    stride = math.prod(shape.stride for shape in passed)
    form = IdentityShortcut if skip.kind is Kind.IDENTITY else ProjectionShortcut
    return form(passed[0].in_channels, passed[-1].out_channels, stride)
