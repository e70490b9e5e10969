"""The `residual` space: depth per stage, and a shortcut of one kind per block; no torch here."""

import math
from collections.abc import Mapping
from typing import Literal

from search_spaces.backbone import BackboneSpace
from search_spaces.backbone_fields import BackboneFields
from search_spaces.errors import SpaceError
from search_spaces.places import Kind, Place
from search_spaces.space import Choose, Decision, Value
from search_spaces.spec import ArchitectureSpec, InputShape, span_one_skips


class ResidualSpaceConfig(BackboneFields):
    """Fields of the `residual` space."""

    name: Literal["residual"] = "residual"


class ResidualSpace(BackboneSpace):
    """Residual networks whose blocks each have no shortcut, an identity or a projection.

    Decisions: `width` and `block` where several are configured, `depth.stage<i>`, then
    `skip.stage<i>.block<j>`.

    Args:
        config: Stages, depth ranges, widths, block types, kinds, and what is fixed.
        input: Shape of the images.
        num_classes: How many classes the images have.
    """

    def __init__(self, config: ResidualSpaceConfig, input: InputShape, num_classes: int) -> None:
        super().__init__(config, input, num_classes)
        self.config = config

    @property
    def size(self) -> int:
        """Widths times block types times the sum over all depths of kinds ** blocks."""
        kinds = len(self.config.kinds)
        return self.backbone.num_variants * math.prod(
            sum(kinds**depth for depth in range(low, high + 1))
            for low, high in self.config.depth_ranges
        )

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
