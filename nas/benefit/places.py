"""Where a block is and what a skip there costs: the columns beside every effect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.benefit.context import BenefitContext
from nas.space_kinds import BlockChoices
from search_spaces.complexity import complexity
from search_spaces.shapes import block_shapes
from search_spaces.spec import ArchitectureSpec, Place


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
    delta_params: float | None = None
    """Parameters of a projection here, the mean over its spans."""
    delta_macs: float | None = None
    """Multiply-adds of a projection here, per image, the mean over its spans."""
    costs: Mapping[int, tuple[int, int]] | None = None
    """Parameters and multiply-adds of a projection here by its span."""

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


def block_facts(
    places: tuple[Place, ...], context: BenefitContext, choices: Sequence[BlockChoices] = ()
) -> list[BlockFacts]:
    """Return the facts of every block; shapes and costs where the reference spec has the block.

    Args:
        places: The blocks.
        context: Its reference spec has the shapes.
        choices: Which spans a projection may have at each block; span 1 where it is empty.
    """
    spec = context.reference_spec
    spans = {place: own.spans for place, own in zip(places, choices, strict=bool(choices))}
    costs = _costs(spec, spans) if spec is not None else {}
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


def _costs(
    spec: ArchitectureSpec, spans: Mapping[Place, tuple[int, ...]]
) -> dict[Place, dict[str, Any]]:
    plain = spec.with_skips([])
    base, names = complexity(plain), [str(place) for place in plain.places()]
    facts = {}
    for index, shape in enumerate(block_shapes(plain)):
        costs: dict[int, tuple[int, int]] = {}
        for span in spans.get(shape.place, (1,)):
            if span <= index + 1:
                edge = {"from": names[index - span + 1], "to": names[index], "kind": "projection"}
                projected = complexity(plain.with_skips([edge]))
                costs[span] = projected.params - base.params, projected.macs - base.macs
        params, macs = (
            float(np.mean([cost[part] for cost in costs.values()])) if costs else None
            for part in (0, 1)
        )
        facts[shape.place] = {
            "is_downsample": shape.changes_shape,
            "width": shape.out_channels,
            "resolution": shape.out_height,
            "delta_params": params,
            "delta_macs": macs,
            "costs": costs,
        }
    return facts
