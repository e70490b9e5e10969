"""A picture of curves with their spread, as SVG written by hand."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from nas.report.svg import Scale, scale_over, tick_text

WIDTH, HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 190, 36, 50
_COLOURS = (
    "#9ca3af", "#2563eb", "#dc2626", "#f59e0b", "#059669", "#7c3aed", "#000000", "#a16207",
    "#ec4899",
)  # fmt: skip
_DASHES = ("", "7 3", "2 3")
"""Curves often lie on each other."""
_MOST_BANDS = 3
"""With more curves their bands would hide each other."""


def draw_curves(
    x: Sequence[float],
    curves: Mapping[str, np.ndarray],
    *,
    title: str,
    x_label: str,
    y_label: str,
) -> str:
    """Draw the median of each curve; x and y by logarithm.

    Where there are few, also the bands between their quartiles.

    Args:
        x: Places, > 0.
        curves: By name, (repeats, places), > 0; NaN where there is nothing yet.
        title: Above the picture.
        x_label: Below it.
        y_label: Above the axis.
    """
    middle = {name: _quantile(values, 0.5) for name, values in curves.items()}
    every = np.concatenate([values[np.isfinite(values)] for values in middle.values()])
    across = Scale(low=min(x), high=max(x), start=_LEFT, end=WIDTH - _RIGHT, log=True)
    up = scale_over([*every], HEIGHT - _BOTTOM, _TOP, log=True)
    parts = [_axes(across, up, title, x_label, y_label)]
    for nth, values in enumerate(curves.values() if len(curves) <= _MOST_BANDS else ()):
        colour = _COLOURS[nth % len(_COLOURS)]
        parts.append(_band(x, values, across, up, colour))
    for nth, (name, values) in enumerate(middle.items()):
        colour = _COLOURS[nth % len(_COLOURS)]
        points = [(across(a), up(b)) for a, b in zip(x, values, strict=True) if np.isfinite(b)]
        dash = _DASHES[nth % len(_DASHES)]
        parts.append(_line(points, colour, dash))
        y = _TOP + 12 + 20 * nth
        start = WIDTH - _RIGHT + 14
        parts.append(_line([(start, y - 4), (start + 18, y - 4)], colour, dash))
        parts.append(_words(start + 24, y, name))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12" fill="#111">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _quantile(values: np.ndarray, share: float) -> np.ndarray:
    """Return a quantile per place; NaN where any repeat has nothing yet."""
    return np.quantile(values, share, axis=0)


def _axes(across: Scale, up: Scale, title: str, x_label: str, y_label: str) -> str:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts = [_words(_LEFT, 18, title, weight="bold"), _words(8, _TOP - 4, y_label)]
    for tick in up.ticks(6):
        y = up(tick)
        parts.append(f'<path d="M{_LEFT},{y:.1f}H{right}" stroke="#e5e7eb"/>')
        parts.append(_words(_LEFT - 6, y + 4, tick_text(tick), anchor="end"))
    parts += [
        _words(across(tick), bottom + 18, tick_text(tick), anchor="middle")
        for tick in across.ticks(8)
    ]
    parts.append(f'<path d="M{_LEFT},{_TOP}V{bottom}H{right}" fill="none" stroke="#6b7280"/>')
    parts.append(_words((_LEFT + right) / 2, HEIGHT - 10, x_label, anchor="middle"))
    return "".join(parts)


def _band(x: Sequence[float], values: np.ndarray, across: Scale, up: Scale, colour: str) -> str:
    low, high = _quantile(values, 0.25), _quantile(values, 0.75)
    there = [nth for nth in range(len(x)) if np.isfinite(low[nth]) and np.isfinite(high[nth])]
    if not there:
        return ""
    outline = [(across(x[nth]), up(low[nth])) for nth in there]
    outline += [(across(x[nth]), up(high[nth])) for nth in reversed(there)]
    steps = "L".join(f"{a:.1f},{b:.1f}" for a, b in outline)
    return f'<path d="M{steps}Z" fill="{colour}" opacity="0.1"/>'


def _line(points: Sequence[tuple[float, float]], colour: str, dash: str) -> str:
    if not points:
        return ""
    steps = "L".join(f"{a:.1f},{b:.1f}" for a, b in points)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="M{steps}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'


def _words(x: float, y: float, words: str, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(words)}</text>"
    )
