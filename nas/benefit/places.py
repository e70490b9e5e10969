"""Where a block is and what a skip there costs: the columns beside every effect."""

from dataclasses import dataclass
from typing import Any

from nas.benefit.context import BenefitContext
from search_spaces.complexity import complexity
from search_spaces.shapes import block_shapes
from search_spaces.spec import ArchitectureSpec, Kind, Place


@dataclass(frozen=True)
class BlockFacts:
    """Coordinates of one block; None where no spec is known."""

    place: Place
    position: int
    """From 1, in network order."""
    from_end: int
    """1 for the last block of its stage."""
    rel_depth: float
    """(position - 1/2) / blocks, in (0, 1)."""
    is_downsample: bool | None = None
    """Whether the block changes the shape, so that an identity has to subsample or pad."""
    width: int | None = None
    """Output channels."""
    resolution: int | None = None
    """Output height, px."""
    delta_params: int | None = None
    """Parameters of a projection here."""
    delta_macs: int | None = None
    """Multiply-adds of a projection here, per image."""

    def to_row(self) -> dict[str, Any]:
        """Return the coordinates as columns."""
        return {
            "position": self.position,
            "stage": self.place.stage,
            "block": self.place.block,
            "from_start": self.place.block,
            "from_end": self.from_end,
            "rel_depth": self.rel_depth,
            "is_downsample": self.is_downsample,
            "width": self.width,
            "resolution": self.resolution,
        }


def block_facts(places: tuple[Place, ...], context: BenefitContext) -> list[BlockFacts]:
    """Return the facts of every block; shapes and costs where the reference spec has the block."""
    spec = context.reference_spec
    costs = _costs(spec) if spec is not None else {}
    depths = {stage: sum(place.stage == stage for place in places) for stage, _ in places}
    return [
        BlockFacts(
            place=place,
            position=index + 1,
            from_end=depths[place.stage] - place.block + 1,
            rel_depth=(index + 0.5) / len(places),
            **costs.get(place, {}),
        )
        for index, place in enumerate(places)
    ]


def _costs(spec: ArchitectureSpec) -> dict[Place, dict[str, Any]]:
    plain = spec.with_kinds(dict.fromkeys(spec.places(), Kind.NONE))
    base = complexity(plain)
    facts = {}
    for shape in block_shapes(plain):
        projected = complexity(plain.with_kinds({shape.place: Kind.PROJECTION}))
        facts[shape.place] = {
            "is_downsample": shape.changes_shape,
            "width": shape.out_channels,
            "resolution": shape.out_height,
            "delta_params": projected.params - base.params,
            "delta_macs": projected.macs - base.macs,
        }
    return facts
