"""The immutable description of one architecture: checks, JSON, `spec_id`; no torch here.

A spec is complete: stem, stages, skips, input and classes, so that a network can be built from
its JSON alone. Skips are edges from a block's input to the addition at the end of a block; a
block without an edge that ends at it is plain, as in the plain networks of He et al. 2015.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Self, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from search_spaces.errors import SpecError, did_you_mean

SCHEMA_VERSION = 1
_PLACE = re.compile(r"stage([1-9][0-9]*)\.block([1-9][0-9]*)")

Count = Annotated[int, Field(strict=True, ge=1)]
"""How many of something, >= 1; no text and no truth value is taken for a number."""


class Kind(StrEnum):
    """What a block's shortcut is.

    `none`: no shortcut. `identity`: the input itself; where the shape changes, subsampled and
    padded with zero channels (He et al. 2015, option A). `projection`: 1x1 convolution and batch
    norm (options B and C).
    """

    NONE = "none"
    IDENTITY = "identity"
    PROJECTION = "projection"

    @classmethod
    def parse(cls, word: str) -> "Kind":
        """Return the kind of that name.

        Raises:
            SpecError: The word is no kind.
        """
        try:
            return cls(word)
        except ValueError:
            kinds = did_you_mean(str(word), (kind.value for kind in cls))
            raise SpecError(f"Unknown kind of shortcut {word!r}. {kinds}") from None


class Place(NamedTuple):
    """Where a block is: stage and block within the stage, both counted from 1."""

    stage: int
    block: int

    def __str__(self) -> str:
        return f"stage{self.stage}.block{self.block}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read `stage2.block1`.

        Raises:
            SpecError: The text has another form.
        """
        match = _PLACE.fullmatch(text)
        if match is None:
            raise SpecError(f"A block is named like 'stage2.block1' (from 1), got {text!r}.")
        return cls(int(match[1]), int(match[2]))


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputShape(_Frozen):
    """Images that the network takes, as the data set gives them."""

    channels: Count
    height: Count
    """In px."""
    width: Count
    """In px."""


class StageSpec(_Frozen):
    """Consecutive blocks with one output shape."""

    blocks: Count
    """How many residual blocks, >= 1."""
    width: Count
    """Output channels of every block."""
    stride: int = Field(strict=True, ge=1, le=4)
    """Stride of the first block; the others have 1."""


class SkipSpec(_Frozen):
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


