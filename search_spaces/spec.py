"""The immutable description of one architecture: checks, JSON, canonical form; no torch here.

A spec is complete: stem, stages, skips, input and classes, so that a network can be built from
its JSON alone. Skips are edges from a block's input to the addition at the end of that block or
of a later one; a block without an edge that ends at it is plain, as in the plain networks of
He et al. 2015.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Literal, Self, cast

from pydantic import Field, ValidationError, field_validator, model_validator

from search_spaces.errors import SpecError
from search_spaces.field_errors import explain
from search_spaces.places import Kind, Place
from search_spaces.spec_code import spec_code
from search_spaces.spec_id import effective_strides, spec_id_of
from search_spaces.spec_parts import (
    BLOCK_TYPES,
    EXPANSION,
    MOST_BLOCKS,
    MOST_CHANNELS,
    BlockClass,
    BlockType,
    Count,
    FrozenModel,
    InputShape,
    SkipSpec,
    StageSpec,
    check_block,
    span_one_skips,
)
from search_spaces.spec_versions import SCHEMA_VERSION, upgrade

__all__ = [
    "BLOCK_TYPES",
    "EXPANSION",
    "ArchitectureSpec",
    "BlockClass",
    "InputShape",
    "Kind",
    "Place",
    "SkipSpec",
    "StageSpec",
    "span_one_skips",
]


class ArchitectureSpec(FrozenModel):
    """A candidate architecture, complete and canonical.

    Two specs that build the same network share a `spec_id`, whatever way they were written: edges
    are kept in network order, and fields that this network does not use have their defaults.
    """

    schema_version: Literal[2] = SCHEMA_VERSION
    input: InputShape
    num_classes: int = Field(strict=True, ge=2, le=MOST_CHANNELS)
    stem: Literal["small", "large"] = "small"
    """`small`: 3x3 convolution; `large`: 7x7 convolution with stride 2, then 3x3 maximum pooling
    with stride 2, for images of 100 px and more (He et al. 2015, table 1)."""
    stem_width: Count
    """Output channels of the stem."""
    block: BlockType = "basic"
    """Residual branch: `basic`: two 3x3 convolutions; `bottleneck`: 1x1, 3x3 and 1x1, the middle
    one with a quarter of the channels; or a class of the user's."""
    activation: Literal["post", "pre"] = "post"
    """Where the ReLUs are: after the addition, or before each convolution (He et al. 2016)."""
    norm: Literal["batch", "none"] = "batch"
    """Batch norm with every convolution, or none; without it convolutions have a bias."""
    zero_init: bool = Field(default=False, strict=True)
    """Whether branches beside a skip begin as zero: the scale of their last norm, or the weights
    of their last convolution, start at 0 (Goyal et al. 2017)."""
    projection: Literal["strided", "avgpool"] = "strided"
    """How a projection makes images smaller: by its stride (options B and C of He et al. 2015),
    or by average pooling before the 1x1 convolution (ResNet-D, He et al. 2018)."""
    bottleneck_stride: Literal["3x3", "1x1"] = "3x3"
    """Which convolution of a bottleneck has the stride: the 3x3 (v1.5) or the first 1x1 (v1)."""
    stages: tuple[StageSpec, ...] = Field(min_length=1)
    skips: tuple[SkipSpec, ...] = ()

    @field_validator("block", mode="before")
    @classmethod
    def _check_block(cls, block: object) -> BlockType:
        return check_block(block)

    @model_validator(mode="after")
    def _make_canonical(self) -> Self:
        self._check_depth()
        self._check_bottleneck()
        # The model is frozen for everybody but its own validator.
        object.__setattr__(self, "skips", self._sorted_skips())
        for field, value in self._unused().items():
            object.__setattr__(self, field, value)
        return self

    def _check_depth(self) -> None:
        if self.num_blocks > MOST_BLOCKS:
            raise SpecError(
                f"A network must have at most {MOST_BLOCKS} blocks in all, got {self.num_blocks} "
                f"in {len(self.stages)} stages."
            )

    def _check_bottleneck(self) -> None:
        for number, stage in enumerate(self.stages, start=1):
            if self.block == "bottleneck" and stage.width % EXPANSION:
                raise SpecError(
                    f"Stage {number}: width of bottleneck blocks must be a multiple of "
                    f"{EXPANSION}, got width={stage.width}. It counts the output channels, such "
                    "as 256 for a 3x3 convolution of 64."
                )

    def _sorted_skips(self) -> tuple[SkipSpec, ...]:
        index_of = self._index_of
        keyed: dict[tuple[int, int], SkipSpec] = {}
        for skip in self.skips:
            ends: list[int] = []
            for text in (skip.start, skip.end):
                if text not in index_of:
                    # A name of another form has a message of its own.
                    Place.parse(text)
                    depths = "-".join(str(stage.blocks) for stage in self.stages)
                    raise SpecError(
                        f"A skip must join blocks that exist, got {text!r} in a network of "
                        f"{depths} blocks per stage. Stages and blocks count from 1."
                    )
                ends.append(index_of[text])
            start, end = ends
            if start > end:
                raise SpecError(
                    f"A skip must run forwards, got from={skip.start!r} to={skip.end!r}. "
                    "Exchange the two."
                )
            if (end, start) in keyed:
                raise SpecError(
                    f"At most one skip may join two places, got a second one from={skip.start!r} "
                    f"to={skip.end!r}. Keep the kind that you want."
                )
            keyed[end, start] = skip
        return tuple(keyed[key] for key in sorted(keyed))

    def _unused(self) -> dict[str, Any]:
        """Return the fields that make no difference to this network, with their defaults."""
        unused: dict[str, Any] = {}
        index_of = self._index_of
        # Numbers of the blocks that make images smaller.
        smaller = [
            index_of[f"stage{number}.block1"]
            for number, stride in enumerate(effective_strides(self), start=1)
            if stride > 1
        ]
        if not self.skips:
            # A branch that begins as zero with nothing beside it would never learn.
            unused["zero_init"] = False
        if not any(
            skip.kind is Kind.PROJECTION
            and any(index_of[skip.start] <= i <= index_of[skip.end] for i in smaller)
            for skip in self.skips
        ):
            unused["projection"] = "strided"
        if self.block != "bottleneck" or not smaller:
            unused["bottleneck_stride"] = "3x3"
        return unused

    def __hash__(self) -> int:
        return hash(self.spec_id)

    def places(self) -> Iterator[Place]:
        """Yield every block's place in network order."""
        yield from _places(self.depths)

    def passed(self, skip: SkipSpec) -> tuple[str, ...]:
        """Return the names of the blocks that a skip bypasses, its first and last included."""
        first, last = self._index_of[skip.start], self._index_of[skip.end]
        return tuple(self._index_of)[first : last + 1]

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Blocks per stage."""
        return tuple(stage.blocks for stage in self.stages)

    @property
    def num_blocks(self) -> int:
        """Residual blocks in all."""
        return sum(self.depths)

    @property
    def block_layers(self) -> int:
        """Layers with weights per block."""
        if isinstance(self.block, BlockClass):
            return self.block.layers
        return {"basic": 2, "bottleneck": 3}[self.block]

    @property
    def layers(self) -> int:
        """Layers with weights as He et al. count them: stem, those of the blocks, classifier."""
        return self.block_layers * self.num_blocks + 2

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """Kind of the span-1 shortcut of every block, in network order."""
        found = {skip.end: skip.kind for skip in self.skips if skip.start == skip.end}
        return tuple(found.get(name, Kind.NONE) for name in self._index_of)

    @cached_property
    def incoming(self) -> tuple[tuple[SkipSpec, ...], ...]:
        """For every block the skips that end at its addition, the shortest first."""
        found: dict[str, list[SkipSpec]] = {name: [] for name in self._index_of}
        # Edges are in order of their start, so that later ones are shorter.
        for skip in reversed(self.skips):
            found[skip.end].append(skip)
        return tuple(tuple(skips) for skips in found.values())

    @cached_property
    def ending_kinds(self) -> tuple[Kind, ...]:
        """Kind of the shortest skip that ends at every block, whatever its span."""
        return tuple(skips[0].kind if skips else Kind.NONE for skips in self.incoming)

    @cached_property
    def spans(self) -> tuple[int, ...]:
        """Span of the shortest skip that ends at every block, in blocks; 0 where none ends."""
        return tuple(self.span(skips[0]) if skips else 0 for skips in self.incoming)

    @property
    def is_full_identity(self) -> bool:
        """Whether every block has an identity of span 1, and no skip is longer."""
        return len(self.skips) == self.num_blocks and set(self.kinds) == {Kind.IDENTITY}

    @property
    def _index_of(self) -> Mapping[str, int]:
        return _index_of(self.depths)

    def span(self, skip: SkipSpec) -> int:
        """Return how many blocks a skip bypasses; 1 for the classic block."""
        return self._index_of[skip.end] - self._index_of[skip.start] + 1

    @property
    def code(self) -> str:
        """Short name: blocks per stage, and a letter per block (N, I, P); see `spec_code`."""
        return spec_code(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data, edges with the keys `from`, `to` and `kind`."""
        return self.model_dump(mode="json", by_alias=True)

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the JSON text; `indent=2` for people."""
        return json.dumps(self.to_dict(), indent=indent)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote, in this version or an older one.

        Raises:
            SpecError: A field is missing, unknown or out of range.
        """
        try:
            # Keys as they are written: edges have `from` and `to`.
            return cls.model_validate(upgrade(data), by_alias=True, by_name=False)
        except ValidationError as error:
            raise SpecError(f"Architecture spec: {explain(error, cls, SpecError)}") from error

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote, in this version or an older one.

        Raises:
            SpecError: The text is no JSON object, or describes no network.
        """
        data = _load_json(text)
        if not isinstance(data, dict):
            raise SpecError(
                f"An architecture spec must be a JSON object, got {type(data).__name__}."
            )
        return cls.from_dict(cast(dict[str, Any], data))

    @cached_property
    def spec_id(self) -> str:
        """Hash of the network, 16 hexadecimal digits; equal for equal networks."""
        return spec_id_of(self)

    def with_kinds(self, kinds: Mapping[Place, Kind]) -> Self:
        """Return the same network with the span-1 shortcuts of some blocks replaced.

        A network without skips knows neither `zero_init` nor `projection`, and so cannot hand
        them on to one with skips; `changed` sets them too.

        Raises:
            SpecError: A place does not exist.
        """
        names = {str(place) for place in kinds}
        kept = [s for s in self.skips if not (s.start == s.end and s.end in names)]
        return self.with_skips(
            [s.model_dump(mode="json", by_alias=True) for s in kept] + span_one_skips(kinds)
        )

    def with_skips(self, skips: list[dict[str, str]]) -> Self:
        """Return the same network with these edges and no others.

        Raises:
            SpecError: An edge is not possible here.
        """
        return self.changed(skips=skips)

    def changed(self, **fields: Any) -> Self:
        """Return the network that differs in these fields, JSON data or models.

        Raises:
            SpecError: They describe no network.
        """
        return self.from_dict(self.to_dict() | fields)


def _load_json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_each_once)
    except SpecError:
        raise
    except RecursionError:
        raise SpecError(
            "An architecture spec must be JSON, got lists or mappings nested too deeply."
        ) from None
    # Of its own kind for wrong JSON, of the general one for a number of thousands of digits.
    except ValueError as error:
        raise SpecError(f"An architecture spec must be JSON, got {error}.") from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise SpecError(
                f"An architecture spec must have every key once, got {key!r} twice. Remove one."
            )
        data[key] = value
    return data


@lru_cache(maxsize=4096)
def _places(depths: tuple[int, ...]) -> tuple[Place, ...]:
    """Return every block's place; studies have thousands of networks of few depths."""
    return tuple(
        Place(stage, block)
        for stage, num_blocks in enumerate(depths, start=1)
        for block in range(1, num_blocks + 1)
    )


@lru_cache(maxsize=4096)
def _index_of(depths: tuple[int, ...]) -> Mapping[str, int]:
    """Return the number of every block by its name, from 0."""
    return MappingProxyType({str(place): index for index, place in enumerate(_places(depths))})
