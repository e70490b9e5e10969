"""Parameters and multiply-adds of a spec by arithmetic, without building the network.

Only blocks of the user's own have to be built to be counted, which needs torch.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from search_spaces.places import Kind
from search_spaces.shapes import BlockShape, block_shapes, stem_sizes
from search_spaces.spec import EXPANSION, ArchitectureSpec


@dataclass(frozen=True, kw_only=True)
class Complexity:
    """Size and cost of a network."""

    params: int
    """Trainable parameters: convolutions, batch norm's scale and shift, classifier."""
    macs: int
    """Multiply-adds of one forward pass of one image in convolutions and the classifier.

    Counted once per multiply-add; tools that report FLOPs give twice this number.
    """

    def __add__(self, other: "Complexity") -> "Complexity":
        return Complexity(params=self.params + other.params, macs=self.macs + other.macs)


def complexity(spec: ArchitectureSpec) -> Complexity:
    """Count parameters and multiply-adds of `spec`; equal to those of the built network.

    Raises:
        SpecError: The blocks are of a class that cannot be loaded or made.
    """
    shapes = block_shapes(spec)
    at = {str(shape.place): shape for shape in shapes}
    features = shapes[-1].out_channels
    parts = [
        _stem(spec),
        *(_branch(spec, shape) for shape in shapes),
        *(
            _projection(spec, at[skip.start], at[skip.end])
            for skip in spec.skips
            if skip.kind is Kind.PROJECTION
        ),
        Complexity(params=(features + 1) * spec.num_classes, macs=features * spec.num_classes),
    ]
    if spec.activation == "pre":
        parts.append(_norm(spec, features))
    return _total(parts)


def _total(parts: Iterable[Complexity]) -> Complexity:
    return sum(parts, start=Complexity(params=0, macs=0))


def _convolution(
    spec: ArchitectureSpec, channels: tuple[int, int], size: int, out_size: tuple[int, int]
) -> Complexity:
    """Count a convolution from and to so many channels, without its norm."""
    weights = channels[0] * channels[1] * size**2
    bias = channels[1] if spec.norm == "none" else 0
    return Complexity(params=weights + bias, macs=weights * math.prod(out_size))


def _norm(spec: ArchitectureSpec, channels: int) -> Complexity:
    return Complexity(params=2 * channels if spec.norm == "batch" else 0, macs=0)


def _stem(spec: ArchitectureSpec) -> Complexity:
    size = 7 if spec.stem == "large" else 3
    channels = (spec.input.channels, spec.stem_width)
    conv = _convolution(spec, channels, size, stem_sizes(spec)[0])
    return conv + _norm(spec, spec.stem_width) if spec.activation == "post" else conv


def _branch(spec: ArchitectureSpec, shape: BlockShape) -> Complexity:
    """Convolutions and norms of one residual branch."""
    if not isinstance(spec.block, str):
        # Imported here: it needs torch, which networks of shipped blocks are counted without.
        from search_spaces.own_block_cost import count_branch

        params, macs = count_branch(spec, shape)
        return Complexity(params=params, macs=macs)
    before, after = shape.in_channels, shape.out_channels
    at_input = (shape.in_height, shape.in_width)
    at_output = (shape.out_height, shape.out_width)
    if spec.block == "basic":
        layers = [(before, after, 3, at_output), (after, after, 3, at_output)]
    else:
        inner = after // EXPANSION
        first = at_input if spec.bottleneck_stride == "3x3" else at_output
        layers = [
            (before, inner, 1, first),
            (inner, inner, 3, at_output),
            (inner, after, 1, at_output),
        ]
    # Norms stand before each convolution, or after it.
    is_pre = spec.activation == "pre"
    return _total(
        _convolution(spec, (into, out), size, at) + _norm(spec, into if is_pre else out)
        for into, out, size, at in layers
    )


def _projection(spec: ArchitectureSpec, start: BlockShape, end: BlockShape) -> Complexity:
    """A 1x1 convolution and its norm, from the input of `start` to the output of `end`."""
    channels = (start.in_channels, end.out_channels)
    conv = _convolution(spec, channels, 1, (end.out_height, end.out_width))
    return conv + _norm(spec, channels[0] if spec.activation == "pre" else channels[1])
