"""Small helpers for figures written by hand: axes, marks and text.

Figures use the page's classes and colours; they are no files of their own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDE, NARROW = 860, 350
"""Widths at which figures are drawn: for desktops, and for phones."""


def figure(width: float, height: float, title: str, body: Sequence[str], css: str = "") -> str:
    """Wrap the parts of a figure; `title` is what screen readers say."""
    return (
        f'<svg class="fig {css}" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{escape(title)}">{"".join(body)}</svg>'
    )


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> str:
    """Write `words` at a point."""
    place = f' text-anchor="{anchor}"' if anchor != "start" else ""
    kind = f' class="{css}"' if css else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{kind}{place}>{escape(words)}</text>'


def line(x0: float, y0: float, x1: float, y1: float, css: str) -> str:
    """Draw a straight line."""
    return f'<path class="{css}" d="M{x0:.1f},{y0:.1f}L{x1:.1f},{y1:.1f}"/>'


def path(points: Sequence[tuple[float, float]], css: str) -> str:
    """Draw a line through points."""
    steps = "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<path class="{css}" d="M{steps}"/>'


def mark(x: float, y: float, css: str, shape: str = "circle", size: float = 4) -> str:
    """Draw a mark: `circle`, `square`, `diamond` or `cross`."""
    if shape == "circle":
        return f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="{size:g}"/>'
    if shape == "square":
        half = size * 0.9
        return (
            f'<rect class="{css}" x="{x - half:.1f}" y="{y - half:.1f}" width="{2 * half:.1f}" '
            f'height="{2 * half:.1f}"/>'
        )
    if shape == "diamond":
        s = size * 1.3
        return f'<path class="{css}" d="M{x - s:.1f},{y:.1f}l{s},-{s}l{s},{s}l-{s},{s}z"/>'
    return (
        f'<path class="{css}" d="M{x - size:.1f},{y - size:.1f}l{2 * size},{2 * size}'
        f'm0,-{2 * size}l-{2 * size},{2 * size}"/>'
    )


def titled(title: str, *parts: str) -> str:
    """Group parts that show `title` to a resting pointer."""
    return f"<g><title>{escape(title)}</title>{''.join(parts)}</g>"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Maps values to px, linearly or by their logarithm."""

    low: float
    high: float
    start: float
    """Px of `low`."""
    end: float
    """Px of `high`."""
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of `value`; values outside are kept at the edge."""
        value = min(self.high, max(self.low, value))
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, about: int = 4) -> list[float]:
        """Return round values inside the scale, about this many."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = [m * 10.0**p for p in powers for m in (1, 2, 5)]
            inside = [t for t in every if self.low <= t <= self.high]
            return inside if len(inside) <= about + 2 else inside[:: len(inside) // about]
        step = _round_step((self.high - self.low) / max(1, about))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(k * step, 10) for k in range(first, last + 1)]


def scale_over(
    values: Sequence[float], start: float, end: float, *, log: bool = False, zero: bool = False
) -> Scale:
    """Return a scale that holds all values with a little room, and zero if asked."""
    held = [*values, 0.0] if zero else list(values)
    low, high = min(held, default=0.0), max(held, default=1.0)
    if log and low > 0:
        return Scale(
            low=low / 1.15, high=max(high, low * 1.2) * 1.15, start=start, end=end, log=True
        )
    room = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return Scale(low=low - room, high=high + room, start=start, end=end)


def is_log_better(values: Sequence[float]) -> bool:
    """Say whether positive values span so much that a logarithmic axis shows them better."""
    return bool(values) and min(values) > 0 and max(values) > 8 * min(values)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)


def tick_text(value: float) -> str:
    """Write a tick without needless digits."""
    return f"{value:.6g}"