class ArchitectureSpec(_Frozen):
    """A candidate architecture, complete and canonical.

    Two specs that build the same network share a `spec_id`: edges are kept in network order, and
    nothing is stored that the network does not use.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    input: InputShape
    num_classes: int = Field(strict=True, ge=2)
    stem_width: Count
    """Output channels of the 3x3 stem convolution."""
    block: Literal["basic"] = "basic"
    """Residual branch: two 3x3 convolutions, batch norm, ReLU after the addition."""
    stages: tuple[StageSpec, ...] = Field(min_length=1)
    skips: tuple[SkipSpec, ...] = ()

    @model_validator(mode="after")
    def _check_and_sort_skips(self) -> Self:
        places = {place: index for index, place in enumerate(self.places())}
        keyed: dict[tuple[int, int], SkipSpec] = {}
        for skip in self.skips:
            ends: list[int] = []
            for text in (skip.start, skip.end):
                place = Place.parse(text)
                if place not in places:
                    depths = "-".join(str(stage.blocks) for stage in self.stages)
                    raise SpecError(
                        f"A skip must join blocks that exist, got {text!r} in a network of "
                        f"{depths} blocks per stage. Stages and blocks count from 1."
                    )
                ends.append(places[place])
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
        ordered = tuple(keyed[key] for key in sorted(keyed))
        # The model is frozen for everybody but its own validator.
        object.__setattr__(self, "skips", ordered)
        return self

    def places(self) -> Iterator[Place]:
        """Yield every block's place in network order."""
        for index, stage in enumerate(self.stages, start=1):
            for block in range(1, stage.blocks + 1):
                yield Place(index, block)

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks per stage."""
        return tuple(stage.blocks for stage in self.stages)

    @property
    def num_blocks(self) -> int:
        """Residual blocks in all."""
        return sum(self.depths)

    @property
    def layers(self) -> int:
        """Layers with weights as He et al. count them: stem, two per block, classifier."""
        return 2 * self.num_blocks + 2

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """Kind of the span-1 shortcut of every block, in network order."""
        found = {Place.parse(skip.end): skip.kind for skip in self.skips if skip.start == skip.end}
        return tuple(found.get(place, Kind.NONE) for place in self.places())

    @property
    def code(self) -> str:
        """Short name: blocks per stage, and a letter per block (N, I, P).

        A skip of a longer span adds its own mark, so that the name stays unique to a reader.
        """
        letters = iter(kind.value[0].upper() for kind in self.kinds)
        stages = ("".join(next(letters) for _ in range(depth)) for depth in self.depths)
        name = "-".join(map(str, self.depths)) + " " + " ".join(stages)
        num_long = sum(skip.start != skip.end for skip in self.skips)
        return f"{name} +{num_long} long" if num_long else name

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data, edges with the keys `from`, `to` and `kind`."""
        return self.model_dump(mode="json", by_alias=True)

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the JSON text; `indent=2` for people."""
        return json.dumps(self.to_dict(), indent=indent)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            SpecError: A field is missing, unknown or out of range.
        """
        version = data.get("schema_version", SCHEMA_VERSION)
        if version != SCHEMA_VERSION:
            raise SpecError(
                f"An architecture spec must have schema_version={SCHEMA_VERSION}, got "
                f"schema_version={version!r}. It was written by another version of the toolkit."
            )
        try:
            return cls.model_validate(dict(data))
        except ValidationError as error:
            raise SpecError(f"Architecture spec: {_first_problem(error)}") from error

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            SpecError: The text is no JSON object, or describes no network.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise SpecError(f"An architecture spec must be JSON, got {error}.") from error
        if not isinstance(data, dict):
            raise SpecError(
                f"An architecture spec must be a JSON object, got {type(data).__name__}."
            )
        return cls.from_dict(cast(dict[str, Any], data))

    @cached_property
    def spec_id(self) -> str:
        """Hash of the network, 16 hexadecimal digits; equal for equal networks.

        Blocks are hashed one by one, so that two neighbouring stages of one width and stride 1
        have the id of the single stage that builds the same network.
        """
        index_of = {str(place): index for index, place in enumerate(self.places())}
        network = {
            "input": self.input.model_dump(),
            "num_classes": self.num_classes,
            "stem_width": self.stem_width,
            "block": self.block,
            "blocks": [
                [stage.width, stage.stride if block == 0 else 1]
                for stage in self.stages
                for block in range(stage.blocks)
            ],
            "skips": [[index_of[s.start], index_of[s.end], s.kind.value] for s in self.skips],
        }
        canonical = json.dumps(network, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def with_kinds(self, kinds: Mapping[Place, Kind]) -> Self:
        """Return the same network with the span-1 shortcuts of some blocks replaced.

        Raises:
            SpecError: A place does not exist.
        """
        names = {str(place) for place in kinds}
        kept = [s for s in self.skips if not (s.start == s.end and s.end in names)]
        return self.from_dict(
            self.to_dict()
            | {"skips": [s.model_dump(by_alias=True) for s in kept] + span_one_skips(kinds)}
        )


def span_one_skips(kinds: Mapping[Place, Kind]) -> list[dict[str, str]]:
    """Return the edges of classic blocks: one for each place whose kind is not none."""
    return [
        {"from": str(place), "to": str(place), "kind": kind.value}
        for place, kind in kinds.items()
        if kind is not Kind.NONE
    ]


def _first_problem(error: ValidationError) -> str:
    """Say in one sentence where the first problem is, which rule it breaks and what was given."""
    problem = error.errors(include_url=False)[0]
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, SpecError):
        return str(cause)
    where = ".".join(str(part) for part in problem["loc"]) or "spec"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {where!r}. Remove it, or correct its spelling."
    if problem["type"] == "missing":
        return f"key {where!r} is missing. Add it."
    return f"{where}: {problem['msg']}, got {problem['input']!r}."
