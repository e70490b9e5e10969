"""The candidate ResNet: stem, stages of residual blocks, head, read off a spec.

Shapes: N batch, C channels, H and W px, K classes.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import (
    IdentityShortcut,
    ProjectionShortcut,
    ResidualBlock,
    convolution,
    normalisation,
)
from search_spaces.branches import make_branch
from search_spaces.initial_weights import initialise, zero_branches
from search_spaces.places import Kind
from search_spaces.shapes import BlockShape, block_shapes
from search_spaces.spec import ArchitectureSpec, SkipSpec


class Stem(nn.Module):
    """What comes before the first block: one convolution, and pooling for large images.

    Pre-activation networks have neither norm nor ReLU here: the first block begins with them.

    Source:
        He et al. 2015, section 4.2 (small) and table 1 (large). For pre-activation He et al. 2016
        give the first block the stem's activation to share; here its skip carries the stem's
        output as it is.
    """

    def __init__(self, spec: ArchitectureSpec) -> None:
        super().__init__()
        self.pre_activation = spec.activation == "pre"
        size, stride = (7, 2) if spec.stem == "large" else (3, 1)
        self.conv = convolution(spec.input.channels, spec.stem_width, size, stride, norm=spec.norm)
        self.norm = normalisation(spec.stem_width, "none" if self.pre_activation else spec.norm)
        self.pool = nn.MaxPool2d(3, 2, 1) if spec.stem == "large" else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, stem_width, H, W), or to a quarter of height and width."""
        out = self.norm(self.conv(images))
        return self.pool(out if self.pre_activation else functional.relu(out))


class CandidateResNet(nn.Module):
    """The network that a spec describes.

    Source:
        He et al. 2015, arXiv:1512.03385, and 2016, arXiv:1603.05027; differs in that any block may
        have no shortcut, an identity or a projection, and a skip may span blocks.
    """

    def __init__(self, spec: ArchitectureSpec) -> None:
        super().__init__()
        shapes = block_shapes(spec)
        index_of = {str(shape.place): index for index, shape in enumerate(shapes)}

        self.spec = spec
        self.stem = Stem(spec)
        self.blocks = nn.ModuleList()
        self.sources: list[list[int]] = []
        for index, (shape, skips) in enumerate(zip(shapes, spec.incoming, strict=True)):
            starts = [index_of[skip.start] for skip in skips]
            shortcuts = [
                _shortcut(spec, skip, shapes[start : index + 1])
                for skip, start in zip(skips, starts, strict=True)
            ]
            self.blocks.append(ResidualBlock(make_branch(spec, shape), shortcuts, spec.activation))
            self.sources.append(starts)
        features = shapes[-1].out_channels
        self.ends_with_relu = spec.activation == "pre"
        self.final_norm = normalisation(features, spec.norm if self.ends_with_relu else "none")
        self.head = nn.Linear(features, spec.num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images (N, C, H, W) to logits (N, K)."""
        x = self.stem(images)
        inputs: list[Tensor] = []
        for block, starts in zip(self.blocks, self.sources, strict=True):
            inputs.append(x)
            x = block(x, [inputs[start] for start in starts])
        if self.ends_with_relu:
            x = functional.relu(self.final_norm(x))
        return self.head(x.mean(dim=(2, 3)))


def build_candidate(
    spec: ArchitectureSpec, generator: torch.Generator | None = None
) -> CandidateResNet:
    """Build the network of `spec`, on the CPU.

    Args:
        spec: The architecture.
        generator: Source of the initial weights; torch's global state is neither read nor moved
            where it is given. Without it the weights are torch's defaults.

    Raises:
        SpecError: The spec's block type is a class that cannot be loaded or made.
    """
    if generator is None:
        network = CandidateResNet(spec)
        if spec.zero_init:
            zero_branches(network)
        return network
    # torch does not annotate fork_rng.
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        network = CandidateResNet(spec)
    initialise(network, generator, zero_init=spec.zero_init)
    return network


def _shortcut(spec: ArchitectureSpec, skip: SkipSpec, passed: Sequence[BlockShape]) -> nn.Module:
    """Build the shortcut around the blocks `passed`, the first and the last included."""
    stride = math.prod(shape.stride for shape in passed)
    in_channels, out_channels = passed[0].in_channels, passed[-1].out_channels
    if skip.kind is Kind.IDENTITY:
        return IdentityShortcut(in_channels, out_channels, stride)
    return ProjectionShortcut(
        in_channels,
        out_channels,
        stride,
        norm=spec.norm,
        activation=spec.activation,
        pools=spec.projection == "avgpool",
    )
