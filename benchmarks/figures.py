"""What a validation found, beside the bound that it has to keep."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from benchmarks.measuring import format_table


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number with its bounds."""

    test: str
    case: str
    what: str
    value: float
    n: int
    """Simulated studies that it comes from."""
    low: float | None = None
    """Smallest value that passes; None: any."""
    high: float | None = None
    note: str = ""
    slack: float = 0.0
    """Monte-Carlo allowance on both bounds where studies are few, in the value's unit."""

    @property
    def passed(self) -> bool:
        """Whether the value is within its bounds, NaN never."""
        above = self.low is None or self.value >= self.low - self.slack
        below = self.high is None or self.value <= self.high + self.slack
        return self.value == self.value and above and below

    @property
    def bound(self) -> str:
        """The bounds in words."""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        if self.low is not None:
            return f">= {self.low:g}"
        return "" if self.high is None else f"<= {self.high:g}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self) | {"passed": self.passed}


def describe_figures(figures: Sequence[Figure]) -> str:
    """Return a table for people."""
    heads = ("test", "case", "figure", "bound", "value", "studies", "", "note")
    rows = [
        (
            own.test,
            own.case,
            own.what,
            own.bound,
            f"{own.value:.3f}",
            str(own.n),
            "" if not own.bound else "pass" if own.passed else "FAIL",
            own.note,
        )
        for own in figures
    ]
    return format_table(heads, rows)


def kendall(one: np.ndarray, other: np.ndarray) -> float:
    """Return Kendall's rank correlation."""
    found: Any = kendalltau(one, other)
    return float(found.statistic)
