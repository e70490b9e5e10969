"""The `longskip` space: skips of any span up to a limit, several per addition; no torch here."""

import math
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from search_spaces.backbone import BackboneSpace
from search_spaces.backbone_fields import BackboneFields
from search_spaces.errors import SpaceError
from search_spaces.places import Kind, Place
from search_spaces.space import Choose, Decision, Value
from search_spaces.spec import ArchitectureSpec, InputShape, SkipSpec


class LongSkipSpaceConfig(BackboneFields):
    """Fields of the `longskip` space."""

    name: Literal["longskip"] = "longskip"
    max_span: int = Field(default=4, strict=True, ge=1)
    """Most blocks that a skip bypasses; 1 for classic blocks only."""
    across_stages: bool = Field(default=True, strict=True)
    """Whether a skip may begin in an earlier stage than it ends."""
    max_fan_in: int = Field(default=1, strict=True, ge=1, le=4)
    """Most skips that end at one addition."""


class LongSkipSpace(BackboneSpace):
    """Residual networks whose skips may bypass several blocks, also across stages.

    Decisions: those of the backbone, then for every block `skip.<place>`, the kind of the shortest
    skip that ends at its addition, and `span.<place>` = s where it is not none: the skip begins
    s - 1 blocks earlier, so that 1 is the classic block. With a fan-in above 1 they are followed
    by `skip2.<place>`, `span2.<place>` and so on, each skip longer than the one before it, so that
    every network has exactly one set of answers.

    Args:
        config: Fields of the backbone, kinds, and limits on span and fan-in.
        input: Shape of the images.
        num_classes: How many classes the images have.
    """

    def __init__(self, config: LongSkipSpaceConfig, input: InputShape, num_classes: int) -> None:
        super().__init__(config, input, num_classes)
        self.config = config

    @property
    def size(self) -> int:
        """Number of architectures, exactly."""
        # How many networks there are of the stages so far, by their number of blocks.
        counts = {0: self.backbone.num_variants}
        for low, high in self.config.depth_ranges:
            longer: dict[int, int] = {}
            for before, count in counts.items():
                for depth in range(low, high + 1):
                    first = before if self.config.across_stages else 0
                    ways = math.prod(self._num_ways(first + j) for j in range(1, depth + 1))
                    longer[before + depth] = longer.get(before + depth, 0) + count * ways
            counts = longer
        return sum(counts.values())

    def _num_ways(self, available: int) -> int:
        """Count the sets of skips that can end at an addition with so many blocks before it."""
        longest = min(self.config.max_span, available)
        kinds = len(self._skip_kinds)
        some = sum(
            math.comb(longest, number) * kinds**number
            for number in range(1, self.config.max_fan_in + 1)
        )
        return some + (Kind.NONE in self.config.kinds)

    def fixed_in_design(self, decision: Decision) -> Value | None:
        """Return the answer that all design rows share: no second skip at any addition."""
        if decision.name.startswith("skip") and not decision.name.startswith("skip."):
            return Kind.NONE.value
        return super().fixed_in_design(decision)

    def decide(self, choose: Choose) -> ArchitectureSpec:
        """Ask width, block type and depths, then the skips that end at every block."""
        trunk = self.backbone.ask(choose)
        places = [
            Place(stage, block)
            for stage, depth in enumerate(trunk.depths, start=1)
            for block in range(1, depth + 1)
        ]
        skips: list[dict[str, str]] = []
        for index, place in enumerate(places):
            for span, kind in self._ask_skips(choose, index, place):
                start = places[index - span + 1]
                skips.append({"from": str(start), "to": str(place), "kind": kind})
        return self.backbone.spec(trunk, skips)

    def _ask_skips(self, choose: Choose, index: int, place: Place) -> Iterator[tuple[int, str]]:
        """Yield span and kind of the skips that end at a block, the shortest first."""
        longest = self._longest(index, place)
        span = 0
        for number in range(1, self.config.max_fan_in + 1):
            if span == longest:
                return
            name = _numbered(number)
            choices = tuple(kind.value for kind in self._choices(number))
            kind = str(choose(Decision(name=f"skip{name}.{place}", choices=choices)))
            if kind == Kind.NONE:
                return
            spans = tuple(range(span + 1, longest + 1))
            span = int(choose(Decision(name=f"span{name}.{place}", choices=spans)))
            yield span, kind

    def _longest(self, index: int, place: Place) -> int:
        """Return the longest span of a skip that ends at a block."""
        available = index + 1 if self.config.across_stages else place.block
        return min(self.config.max_span, available)

    @property
    def _skip_kinds(self) -> tuple[Kind, ...]:
        return tuple(kind for kind in self.config.kinds if kind is not Kind.NONE)

    def _choices(self, number: int) -> tuple[Kind, ...]:
        """Return the kinds of an addition's first skip, or of a further one, which may be absent."""
        return self.config.kinds if number == 1 else (Kind.NONE, *self._skip_kinds)

    def decisions(self, spec: ArchitectureSpec) -> dict[str, Value]:
        """Return all answers by name.

        Raises:
            SpaceError: The spec has another input, width or depth than the space allows, or a
                skip that breaks one of its rules.
        """
        answers = self.backbone.decisions(spec)
        for index, (place, skips) in enumerate(zip(spec.places(), spec.incoming, strict=True)):
            if len(skips) > self.config.max_fan_in:
                raise SpaceError(
                    f"At most {self.config.max_fan_in} skips may end at one addition, got "
                    f"{len(skips)} at {place}. Raise space.max_fan_in, or remove some."
                )
            for number, skip in enumerate(skips, start=1):
                self._check_span(spec, skip)
                self._check_kind(skip.kind, number, place)
                name = _numbered(number)
                answers[f"skip{name}.{place}"] = skip.kind.value
                answers[f"span{name}.{place}"] = spec.span(skip)
            following = len(skips) + 1
            longest = spec.span(skips[-1]) if skips else 0
            if following <= self.config.max_fan_in and longest < self._longest(index, place):
                self._check_kind(Kind.NONE, following, place)
                answers[f"skip{_numbered(following)}.{place}"] = Kind.NONE.value
        return answers

    def _check_span(self, spec: ArchitectureSpec, skip: SkipSpec) -> None:
        span = spec.span(skip)
        if span > self.config.max_span:
            raise SpaceError(
                f"A skip may bypass at most {self.config.max_span} blocks, got span={span} from "
                f"{skip.start} to {skip.end}. Raise space.max_span, or shorten it."
            )
        crosses = Place.parse(skip.start).stage != Place.parse(skip.end).stage
        if crosses and not self.config.across_stages:
            raise SpaceError(
                f"A skip must stay within its stage, got one from {skip.start} to {skip.end}. Set "
                "space.across_stages=true, or shorten it."
            )

    def _check_kind(self, kind: Kind, number: int, place: Place) -> None:
        if kind not in self._choices(number):
            allowed = ", ".join(allowed.value for allowed in self._choices(number))
            raise SpaceError(f"{place} must be one of {allowed}, got {kind.value!r}.")


def _numbered(number: int) -> str:
    return "" if number == 1 else str(number)
