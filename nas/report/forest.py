"""The forest plot: every effect with its interval, from all skips to stages to single blocks."""

from dataclasses import dataclass

from nas.report.data import ReportData
from nas.report.effects import Direction, Effect, block_effects, effects_of, reference_kind
from nas.report.numbers import Metric, is_number, metric_of, typographic
from nas.report.svg import NARROW, Scale, figure, line, mark, scale_over, text, tick_text, titled

_CSS = {
    Direction.HELPS: "helps",
    Direction.HURTS: "hurts",
    Direction.NEGLIGIBLE: "zero",
    Direction.UNKNOWN: "unknown",
}
_SHAPES = {"identity": "circle", "projection": "square", "skip": "diamond"}
_ORDER = {"skip": 0, "identity": 1, "projection": 2}
_LINE, _GAP = 18, 8


@dataclass(frozen=True, kw_only=True)
class _Group:
    label: str
    heavy: bool
    """Whether it is a coarser level, which opens the finer ones."""
    effects: list[Effect]


def forest_svg(data: ReportData, width: float) -> str:
    """Draw all effects on the study's metric; empty without any."""
    title = f"Effect on {metric_of(data.benefit).label} of a skip, by position"
    return _forest(data, _groups(data), width, title)


def span_forest_svg(data: ReportData, width: float) -> str:
    """Draw the effects of longer spans over all blocks; empty without any."""
    groups = [
        _Group(label=f"Span {effect.span}", heavy=True, effects=[effect])
        for effect in effects_of(data.benefit, "SPAN_ALL")
    ]
    title = f"Effect on {metric_of(data.benefit).label} of a longer span against span 1"
    return _forest(data, groups, width, title)


def _forest(data: ReportData, groups: list[_Group], width: float, title: str) -> str:
    if not groups:
        return ""
    metric = metric_of(data.benefit)
    narrow = width <= NARROW
    left, right = (88, 54) if narrow else (156, 276)
    known = [
        value
        for group in groups
        for effect in group.effects
        for value in (effect.low, effect.high, effect.estimate)
        if value is not None
    ]
    scale = scale_over(known, left, width - right, zero=True)
    top = 26.0
    body: list[str] = []
    y = top
    for group in groups:
        if group.heavy and y > top:
            y += _GAP
        body.append(text(0, y + 13, group.label, "strong" if group.heavy else ""))
        for effect in group.effects:
            body.append(_row(data, effect, metric, scale, y + _LINE / 2, narrow=narrow))
            y += _LINE
        y += 4
    frame = _frame(data, metric, scale, top, y, width, narrow=narrow)
    return figure(width, y + 22, f"{title}, with 95% intervals", [*frame, *body])


def _groups(data: ReportData) -> list[_Group]:
    def pick(estimand: str, stage: int | None = None, block: int | None = None) -> list[Effect]:
        found = [
            effect
            for effect in effects_of(data.benefit, estimand)
            if effect.kind in _ORDER and (effect.stage, effect.block) == (stage, block)
        ]
        return sorted(found, key=lambda effect: _ORDER[effect.kind])

    has_none = reference_kind(data.benefit) == "none"
    network, stage_level, block_level = (
        ("AMCE_ALL", "AMCE_STAGE", "AMCE") if has_none else ("KIND",) * 3
    )
    groups = [_Group(label="All blocks", heavy=True, effects=pick(network))]
    places = [place for place, _ in block_effects(data.benefit)]
    stages = {e.stage for e in effects_of(data.benefit, stage_level)} | {p.stage for p in places}
    for stage in sorted(s for s in stages if s is not None):
        label = f"Stage {stage}"
        groups.append(_Group(label=label, heavy=True, effects=pick(stage_level, stage)))
        for block in sorted({p.block for p in places if p.stage == stage}):
            effects = pick(block_level, stage, block)
            groups.append(_Group(label=f"block {block}", heavy=False, effects=effects))
    return [group for group in groups if group.effects]


