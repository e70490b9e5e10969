"""Figures of the claims' page: intervals beside each other, and lines."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nas.claims.finding import SHARE_UNIT
from nas.report.numbers import typographic
from nas.report.svg import (
    Scale,
    figure,
    line,
    mark,
    path,
    scale_over,
    text,
    tick_text,
    titled,
)

_ROW = 26
_NARROW_ROW = 42
_PHONE = 500
_STYLES = ("plain", "identity", "projection")
_LEGEND_ROW = 18


def intervals_svg(estimates: Sequence[Mapping[str, Any]], width: float) -> str:
    """Draw estimates with their intervals on one scale; empty where none has a value.

    Args:
        estimates: As in `claims.json`, of one unit.
        width: In px; narrow figures have the names above the intervals.
    """
    shown = [row for row in estimates if row["estimate"] is not None]
    if not shown:
        return ""
    is_narrow = width < _PHONE
    found = (row[key] for row in shown for key in ("estimate", "ci_low", "ci_high"))
    values = [value for value in found if value is not None]
    left, right = (8.0, width - 12) if is_narrow else (330.0, width - 180)
    scale = scale_over(values, left, right, zero=True)
    write = _writer(values, shown[0]["unit"])
    row_height = _NARROW_ROW if is_narrow else _ROW
    height = row_height * len(shown) + 26
    body = _axis(scale, height - 22)
    for index, row in enumerate(shown):
        y = index * row_height + (30 if is_narrow else 14)
        body.append(_interval(row, write, scale, y, width))
    name = "Estimates with their intervals: " + ", ".join(row["name"] for row in shown)
    return figure(width, height, name, body)


def _axis(scale: Scale, bottom: float) -> list[str]:
    parts = []
    for tick in scale.ticks(4):
        css = "axis" if tick == 0 else "grid"
        parts.append(line(scale(tick), 2, scale(tick), bottom, css))
        words = typographic(tick_text(tick))
        parts.append(text(scale(tick), bottom + 15, words, "small", "middle"))
    return parts


def _interval(
    row: Mapping[str, Any], write: Callable[[float], str], scale: Scale, y: float, width: float
) -> str:
    low, high, value = row["ci_low"], row["ci_high"], row["estimate"]
    words, parts, tone, dot = write(value), [], "unknown", "mark unknown"
    if low is not None and high is not None:
        words += f" ({write(low)} to {write(high)})"
        if low > 0 or high < 0:
            tone, dot = "zero", "dot"
        parts.append(line(scale(low), y, scale(high), y, f"whisker {tone}"))
    parts.append(mark(scale(value), y, dot, "circle", 4.5))
    if width < _PHONE:
        parts.append(text(0, y - 12, row["name"], "small"))
        parts.append(text(width, y - 12, words, "small", "end"))
    else:
        parts.append(text(0, y + 4, row["name"]))
        parts.append(text(width, y + 4, words, "quiet", "end"))
    return titled(f"{row['name']}: {words}, n = {row['n']}", *parts)


def _writer(values: Sequence[float], unit: str) -> Callable[[float], str]:
    """Return how the numbers of a figure are written, all with as many decimals."""
    if unit == SHARE_UNIT:
        return lambda value: f"{100 * value:.0f}%"
    largest = max((abs(value) for value in values), default=1.0) or 1.0
    digits = min(max(2 - math.floor(math.log10(largest)), 1), 6)
    return lambda value: typographic(f"{value:+.{digits}f}")


def lines_svg(plot: Mapping[str, Any], width: float) -> str:
    """Draw the lines of a plot, with a legend where there are several; empty without points."""
    lines = [entry for entry in plot["lines"] if entry["points"]]
    if not lines:
        return ""
    points = [point for entry in lines for point in entry["points"]]
    legend = _LEGEND_ROW * len(lines) if len(lines) > 1 else 0
    top, bottom, left = 26.0 + legend, 230.0 + legend, 56.0
    across = scale_over([x for x, _ in points], left, width - 16)
    up = scale_over([y for _, y in points], bottom, top)
    body = [text(0, 12, plot["y"], "small")]
    for tick in up.ticks(4):
        body.append(line(left, up(tick), width - 8, up(tick), "grid"))
        words = f"{100 * tick:g}%" if plot["is_share"] else tick_text(tick)
        body.append(text(left - 8, up(tick) + 4, typographic(words), "small", "end"))
    body += [
        text(across(tick), bottom + 16, tick_text(tick), "small", "middle")
        for tick in _x_ticks(across, sorted({x for x, _ in points}))
    ]
    body.append(text((left + width) / 2, bottom + 34, plot["x"], "small", "middle"))
    for index, entry in enumerate(lines):
        css = entry["style"] if entry["style"] in _STYLES else "other"
        placed = [(across(x), up(y)) for x, y in entry["points"]]
        body.append(titled(entry["name"], path(placed, f"curve {css}")))
        body += [mark(x, y, f"mark {css}", "circle", 3) for x, y in placed]
        if legend:
            y = 28.0 + _LEGEND_ROW * index
            body.append(line(left, y - 4, left + 18, y - 4, f"curve {css}"))
            body.append(text(left + 24, y, entry["name"], "small"))
    return figure(width, bottom + 42, f"{plot['y']} against {plot['x']}", body)


def _x_ticks(scale: Scale, values: Sequence[float]) -> Sequence[float]:
    """Return the values themselves where they are few, else round numbers."""
    if len(values) <= 8:
        return values
    return [tick for tick in scale.ticks(6) if tick == round(tick)]
