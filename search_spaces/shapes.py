"""Shapes of every block by arithmetic; no torch here."""

from dataclasses import dataclass

from search_spaces.places import Place
from search_spaces.spec import ArchitectureSpec


@dataclass(frozen=True, kw_only=True)
class BlockShape:
    """What goes in and out of one residual block.

    Channels are counts; heights and widths in px.
    """

    place: Place
    in_channels: int
    in_height: int
    in_width: int
    out_channels: int
    out_height: int
    out_width: int
    stride: int

    @property
    def changes_shape(self) -> bool:
        """Whether the identity shortcut has to subsample or pad (a transition block)."""
        return self.stride != 1 or self.in_channels != self.out_channels


def stem_sizes(spec: ArchitectureSpec) -> tuple[tuple[int, int], ...]:
    """Return height and width in px after each step of the stem: convolution, pooling if any."""
    height, width = spec.input.height, spec.input.width
    if spec.stem == "small":
        return ((height, width),)
    halved = (-(-height // 2), -(-width // 2))
    return (halved, (-(-halved[0] // 2), -(-halved[1] // 2)))


def block_shapes(spec: ArchitectureSpec) -> tuple[BlockShape, ...]:
    """Return the shapes of all blocks in network order.

    3x3 convolutions with padding 1 keep the size at stride 1 and give ceil(size / stride) else.
    """
    shapes: list[BlockShape] = []
    channels, (height, width) = spec.stem_width, stem_sizes(spec)[-1]
    for index, stage in enumerate(spec.stages, start=1):
        for block in range(1, stage.blocks + 1):
            stride = stage.stride if block == 1 else 1
            out_height, out_width = -(-height // stride), -(-width // stride)
            shapes.append(
                BlockShape(
                    place=Place(index, block),
                    in_channels=channels,
                    in_height=height,
                    in_width=width,
                    out_channels=stage.width,
                    out_height=out_height,
                    out_width=out_width,
                    stride=stride,
                )
            )
            channels, height, width = stage.width, out_height, out_width
    return tuple(shapes)
