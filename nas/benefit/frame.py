"""Which rows, blocks and kinds the map is about."""

from collections.abc import Sequence
from dataclasses import dataclass

from nas.benefit.context import BenefitContext
from nas.benefit.sample import (
    depths_of,
    kinds_of,
    places_of_depths,
    plans,
    randomised,
)
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
    other_plans: tuple[tuple[int, ...], ...]

    @property
    def is_pooled(self) -> bool:
        """Whether several depth plans share the reference."""
        return self.plan is None and bool(self.other_plans)


def make_frame(rows: Sequence[TrialRecord], context: BenefitContext) -> Frame:
    """Find the reference depth and the rows at it; `rows` are sorted."""
    design = tuple(randomised(rows))
    found = plans(design)
    plan = context.reference_depths
    if plan is None and found:
        share = sum(depths_of(row) == found[0] for row in design) / len(design)
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
        reference = tuple(row for row in design if depths_of(row) == plan)
    return Frame(plan, places, _kinds(rows, context), design, reference, others)


def _kinds(rows: Sequence[TrialRecord], context: BenefitContext) -> tuple[Kind, ...]:
    """Return the kinds of the space; from a bare table those that occur."""
    if context.kinds is not None:
        return tuple(kind for kind in Kind if kind in context.kinds)
    seen = {kind for row in rows for kind in kinds_of(row).values()}
    return tuple(kind for kind in Kind if kind in seen) if seen - {Kind.NONE} else tuple(Kind)
