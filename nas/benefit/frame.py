"""Which rows, blocks and kinds the map is about."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.benefit.context import BenefitContext
from nas.benefit.grid import KINDS, Grid, grid_of
from nas.benefit.reading import (
    block_layers_of,
    depths_of,
    kinds_of,
    places_of_depths,
    plans,
    randomised,
)
from nas.benefit.sample import ENOUGH_ROWS
from nas.space_kinds import BlockChoices
from nas.trials import TrialRecord
from search_spaces.spec import Kind, Place


@dataclass(frozen=True)
class Frame:
    """The reference: one depth plan, or all plans pooled where none has half of the rows."""

    plan: tuple[int, ...] | None
    """Blocks per stage; None where plans are pooled, or nothing is known."""
    places: tuple[Place, ...]
    kinds: tuple[Kind, ...]
    rows: tuple[TrialRecord, ...]
    """All finished randomised rows."""
    reference_rows: tuple[TrialRecord, ...]
    """Those at the reference."""
    grid: Grid
    """Their kinds and spans."""
    other_plans: tuple[tuple[int, ...], ...]
    choices: tuple[BlockChoices, ...]
    """What may end at each place."""
    block_layers: int = 2
    """Layers with weights per block."""
    rows_left_out: int = 0
    """Rows of the design that were left out because they exceeded a constraint."""

    @property
    def is_conditional(self) -> bool:
        """Whether the rows are those of the design within constraints only."""
        return self.rows_left_out > 0

    @property
    def layers(self) -> int | None:
        """Layers with weights at the reference; None where plans are pooled."""
        return None if self.plan is None else self.layers_of(self.plan)

    def layers_of(self, plan: tuple[int, ...]) -> int:
        """Return the layers with weights of another depth plan."""
        return self.block_layers * sum(plan) + 2

    @property
    def is_pooled(self) -> bool:
        """Whether several depth plans share the reference."""
        return self.plan is None and bool(self.other_plans)


def make_frame(rows: Sequence[TrialRecord], context: BenefitContext) -> Frame:
    """Find the reference depth and the rows at it; `rows` are sorted."""
    design = tuple(randomised(rows))
    found = plans(design)
    own_depths = [depths_of(row) for row in design]
    plan = context.reference_depths
    if plan is None and found:
        share = own_depths.count(found[0]) / len(design)
        plan = found[0] if share >= 0.5 else None
    elif plan is None and context.reference_spec is not None:
        plan = context.reference_spec.depths
    elif plan is None:
        everything = plans(rows)
        plan = max(everything, key=lambda depths: (sum(depths), depths), default=None)
    others = tuple(other for other in found if other != plan)
    if plan is None:
        num_stages = max((len(other) for other in others), default=0)
        deepest = [
            max(other[stage] if stage < len(other) else 0 for other in others)
            for stage in range(num_stages)
        ]
        places, reference = places_of_depths(deepest), design
    else:
        places = places_of_depths(plan)
        reference = tuple(r for r, own in zip(design, own_depths, strict=True) if own == plan)
    kinds = _kinds(rows, context)
    is_declared = plan is not None and plan == context.reference_depths
    declared = context.choices or {} if is_declared else {}
    left_out = sum(row.rows_left_out for row in rows)
    # Under constraints a kind may be missing because it is too large, not because it is no choice.
    grid = grid_of(reference, places)
    seen = choices_seen(grid, kinds, is_conditional=left_out > 0)
    return Frame(
        plan=plan,
        places=places,
        kinds=kinds,
        rows=design,
        reference_rows=reference,
        grid=grid,
        other_plans=others,
        choices=tuple(declared.get(p, own) for p, own in zip(places, seen, strict=True)),
        block_layers=_block_layers(context, reference or tuple(rows)),
        rows_left_out=left_out,
    )


def _block_layers(context: BenefitContext, rows: Sequence[TrialRecord]) -> int:
    """Return the layers per block: of the known network, or most often among the rows."""
    if context.reference_spec is not None:
        return context.reference_spec.block_layers
    # Tables that do not say their layers are common and long; counting their blocks tells nothing.
    says_none = (row.spec is None and row.layers is None for row in rows)
    counts = Counter(
        2 if none else block_layers_of(row) for row, none in zip(rows, says_none, strict=True)
    )
    return max(counts, key=lambda layers: (counts[layers], -layers), default=2)


def choices_seen(
    grid: Grid, kinds: tuple[Kind, ...], *, is_conditional: bool = False
) -> tuple[BlockChoices, ...]:
    """Return the kinds and spans that occur at each place; all kinds where rows are few.

    Args:
        grid: Rows of the design.
        kinds: Kinds of the space.
        is_conditional: Whether constraints can be the reason that a kind is missing; then every
            block may have all kinds.
    """
    found = []
    for codes, spans in zip(grid.codes.T, grid.spans.T, strict=True):
        own = codes[codes >= 0]
        is_few = is_conditional or len(own) < ENOUGH_ROWS
        seen = kinds if is_few else tuple(KINDS[code] for code in np.unique(own))
        longest = tuple(int(span) for span in np.unique(spans) if span > 0)
        found.append(BlockChoices(kinds=seen, spans=longest or (1,)))
    return tuple(found)


def _kinds(rows: Sequence[TrialRecord], context: BenefitContext) -> tuple[Kind, ...]:
    """Return the kinds of the space; from a bare table those that occur."""
    if context.kinds is not None:
        return tuple(kind for kind in Kind if kind in context.kinds)
    seen = {kind for row in rows for kind in kinds_of(row).values()}
    return tuple(kind for kind in Kind if kind in seen) if seen - {Kind.NONE} else tuple(Kind)
