"""The true map beside ours, where the truth is known: data sets whose networks are all trained."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nas.report.data import ReportData
from nas.report.effects import Direction, read_effects
from nas.report.forest import effect_interval
from nas.report.html import both, key, paragraph, section
from nas.report.intervals import Frame, Interval, intervals_svg
from nas.report.numbers import Metric, is_number, mapping, metric_of, rows, typographic
from nas.report.svg import NARROW, WIDE


def truth_section(data: ReportData) -> str:
    """Draw the true effects on our intervals and count those that hold them; or nothing."""
    truth, metric = mapping(data.benefit.get("truth")), metric_of(data.benefit)
    lines = _lines(rows(truth.get("effects")), metric)
    if not lines:
        return ""
    inside, compared = truth.get("num_inside"), truth.get("num_compared")
    counted = ""
    if is_number(inside) and is_number(compared):
        counted = f"*{int(inside)} of {int(compared)}* intervals hold the truth."
    words = paragraph(f"{truth.get('sentence') or ''} {counted}".strip(), "plain")
    marks = key(
        ("var(--unknown)", "", "our estimate, with its simultaneous 95% interval"),
        ("var(--hurts)", "diamond", "the truth"),
    )
    frame = Frame(title=f"True and estimated effects on {metric.label}", note_head="truth")
    plots = (intervals_svg(lines, metric, width, frame) for width in (WIDE, NARROW))
    return section("truth", "The true map beside ours", words, marks, both(*plots))


def _lines(found: list[Mapping[str, Any]], metric: Metric) -> list[Interval]:
    lines: list[Interval] = []
    pairs = list(zip(found, read_effects(found), strict=True))
    for row, effect in sorted(pairs, key=lambda one: (one[1].stage or 0, one[1].block or 0)):
        if not is_number(row.get("truth")):
            continue
        label = "All blocks"
        if effect.stage is not None:
            label = f"block {effect.block}" if effect.block else f"Stage {effect.stage}"
        line = effect_interval(effect, label=label, is_heavy=effect.block is None)
        is_outside = row.get("inside") is False
        lines.append(
            replace(
                line,
                truth=float(row["truth"]),
                note=typographic(metric.effect(row["truth"])),
                direction=Direction.HURTS if is_outside else Direction.UNKNOWN,
                words="the interval misses the truth" if is_outside else "",
            )
        )
    return lines
