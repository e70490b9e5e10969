"""A plot of estimates with their intervals, a line each: what all sections about effects draw."""

from collections.abc import Sequence
from dataclasses import dataclass

from nas.report.effects import Direction
from nas.report.numbers import Metric, typographic
from nas.report.svg import NARROW, Scale, figure, line, mark, scale_over, text, tick_text, titled

TONES = {
    Direction.HELPS: "helps",
    Direction.HURTS: "hurts",
    Direction.NEGLIGIBLE: "zero",
    Direction.UNKNOWN: "unknown",
}
SHAPES = {"identity": "circle", "projection": "square", "skip": "diamond"}
"""Mark of each kind."""
_LINE, _GAP, _TOP = 18, 8, 26.0
_ROOM = 24.0
"""Px on a side of zero below which it is not named."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """One line of the plot."""

    estimate: float | None
    low: float | None
    high: float | None
    direction: Direction
    label: str = ""
    """At the left; empty where the line belongs to the one above."""
    is_heavy: bool = False
    """Whether it opens a group, with room above it."""
    name: str = ""
    """Beside the label."""
    short: str = ""
    """The name where there is little room."""
    kind: str = "identity"
    """Which mark it has."""
    is_coarse: bool = False
    """Whether its mark is larger."""
    note: str = ""
    """At the right, such as counts."""
    where: str = ""
    """What it is about, for a pointer that rests on it; the numbers follow."""
    words: str = ""
    """What may be said, for the same."""
    truth: float | None = None
    """The true value where it is known, drawn as a hollow diamond."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What stands around the lines."""

    title: str
    """For screen readers."""
    head: str = ""
    """Above the estimates; by default the metric's name."""
    note_head: str = ""
    """Above the notes."""
    left_words: str = "hurts"
    right_words: str = "helps"
    band: float | None = None
    """Effects within plus and minus this are too small to matter."""


def intervals_svg(rows: Sequence[Interval], metric: Metric, width: float, frame: Frame) -> str:
    """Draw lines with estimates and intervals; empty without any line.

    Args:
        rows: The lines, from top to bottom.
        metric: How values are written.
        width: Width in px; a narrow plot has no intervals in figures and no notes.
        frame: What stands around them.
    """
    if not rows:
        return ""
    narrow = width <= NARROW
    names = max(len(row.short) for row in rows)
    left, right = (81 + 7 * max(1, names), 54) if narrow else (156, 276)
    known = [v for r in rows for v in (r.low, r.high, r.estimate, r.truth) if v is not None]
    scale = scale_over(known, left, width - right, zero=True)
    body: list[str] = []
    y = _TOP
    for index, row in enumerate(rows):
        if row.label and index:
            y += 4 + (_GAP if row.is_heavy else 0)
        if row.label:
            body.append(text(0, y + 13, row.label, "strong" if row.is_heavy else ""))
        body.append(_line(row, metric, scale, y + _LINE / 2, narrow=narrow))
        y += _LINE
    y += 4
    around = _frame(metric, scale, y, width, frame, narrow=narrow)
    title = f"{frame.title}, with 95% intervals"
    return figure(width, y + 22, title, [*around, *body])


def _frame(
    metric: Metric, scale: Scale, bottom: float, width: float, frame: Frame, *, narrow: bool
) -> list[str]:
    """Draw the axis, the zero line, the band of effects that do not matter, and the heads."""
    parts: list[str] = []
    if frame.band is not None:
        x0, x1 = scale(-frame.band), scale(frame.band)
        parts.append(
            titled(
                f"effects within {metric.size(frame.band)}{metric.unit} are too small to matter",
                f'<rect class="band" x="{x0:.1f}" y="{_TOP - 4:.1f}" width="{x1 - x0:.1f}" '
                f'height="{bottom - _TOP + 4:.1f}"/>',
            )
        )
    for tick in scale.ticks(3 if narrow else 5):
        x = scale(tick)
        parts.append(line(x, _TOP - 4, x, bottom, "axis" if tick == 0 else "grid"))
        shown = tick * 100 if metric.is_share else tick
        parts.append(text(x, bottom + 15, typographic(tick_text(shown)), "quiet", "middle"))
    parts += _sides(scale, frame)
    head = frame.head or metric.short
    if narrow:
        parts.append(text(width, 13, head, "quiet", "end"))
    else:
        parts.append(text(width - 214, 13, head, "quiet", "end"))
        parts.append(text(width - 204, 13, "95% interval", "quiet"))
        parts.append(text(width, 13, frame.note_head, "quiet", "end"))
    return parts


def _sides(scale: Scale, frame: Frame) -> list[str]:
    """Say what left and right of zero mean, where there is room and so something to see."""
    zero, parts = scale(0.0), []
    if zero - scale.start > _ROOM:
        words = f"\N{LEFTWARDS ARROW} {frame.left_words}"
        parts.append(text(zero - 8, 13, words, "quiet", "end"))
    if scale.end - zero > _ROOM:
        words = f"{frame.right_words} \N{RIGHTWARDS ARROW}"
        parts.append(text(zero + 8, 13, words, "quiet"))
    return parts


def _line(row: Interval, metric: Metric, scale: Scale, y: float, *, narrow: bool) -> str:
    tone, end = TONES[row.direction], scale.end
    name = row.short if narrow else row.name
    parts = [text(74 if narrow else 84, y + 4, name, "quiet")] if name else []
    if row.estimate is None:
        parts.append(text(end + 10, y + 4, "not measured", "quiet"))
        return titled(f"{row.where}: not measured", *parts)
    if row.low is not None and row.high is not None:
        parts.append(line(scale(row.low), y, scale(row.high), y, f"whisker {tone}"))
    size, shape = 5 if row.is_coarse else 4, SHAPES.get(row.kind, "circle")
    parts.append(mark(scale(row.estimate), y, f"mark {tone}", shape, size))
    if row.truth is not None:
        parts.append(mark(scale(row.truth), y, "hollow", "diamond", 4))
    value = typographic(metric.effect(row.estimate))
    interval = typographic(metric.effects(row.low, row.high))
    if narrow:
        parts.append(text(end + 54, y + 4, value, tone, "end"))
    else:
        parts.append(text(end + 62, y + 4, value, f"strong {tone}", "end"))
        parts.append(text(end + 72, y + 4, interval, "quiet"))
        parts.append(text(end + 276, y + 4, row.note, "quiet", "end"))
    note = f", n {row.note}" if row.note else ""
    words = f"{row.words}, " if row.words else ""
    return titled(f"{row.where}: {words}{value} ({interval}){note}", *parts)
