"""The parts of an architecture spec: images, stages, block types, edges; no torch here."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from search_spaces.errors import SpecError, did_you_mean
from search_spaces.field_errors import explain
from search_spaces.places import Kind, Place

BLOCK_TYPES = ("basic", "bottleneck")
"""Block types that ship; others are named by class path."""
EXPANSION = 4
"""Output channels of a bottleneck block per channel of its 3x3 convolution."""
_SHIPPED = "search_spaces.blocks."
_CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")

MOST_BLOCKS = 10_000
"""Of a network; ten times as many as the deepest that were ever trained."""
MOST_CHANNELS = 1_000_000
"""Of a block, and px of an image's side."""
Count = Annotated[int, Field(strict=True, ge=1, le=MOST_CHANNELS)]
"""How many of something, >= 1; no text and no truth value is taken for a number."""


class FrozenModel(BaseModel):
    """What cannot be changed, and has no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class InputShape(FrozenModel):
    """Images that the network takes, as the data set gives them."""

    channels: Count
    height: Count
    """In px."""
    width: Count
    """In px."""


class StageSpec(FrozenModel):
    """Consecutive blocks with one output shape."""

    blocks: Annotated[int, Field(strict=True, ge=1, le=MOST_BLOCKS)]
    """How many residual blocks, >= 1."""
    width: Count
    """Output channels of every block; of a bottleneck block a multiple of 4."""
    stride: int = Field(strict=True, ge=1, le=4)
    """Stride of the first block; the others have 1."""


class BlockClass(FrozenModel):
    """A block type of the user's: a subclass of `search_spaces.blocks.ResidualBranch`."""

    class_path: str
    """Dotted path, such as `my_blocks.SqueezeExcite`."""
    init_args: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments beside those that every branch takes; JSON values."""
    layers: Count = 2
    """Layers with weights on its longest path, for the layer count."""

    @field_validator("class_path")
    @classmethod
    def _dotted(cls, path: str) -> str:
        if not _CLASS_PATH.fullmatch(path):
            raise SpecError(
                "block.class_path must be a dotted path such as 'my_blocks.SqueezeExcite', got "
                f"class_path={path!r}."
            )
        if path.startswith(_SHIPPED):
            raise SpecError(
                f"block.class_path must name a class of your own, got class_path={path!r}. The "
                f"block types that ship are written as a word: {', '.join(BLOCK_TYPES)}."
            )
        return path

    @field_validator("init_args")
    @classmethod
    def _plain(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return json.loads(json.dumps(arguments, allow_nan=False))
        except RecursionError:
            raise SpecError(
                "block.init_args must be JSON values, got lists or mappings nested too deeply."
            ) from None
        except (TypeError, ValueError) as error:
            raise SpecError(
                f"block.init_args must be JSON values, got {arguments!r} ({error})."
            ) from None


BlockType: TypeAlias = Literal["basic", "bottleneck"] | BlockClass
"""A block type that ships, or one of the user's."""


def check_block(block: object, inside: tuple[str, ...] = ()) -> BlockType:
    """Read a block type, a word or a mapping with `class_path`.

    Args:
        block: What was written.
        inside: Keys above it, for messages.

    Raises:
        SpecError: It is none, or its fields are wrong.
    """
    if isinstance(block, BlockClass):
        return block
    if isinstance(block, Mapping):
        try:
            return BlockClass.model_validate(block)
        except ValidationError as error:
            raise explain(error, BlockClass, SpecError, (*inside, "block")) from None
    if block not in BLOCK_TYPES:
        raise SpecError(
            f"{'.'.join([*inside, 'block'])} must be a known type, got block={block!r}. "
            f"{did_you_mean(str(block), BLOCK_TYPES)} One of your own is written {{class_path: "
            "my_blocks.MyBranch}."
        )
    return cast(BlockType, block)


class SkipSpec(FrozenModel):
    """An edge from the input of block `start` to the addition at the end of block `end`."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    start: str = Field(alias="from")
    """Block whose input is carried, such as `stage1.block2`."""
    end: str = Field(alias="to")
    """Block at whose addition the edge ends; equal to `start` for the classic block (span 1)."""
    kind: Literal[Kind.IDENTITY, Kind.PROJECTION]

    @field_validator("kind", mode="before")
    @classmethod
    def _check_kind(cls, word: object) -> Kind:
        kind = Kind.parse(str(word))
        if kind is Kind.NONE:
            raise SpecError(
                "An edge must be an identity or a projection, got kind='none'. Leave the edge out."
            )
        return kind


def span_one_skips(kinds: Mapping[Place, Kind]) -> list[dict[str, str]]:
    """Return the edges of classic blocks: one for each place whose kind is not none."""
    return [
        {"from": str(place), "to": str(place), "kind": kind.value}
        for place, kind in kinds.items()
        if kind is not Kind.NONE
    ]