def _frame(
    data: ReportData,
    metric: Metric,
    scale: Scale,
    top: float,
    bottom: float,
    width: float,
    *,
    narrow: bool,
) -> list[str]:
    """Draw the axis, the zero line, the band of effects that do not matter, and the heads."""
    parts: list[str] = []
    worthwhile = data.benefit.get("sesoi")
    if is_number(worthwhile):
        x0, x1 = scale(-worthwhile), scale(worthwhile)
        parts.append(
            titled(
                f"effects within {metric.size(worthwhile)}{metric.unit} are too small to matter",
                f'<rect class="band" x="{x0:.1f}" y="{top - 4:.1f}" width="{x1 - x0:.1f}" '
                f'height="{bottom - top + 4:.1f}"/>',
            )
        )
    for tick in scale.ticks(3 if narrow else 5):
        x = scale(tick)
        parts.append(line(x, top - 4, x, bottom, "axis" if tick == 0 else "grid"))
        shown = tick * 100 if metric.is_share else tick
        parts.append(text(x, bottom + 15, typographic(tick_text(shown)), "quiet", "middle"))
    zero = scale(0.0)
    parts.append(text(zero - 8, 13, "\N{LEFTWARDS ARROW} hurts", "quiet", "end"))
    parts.append(text(zero + 8, 13, "helps \N{RIGHTWARDS ARROW}", "quiet"))
    if narrow:
        parts.append(text(width, 13, metric.short, "quiet", "end"))
    else:
        parts.append(text(width - 214, 13, metric.short, "quiet", "end"))
        parts.append(text(width - 204, 13, "95% interval", "quiet"))
        parts.append(text(width, 13, "with | without", "quiet", "end"))
    return parts


def _row(
    data: ReportData, effect: Effect, metric: Metric, scale: Scale, y: float, *, narrow: bool
) -> str:
    tone = _CSS[effect.direction]
    end = scale.end
    name = effect.kind[0].upper() if narrow else effect.kind
    if effect.span is not None:
        name = "" if narrow else f"against {effect.reference_span}"
    parts = [text(74 if narrow else 84, y + 4, name, "quiet")]
    if effect.estimate is None:
        parts.append(text(end + 10, y + 4, "not measured", "quiet"))
        return titled(f"{_where(effect)}: not measured", *parts)
    if effect.low is not None and effect.high is not None:
        parts.append(line(scale(effect.low), y, scale(effect.high), y, f"whisker {tone}"))
    shape = _SHAPES.get(effect.kind, "circle")
    size = 5 if effect.estimand != "AMCE" else 4
    parts.append(mark(scale(effect.estimate), y, f"mark {tone}", shape, size))
    value = typographic(metric.effect(effect.estimate))
    interval = typographic(metric.effects(effect.low, effect.high))
    arms = _arms(data, effect)
    if narrow:
        parts.append(text(end + 54, y + 4, value, tone, "end"))
    else:
        parts.append(text(end + 62, y + 4, value, f"strong {tone}", "end"))
        parts.append(text(end + 72, y + 4, interval, "quiet"))
        parts.append(text(end + 276, y + 4, arms, "quiet", "end"))
    return titled(f"{_where(effect)}: {effect.words}, {value} ({interval}), n {arms}", *parts)


def _where(effect: Effect) -> str:
    if effect.span is not None:
        return f"span {effect.span} against {effect.reference_span}, all blocks"
    if effect.stage is None:
        return f"{effect.kind}, all blocks"
    block = f", block {effect.block}" if effect.block is not None else ""
    return f"{effect.kind}, stage {effect.stage}{block}"


def _arms(data: ReportData, effect: Effect) -> str:
    """Count the networks with this kind here and those without; coarser levels use all."""
    if effect.place is not None:
        with_it = data.arm(*effect.place, effect.kind)
        without = data.arm(*effect.place, reference_kind(data.benefit))
        if with_it is not None and without is not None:
            return f"{with_it} | {without}"
    return "" if effect.n_runs is None else f"{effect.n_runs} in all"
