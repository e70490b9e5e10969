"""The `residual` space: depth per stage, and a shortcut of one kind per block; no torch here."""

import math
from collections.abc import Mapping
from typing import Literal

from search_spaces.backbone import Backbone
from search_spaces.backbone_fields import BackboneFields
from search_spaces.errors import SpaceError
from search_spaces.places import Kind, Place
from search_spaces.space import Choose, Decision, SearchSpace, Value
from search_spaces.spec import ArchitectureSpec, InputShape, span_one_skips


class ResidualSpaceConfig(BackboneFields):
    """Fields of the `residual` space."""

    name: Literal["residual"] = "residual"


class ResidualSpace(SearchSpace):
    """Residual networks whose blocks each have no shortcut, an identity or a projection.

    Decisions: `width` and `block` where several are configured, `depth.stage<i>`, then
    `skip.stage<i>.block<j>`.

    Args:
        config: Stages, depth ranges, widths, block types, kinds, and what is fixed.
        input: Shape of the images.
        num_classes: How many classes the images have.
    """

    def __init__(self, config: ResidualSpaceConfig, input: InputShape, num_classes: int) -> None:
        self.config = config
        self.input = input
        self.num_classes = num_classes
        self.backbone = Backbone(config, input, num_classes)

    @property
    def size(self) -> int:
        """Widths times block types times the sum over all depths of kinds ** blocks."""
        kinds = len(self.config.kinds)
        return self.backbone.num_variants * math.prod(
            sum(kinds**depth for depth in range(low, high + 1))
            for low, high in self.config.depth_ranges
        )

    @property
    def deepest(self) -> tuple[int, ...]:
        """`max_blocks` of every stage."""
        return self.backbone.deepest

    @property
    def anchor_depths(self) -> tuple[tuple[int, ...], ...]:
        """The fewest, the middle and the most blocks of every stage."""
        return self.backbone.anchor_depths

    def uniform(self, depths: tuple[int, ...], kind: Kind) -> ArchitectureSpec:
        """Return the network of these depths with one kind of shortcut everywhere.

        Its width and block type are the first of those configured.
        """
        return self.spec(depths, dict.fromkeys(self.spec(depths, {}).places(), kind))

    def spec(self, depths: tuple[int, ...], kinds: Mapping[Place, Kind]) -> ArchitectureSpec:
        """Build the spec of the first width and block type with these depths and shortcuts.

        Places left out have no shortcut.
        """
        return self.backbone.spec(self.backbone.reference(depths), span_one_skips(kinds))

    def decide(self, choose: Choose) -> ArchitectureSpec:
        """Ask width, block type and depths, then the kind of every block."""
        trunk = self.backbone.ask(choose)
        choices = tuple(kind.value for kind in self.config.kinds)
        kinds: dict[Place, Kind] = {}
        for stage, depth in enumerate(trunk.depths, start=1):
            for block in range(1, depth + 1):
                place = Place(stage, block)
                kinds[place] = Kind(choose(Decision(name=f"skip.{place}", choices=choices)))
        return self.backbone.spec(trunk, span_one_skips(kinds))

    def decisions(self, spec: ArchitectureSpec) -> dict[str, Value]:
        """Return all answers by name.

        Raises:
            SpaceError: The spec has another input, width, depth, kind or span than the space.
        """
        answers = self.backbone.decisions(spec)
        for skip in spec.skips:
            if skip.start != skip.end:
                raise SpaceError(
                    "The space holds skips of span 1, got a skip of span "
                    f"{spec.span(skip)} from {skip.start} to {skip.end}. The space 'longskip' has "
                    "longer ones."
                )
        for place, kind in zip(spec.places(), spec.kinds, strict=True):
            if kind not in self.config.kinds:
                allowed = ", ".join(kind.value for kind in self.config.kinds)
                raise SpaceError(f"{place} must be one of {allowed}, got {kind.value!r}.")
            answers[f"skip.{place}"] = kind.value
        return answers
