"""The depth plans of the design one by one, the reference among them."""

from typing import Any

from nas.benefit.aligned import DepthAnalysis
from nas.benefit.context import Metric
from nas.benefit.effect_rows import effect_rows
from nas.benefit.effects import Analysis, analyse, mostly_known
from nas.benefit.frame import choices_seen
from nas.benefit.grid import grid_of
from nas.benefit.places import block_facts
from nas.benefit.reading import depths_of, places_of_depths, with_worst
from nas.benefit.reference import Reference
from nas.benefit.sample import tabulate, values_of


def other_depths(reference: Reference, metric: Metric, limit: float | None) -> list[DepthAnalysis]:
    """Estimate each depth plan beside the reference that has rows enough for any answer.

    Args:
        reference: The design rows.
        metric: The study's metric.
        limit: Smallest effect of interest at the reference depth.
    """
    frame, context = reference.frame, reference.context
    found = []
    for plan in frame.other_plans:
        places = places_of_depths(plan)
        rows = [row for row in frame.rows if depths_of(row) == plan]
        is_conditional = frame.is_conditional
        grid = grid_of(rows, places)
        choices = choices_seen(grid, frame.kinds, is_conditional=is_conditional)
        table = tabulate(rows, places, choices, is_conditional=is_conditional, grid=grid)
        sample = table.scored(values_of(rows, with_worst(metric, rows)))
        analysis = analyse(
            sample,
            frame.kinds,
            None if frame.is_pooled else limit,
            may_decide=mostly_known(sample.num_rows, len(rows)),
        )
        if analysis.answers:
            facts = block_facts(places, context, choices)
            found.append(DepthAnalysis(plan, frame.layers_of(plan), analysis, facts))
    return found


def depth_rows(others: list[DepthAnalysis]) -> list[dict[str, Any]]:
    """Return the effects at each of these depth plans."""
    return [
        {
            "depth_plan": list(own.plan),
            "effects": effect_rows(own.analysis, own.facts, own.plan, own.layers),
        }
        for own in others
    ]


def all_depths(
    reference: Reference, analysis: Analysis, others: list[DepthAnalysis]
) -> list[DepthAnalysis]:
    """Return the depth plans with the reference among them, shallow first."""
    frame = reference.frame
    every = list(others)
    if frame.plan is not None and frame.layers is not None:
        every.append(DepthAnalysis(frame.plan, frame.layers, analysis, reference.facts))
    return sorted(every, key=lambda own: (own.layers, own.plan))
