"""The skip map: the reference network with the effect of each kind of skip at each block."""

from nas.report.data import ReportData
from nas.report.effects import (
    Direction,
    Effect,
    block_effects,
    effects_of,
    impossible,
    reference_kind,
)
from nas.report.numbers import Metric, metric_of, typographic
from search_spaces.drawing import BlockPaint, Chip, draw_svg
from search_spaces.spec import Place

KINDS = ("identity", "projection")


def skip_map_svg(
    data: ReportData,
    *,
    width: int = 720,
    standalone: bool = True,
    element_id: str | None = None,
    is_marked: bool = False,
) -> str:
    """Draw the network with the effects of its skips, grey where the data cannot tell.

    Args:
        data: What the report is drawn from; needs a reference network or a trial with a spec.
        width: Width of the drawing in px.
        standalone: Whether it is a file of its own; otherwise the page has to hold the style
            sheet of the drawings.
        element_id: Id of the element, unique on its page.
        is_marked: Whether chips name block and kind, for the script of a page.

    Returns:
        One `<svg>` element; empty where no network is known.
    """
    spec = data.reference()
    if spec is None:
        return ""
    metric = metric_of(data.benefit)
    return draw_svg(
        spec,
        paints(data, list(spec.places()), metric),
        stage_effects=stage_paints(data, metric),
        width=width,
        title=f"Skip map of {data.study}: effect on {metric.label} of a skip at each block",
        element_id=element_id,
        standalone=standalone,
        is_marked=is_marked,
    )


def paints(data: ReportData, places: list[Place], metric: Metric) -> dict[Place, BlockPaint]:
    """Return the chips of every block."""
    reference = reference_kind(data.benefit)
    effects, never = block_effects(data.benefit), impossible(data.benefit, reference)
    # Without any effect both kinds are shown as open questions.
    asked = [kind for kind in KINDS if any(key[1] == kind for key in effects)] or list(KINDS)
    largest = max(
        (abs(e.estimate or 0.0) for e in effects.values() if _is_decided(e)), default=1.0
    )
    return {
        place: BlockPaint(
            **{
                kind: _chip(
                    f"{_named(kind, reference)} at stage {place.stage}, block {place.block}",
                    effects.get((place, kind)),
                    metric,
                    largest,
                )
                for kind in asked
                if (place, kind) not in never
            }
        )
        for place in places
    }


def stage_paints(data: ReportData, metric: Metric) -> dict[int, BlockPaint]:
    """Return the chips of every stage: the mean effect of its blocks."""
    reference = reference_kind(data.benefit)
    found = {
        (effect.stage, effect.kind): effect
        for effect in effects_of(data.benefit, "AMCE_STAGE" if reference == "none" else "KIND")
        if effect.stage is not None and effect.block is None and effect.kind in KINDS
    }
    largest = max((abs(e.estimate or 0.0) for e in found.values() if _is_decided(e)), default=1.0)
    return {
        stage: BlockPaint(
            **{
                kind: _chip(
                    f"{_named(kind, reference)} in stage {stage}, mean per block",
                    found.get((stage, kind)),
                    metric,
                    largest,
                )
                for kind in KINDS
                if (stage, kind) in found
            }
        )
        for stage in sorted({stage for stage, _ in found if stage is not None})
    }


def _named(kind: str, reference: str) -> str:
    return f"{kind} skip" if reference == "none" else f"{kind} against {reference}"


def _is_decided(effect: Effect) -> bool:
    return effect.direction in (Direction.HELPS, Direction.HURTS)


def _chip(where: str, effect: Effect | None, metric: Metric, largest: float) -> Chip:
    if effect is None or effect.estimate is None:
        return Chip(label="?", title=f"{where}: not measured")
    label = typographic(metric.effect(effect.estimate))
    interval = typographic(metric.effects(effect.low, effect.high))
    title = (
        f"{where}: {effect.words}. {label}{metric.unit} {metric.short} (above 0 is better), "
        f"95% interval {interval}"
    )
    strength = None
    if effect.direction is Direction.NEGLIGIBLE:
        strength = 0.0
    elif _is_decided(effect) and largest > 0:
        # Just below 1, and never 0: an effect that is decided has a colour.
        share = max(0.01, min(0.999, abs(effect.estimate) / largest))
        strength = share if effect.direction is Direction.HELPS else -share
    return Chip(label=label, title=title, strength=strength)
