"""Numbers and tables as Markdown."""

import math
from collections.abc import Sequence

from nas.finalists import Spread

_LARGE = 1e4
"""Numbers above it are written in three digits and a power of ten."""


Bounds = tuple[float, float]
"""Least and largest value that a score can have."""


def spread_cells(spread: Spread, bounds: Bounds = (-math.inf, math.inf)) -> list[str]:
    """Return mean, standard deviation, interval within the bounds, and count."""
    low, high = spread.low, spread.high
    if low is not None and high is not None:
        low, high = max(bounds[0], low), min(bounds[1], high)
    return [
        number(spread.mean),
        "not known" if spread.sd is None else number(spread.sd),
        interval(low, high),
        str(spread.n),
    ]


def mean_sd(spread: Spread) -> str:
    """Return `0.9722 ± 0.0031`."""
    return number(spread.mean) + ("" if spread.sd is None else f" ± {number(spread.sd)}")


def interval(low: float | None, high: float | None, sign: str = "") -> str:
    """Return `0.96 to 0.98`; `sign` is `+` for differences."""
    if low is None or high is None:
        return "not known"
    return f"{number(low, sign)} to {number(high, sign)}"


def number(value: float | None, sign: str = "") -> str:
    """Return four decimals, or three digits where it is very large; `sign` may be `+`."""
    if value is None:
        return "not measured"
    return f"{value:{sign}.3g}" if abs(value) > _LARGE else f"{value:{sign}.4f}"


def numbers(values: Sequence[float]) -> str:
    """Return numbers in four significant digits."""
    return ", ".join(f"{value:.4g}" for value in values)


def duration(seconds: float) -> str:
    """Return seconds, or minutes from two on."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "worker"), counted(2, "worker")
    ('1 worker', '2 workers')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
