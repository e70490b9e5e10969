"""The forest plot: every effect with its interval, from all skips to stages to single blocks."""

from nas.report.data import ReportData
from nas.report.effects import Effect, block_effects, effects_of, reference_kind
from nas.report.intervals import Frame, Interval, intervals_svg
from nas.report.numbers import is_number, metric_of

_ORDER = {"skip": 0, "identity": 1, "projection": 2}


def forest_svg(data: ReportData, width: float) -> str:
    """Draw all effects on the study's metric; empty without any."""
    title = f"Effect on {metric_of(data.benefit).label} of a skip, by position"
    return _draw(data, _lines(data), width, title)


def span_forest_svg(data: ReportData, width: float) -> str:
    """Draw the effects of longer spans over all blocks; empty without any."""
    lines = [
        interval
        for effect in effects_of(data.benefit, "SPAN_ALL")
        for interval in _group(data, f"Span {effect.span}", [effect], is_heavy=True)
    ]
    title = f"Effect on {metric_of(data.benefit).label} of a longer span against span 1"
    return _draw(data, lines, width, title)


def _draw(data: ReportData, lines: list[Interval], width: float, title: str) -> str:
    worthwhile = data.benefit.get("sesoi")
    frame = Frame(
        title=title,
        note_head="with | without",
        band=worthwhile if is_number(worthwhile) else None,
    )
    return intervals_svg(lines, metric_of(data.benefit), width, frame)


def _lines(data: ReportData) -> list[Interval]:
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
    lines = _group(data, "All blocks", pick(network), is_heavy=True)
    places = [place for place, _ in block_effects(data.benefit)]
    stages = {e.stage for e in effects_of(data.benefit, stage_level)} | {p.stage for p in places}
    for stage in sorted(s for s in stages if s is not None):
        effects = pick(stage_level, stage)
        lines += _group(data, f"Stage {stage}", effects, is_heavy=True)
        for block in sorted({p.block for p in places if p.stage == stage}):
            lines += _group(data, f"block {block}", pick(block_level, stage, block))
    return lines


def _group(
    data: ReportData, label: str, effects: list[Effect], *, is_heavy: bool = False
) -> list[Interval]:
    return [
        effect_interval(
            effect,
            label="" if index else label,
            is_heavy=is_heavy,
            note=_arms(data, effect),
        )
        for index, effect in enumerate(effects)
    ]


def effect_interval(
    effect: Effect, *, label: str = "", is_heavy: bool = False, note: str = ""
) -> Interval:
    """Return the line of an effect."""
    name, short = effect.kind, effect.kind[:1].upper()
    if effect.span is not None:
        name, short = f"against {effect.reference_span}", ""
    return Interval(
        estimate=effect.estimate,
        low=effect.low,
        high=effect.high,
        direction=effect.direction,
        label=label,
        is_heavy=is_heavy,
        name=name,
        short=short,
        kind=effect.kind,
        is_coarse=effect.estimand != "AMCE",
        note=note,
        where=_where(effect),
        words=effect.words,
    )


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
