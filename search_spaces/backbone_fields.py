"""Fields that the configurations of all shipped spaces share; no torch here."""

from collections.abc import Sequence
from typing import Literal, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from search_spaces.errors import SpaceError, SpecError
from search_spaces.places import Kind
from search_spaces.spec_parts import MOST_BLOCKS, MOST_CHANNELS, BlockType, check_block


class BackboneFields(BaseModel):
    """Fields that the configurations of all shipped spaces have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stages: int = Field(default=3, strict=True, ge=1, le=8)
    """How many stages; each after the first halves height and width and doubles the channels."""
    min_blocks: int | tuple[int, ...] = 1
    """Fewest blocks of a stage: one int, or one for each stage."""
    max_blocks: int | tuple[int, ...] = 5
    """Most blocks of a stage; equal to `min_blocks` to fix the depth."""
    width: int | tuple[int, ...] = 8
    """Channels of the stem and of the first stage; several make the decision `width`. Bottleneck
    blocks have 4 times as many output channels."""
    block: BlockType | tuple[BlockType, ...] = "basic"
    """Block type, as in the spec; several make the decision `block`."""
    kinds: tuple[Kind, ...] = (Kind.NONE, Kind.IDENTITY, Kind.PROJECTION)
    """What may end at every block."""
    stem: Literal["small", "large"] = "small"
    """`large`: 7x7 convolution and pooling, for images of 100 px and more."""
    activation: Literal["post", "pre"] = "post"
    """Where the ReLUs are: after the addition, or before each convolution."""
    norm: Literal["batch", "none"] = "batch"
    """Batch norm with every convolution, or none and biases."""
    zero_init: bool = Field(default=False, strict=True)
    """Whether branches beside a skip begin as zero."""
    projection: Literal["strided", "avgpool"] = "strided"
    """How a projection makes images smaller."""
    bottleneck_stride: Literal["3x3", "1x1"] = "3x3"
    """Which convolution of a bottleneck has the stride."""

    @field_validator("min_blocks", "max_blocks", mode="before")
    @classmethod
    def _check_blocks(cls, value: object, info: ValidationInfo) -> object:
        if not all(_is_count(count, MOST_BLOCKS) for count in _listed(value)):
            raise SpaceError(
                f"space.{info.field_name} must be an int >= 1 or a list of such, one for each "
                f"stage, at most {MOST_BLOCKS}, got {info.field_name}={value!r}."
            )
        return value

    @field_validator("width", mode="before")
    @classmethod
    def _check_width(cls, value: object) -> object:
        widths = _listed(value)
        are_counts = all(_is_count(width, MOST_CHANNELS) for width in widths)
        if not widths or not are_counts or len(set(widths)) < len(widths):
            raise SpaceError(
                "space.width must be an int >= 1 or a list of such, at most "
                f"{MOST_CHANNELS} and each once, got width={value!r}."
            )
        return value

    @field_validator("block", mode="before")
    @classmethod
    def _check_block(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            return _block_type(value)
        blocks: tuple[BlockType, ...] = tuple(
            _block_type(block) for block in cast(Sequence[object], value)
        )
        words = [block_word(block) for block in blocks]
        if not words or len(set(words)) < len(words):
            raise SpaceError(
                f"space.block must name each block type once, got {words}. The name of a class is "
                "the last part of its path."
            )
        return blocks

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        for name, value in (("min_blocks", self.min_blocks), ("max_blocks", self.max_blocks)):
            if isinstance(value, tuple) and len(value) != self.stages:
                raise SpaceError(
                    f"space.{name} must be one int, or one for each of the {self.stages} stages, "
                    f"got {name}={list(value)}. Set stages={len(value)} too, or change the list."
                )
        if any(low > high for low, high in self.depth_ranges):
            raise SpaceError(
                f"space: min_blocks <= max_blocks must hold, got min_blocks={self.min_blocks} "
                f"and max_blocks={self.max_blocks}."
            )
        if len(set(self.kinds)) != len(self.kinds) or not self.kinds:
            given = [kind.value for kind in self.kinds]
            raise SpaceError(
                f"space.kinds must name each kind once, got {given}. "
                f"Known: {', '.join(kind.value for kind in Kind)}."
            )
        return self

    @property
    def depth_ranges(self) -> tuple[tuple[int, int], ...]:
        """Fewest and most blocks of every stage."""
        lows, highs = (
            value if isinstance(value, tuple) else (value,) * self.stages
            for value in (self.min_blocks, self.max_blocks)
        )
        return tuple(zip(lows, highs, strict=True))

    @property
    def widths(self) -> tuple[int, ...]:
        """Every width that is searched; the first is the reference."""
        return self.width if isinstance(self.width, tuple) else (self.width,)

    @property
    def blocks(self) -> tuple[BlockType, ...]:
        """Every block type that is searched; the first is the reference."""
        return self.block if isinstance(self.block, tuple) else (self.block,)


def block_word(block: BlockType) -> str:
    """Return the choice that stands for a block type: its word, or the name of its class.

    >>> from search_spaces.spec_parts import BlockClass
    >>> block_word(BlockClass(class_path="my_blocks.SqueezeExcite"))
    'SqueezeExcite'
    """
    return block if isinstance(block, str) else block.class_path.rpartition(".")[2]


def _block_type(value: object) -> BlockType:
    try:
        return check_block(value, ("space",))
    except SpecError as error:
        raise SpaceError(str(error)) from None


def _listed(value: object) -> list[object]:
    return list(cast(Sequence[object], value)) if isinstance(value, list | tuple) else [value]


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
