"""Parameters and multiply-adds of a spec by arithmetic, without building the network."""

from dataclasses import dataclass

from search_spaces.shapes import BlockShape, block_shapes
from search_spaces.spec import ArchitectureSpec, Kind, Place


@dataclass(frozen=True, kw_only=True)
class Complexity:
    """Size and cost of a network."""

    params: int
    """Trainable parameters: convolutions without bias, batch norm's scale and shift, classifier."""
    macs: int
    """Multiply-adds of one forward pass of one image in convolutions and the classifier.

    Counted once per multiply-add; tools that report FLOPs give twice this number.
    """


def complexity(spec: ArchitectureSpec) -> Complexity:
    """Count parameters and multiply-adds of `spec`; equal to those of the built network."""
    shapes = block_shapes(spec)
    by_place = {shape.place: shape for shape in shapes}
    stem = 9 * spec.input.channels * spec.stem_width
    params = stem + 2 * spec.stem_width
    macs = stem * spec.input.height * spec.input.width
    for shape in shapes:
        block = _branch(shape)
        params, macs = params + block.params, macs + block.macs
    for skip in spec.skips:
        if skip.kind is Kind.PROJECTION:
            start, end = by_place[Place.parse(skip.start)], by_place[Place.parse(skip.end)]
            edge = _projection(start, end)
            params, macs = params + edge.params, macs + edge.macs
    features = shapes[-1].out_channels
    return Complexity(
        params=params + (features + 1) * spec.num_classes,
        macs=macs + features * spec.num_classes,
    )


def _branch(shape: BlockShape) -> Complexity:
    """Two 3x3 convolutions, each with batch norm."""
    weights = 9 * shape.out_channels * (shape.in_channels + shape.out_channels)
    return Complexity(
        params=weights + 4 * shape.out_channels,
        macs=weights * shape.out_height * shape.out_width,
    )


def _projection(start: BlockShape, end: BlockShape) -> Complexity:
    """A 1x1 convolution and its batch norm, from the input of `start` to the output of `end`."""
    weights = start.in_channels * end.out_channels
    return Complexity(
        params=weights + 2 * end.out_channels,
        macs=weights * end.out_height * end.out_width,
    )
