"""The `residual` space: depth per stage, and a shortcut of one kind per block; no torch here."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from search_spaces.errors import SpaceError
from search_spaces.space import Choose, Decision, SearchSpace, Value
from search_spaces.spec import (
    ArchitectureSpec,
    InputShape,
    Kind,
    Place,
    StageSpec,
    span_one_skips,
)


class ResidualSpaceConfig(BaseModel):
    """Fields of the `residual` space."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["residual"] = "residual"
    stages: int = Field(default=3, ge=1, le=8)
    """How many stages; each after the first halves height and width and doubles the channels."""
    min_blocks: int = Field(default=1, ge=1)
    """Fewest blocks of a stage."""
    max_blocks: int = Field(default=5, ge=1)
    """Most blocks of a stage; equal to `min_blocks` to fix the depth."""
    width: int = Field(default=8, ge=1)
    """Channels of the stem and of the first stage."""
    kinds: tuple[Kind, ...] = (Kind.NONE, Kind.IDENTITY, Kind.PROJECTION)
    """Shortcuts that every block may have."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min_blocks > self.max_blocks:
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


class ResidualSpace(SearchSpace):
    """Residual networks whose blocks each have no shortcut, an identity or a projection.

    Decisions: `depth.stage<i>` in [min_blocks, max_blocks], then `skip.stage<i>.block<j>`.

    Args:
        config: Stages, depth range, width and kinds.
        input: Shape of the images.
        num_classes: How many classes the images have.
    """

    def __init__(self, config: ResidualSpaceConfig, input: InputShape, num_classes: int) -> None:
        self.config = config
        self.input = input
        self.num_classes = num_classes

    @property
    def size(self) -> int:
        """Sum over all depths of kinds to the power of blocks."""
        kinds = len(self.config.kinds)
        per_stage = sum(
            kinds**depth for depth in range(self.config.min_blocks, self.config.max_blocks + 1)
        )
        return per_stage**self.config.stages

    @property
    def deepest(self) -> tuple[int, ...]:
        """`max_blocks` in every stage."""
        return (self.config.max_blocks,) * self.config.stages

    @property
    def anchor_depths(self) -> tuple[tuple[int, ...], ...]:
        """Equal stages of the fewest, the middle and the most blocks."""
        low, high = self.config.min_blocks, self.config.max_blocks
        blocks = sorted({low, (low + high) // 2, high})
        return tuple((number,) * self.config.stages for number in blocks)

    def uniform(self, depths: tuple[int, ...], kind: Kind) -> ArchitectureSpec:
        """Return the network of these depths with one kind of shortcut everywhere."""
        plain = self.spec(depths, {})
        return self.spec(depths, dict.fromkeys(plain.places(), kind))

    def decide(self, choose: Choose) -> ArchitectureSpec:
        """Ask the depth of every stage, then the kind of every block."""
        depth_choices = tuple(range(self.config.min_blocks, self.config.max_blocks + 1))
        stages = range(1, self.config.stages + 1)
        depths = tuple(
            int(choose(Decision(name=f"depth.stage{stage}", choices=depth_choices)))
            for stage in stages
        )
        kinds: dict[Place, Kind] = {}
        for stage, depth in zip(stages, depths, strict=True):
            for block in range(1, depth + 1):
                place = Place(stage, block)
                decision = Decision(
                    name=f"skip.{place}", choices=tuple(kind.value for kind in self.config.kinds)
                )
                kinds[place] = Kind(choose(decision))
        return self.spec(depths, kinds)

    def spec(self, depths: tuple[int, ...], kinds: dict[Place, Kind]) -> ArchitectureSpec:
        """Build the spec with these blocks per stage and shortcuts; places left out have none."""
        stages = [
            StageSpec(blocks=depth, width=self.config.width * 2**i, stride=1 if i == 0 else 2)
            for i, depth in enumerate(depths)
        ]
        return ArchitectureSpec.from_dict(
            {
                "input": self.input.model_dump(),
                "num_classes": self.num_classes,
                "stem_width": self.config.width,
                "stages": [stage.model_dump() for stage in stages],
                "skips": span_one_skips(kinds),
            }
        )

    def decisions(self, spec: ArchitectureSpec) -> dict[str, Value]:
        """Return depths and kinds by name.

        Raises:
            SpaceError: The spec has another input, width, depth or kind than the space allows.
        """
        low, high = self.config.min_blocks, self.config.max_blocks
        kinds = dict(zip(spec.places(), spec.kinds, strict=True))
        if len(spec.depths) != self.config.stages or not all(
            low <= depth <= high for depth in spec.depths
        ):
            raise SpaceError(
                f"The space has {self.config.stages} stages of {low} to {high} blocks, got "
                f"{'-'.join(map(str, spec.depths))} blocks per stage."
            )
        for place, kind in kinds.items():
            if kind not in self.config.kinds:
                allowed = ", ".join(kind.value for kind in self.config.kinds)
                raise SpaceError(f"{place} must be one of {allowed}, got {kind.value!r}.")
        if self.spec(spec.depths, kinds) != spec:
            raise SpaceError(
                f"The space holds networks of width {self.config.width} for inputs of "
                f"{self.input.channels}x{self.input.height}x{self.input.width} and "
                f"{self.num_classes} classes with skips of span 1, got {spec.code!r} with another "
                "width, input, stride or span."
            )
        depths: dict[str, Value] = {
            f"depth.stage{stage}": depth for stage, depth in enumerate(spec.depths, start=1)
        }
        return depths | {f"skip.{place}": kind.value for place, kind in kinds.items()}
