"""What comes out of testing a claim: a verdict with its numbers; no torch here."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SHARE_UNIT = "share of trainings, one-sided bounds"
"""Unit of numbers that are written in percent."""


class Verdict(StrEnum):
    """What a test says of a claim, by the rule that was fixed before."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTED = "not tested"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with the interval that the rule looks at."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    """Seeds, pairs or runs behind it."""
    unit: str = ""
    decides: bool = True
    """Whether the rule looks at it; others are shown beside."""

    @property
    def is_above(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.low is not None and self.low > 0

    @property
    def is_below(self) -> bool:
        """Whether the whole interval is below 0."""
        return self.high is not None and self.high < 0

    def is_within(self, limit: float) -> bool:
        """Whether the whole interval lies between `-limit` and `limit`."""
        if self.low is None or self.high is None:
            return False
        return -limit < self.low and self.high < limit

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data, with None for what is not finite."""
        return {
            "name": self.name,
            "estimate": finite(self.value),
            "ci_low": finite(self.low),
            "ci_high": finite(self.high),
            "n": self.n,
            "unit": self.unit,
            "decides": self.decides,
        }


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a plot."""

    name: str
    style: str
    """`plain`, `identity`, `projection` or `other`."""
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot of one or several lines."""

    x: str
    """What the horizontal axis shows."""
    y: str
    lines: tuple[Line, ...]
    is_share: bool = False
    """Whether values are shares, written in percent."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The verdict on one claim and what it rests on."""

    verdict: Verdict
    evidence: str
    """One line, without the conditions, which are added to every claim alike."""
    estimates: tuple[Estimate, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further numbers by name, such as p-values."""
    plot: Plot | None = None

    def numbers(self) -> dict[str, Any]:
        """Return the numbers as JSON data."""
        return {
            "estimates": [estimate.to_dict() for estimate in self.estimates],
            "facts": {name: _plain(value) for name, value in self.facts.items()},
            "plot": None if self.plot is None else _plot(self.plot),
        }


def not_tested(why: str) -> Finding:
    """Return the finding for a claim without the results that its rule needs."""
    return Finding(verdict=Verdict.NOT_TESTED, evidence=why)


def signed(value: float | None, digits: int = 3) -> str:
    """Write a number with its sign; `?` where there is none.

    >>> signed(0.5), signed(-0.5, 1), signed(None)
    ('+0.500', '-0.5', '?')
    """
    return "?" if value is None or not math.isfinite(value) else f"{value:+.{digits}f}"


def with_interval(estimate: Estimate, digits: int = 3) -> str:
    """Write an estimate with its interval.

    >>> with_interval(Estimate(name="gain", value=0.2, low=0.1, high=0.3, n=5), 1)
    '+0.2 (+0.1 to +0.3)'
    """
    words = signed(estimate.value, digits)
    if estimate.low is None or estimate.high is None:
        return f"{words} (no interval)"
    return f"{words} ({signed(estimate.low, digits)} to {signed(estimate.high, digits)})"


def finite(value: float | None) -> float | None:
    """Return the number, or None if it is not finite."""
    return value if value is not None and math.isfinite(value) else None


def _plain(value: Any) -> Any:
    return finite(value) if isinstance(value, float) else value


def _plot(plot: Plot) -> dict[str, Any]:
    lines = [
        {
            "name": line.name,
            "style": line.style,
            "points": [[x, y] for x, y in line.points if math.isfinite(x) and math.isfinite(y)],
        }
        for line in plot.lines
    ]
    return {"x": plot.x, "y": plot.y, "is_share": plot.is_share, "lines": lines}
