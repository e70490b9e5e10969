"""How numbers are written: digits, units, signs, intervals.

Text is plain ASCII, so that it can go to terminals and logs; `typographic` makes it fit for a
page.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

MINUS = "\N{MINUS SIGN}"
NO_INTERVAL = "no interval yet"
_LARGE = 1e4
"""Numbers above it are written in three digits and a power of ten."""
DASH = "\N{EN DASH}"
FAILED_SHARE = "failed_share"
"""Name of the share of trainings that did not train, as a metric."""
_LABELS = {
    "log_loss": "log-loss",
    "accuracy": "accuracy",
    "loss": "loss",
    "epochs_to_target": "epochs to target",
    FAILED_SHARE: "share of failed trainings",
}
_SPLITS = {"val": "validation", "test": "test", "train": "training"}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How values and effects of one metric are written."""

    name: str
    """With underscores, such as `val_log_loss`."""
    lower_is_better: bool
    digits: int = 2
    """Decimals of effects."""

    @property
    def is_share(self) -> bool:
        """Whether values are in [0, 1] and shown as percentages, effects as points."""
        return "accuracy" in self.name or self.name == FAILED_SHARE

    @property
    def short(self) -> str:
        """Name without the split, such as `log-loss`."""
        rest = self.name.split("_", 1)[-1] if self._split else self.name
        return _LABELS.get(rest, rest.replace("_", " "))

    @property
    def label(self) -> str:
        """Name with the split, such as `validation log-loss`."""
        return f"{self._split} {self.short}" if self._split else self.short

    @property
    def _split(self) -> str | None:
        return _SPLITS.get(self.name.split("_", 1)[0])

    @property
    def unit(self) -> str:
        """Unit of effects, with a space before it; empty for plain numbers."""
        return " points" if self.is_share else ""

    def value(self, value: float | None) -> str:
        """Write a value, such as `97.8%` or `0.086`."""
        if not is_number(value):
            return "?"
        return f"{fixed(100 * value, 1)}%" if self.is_share else fixed(value, max(3, self.digits))

    def values(self, low: float | None, high: float | None) -> str:
        """Write an interval of values, such as `97.4 to 98.2%`."""
        if not (is_number(low) and is_number(high)):
            return NO_INTERVAL
        if self.is_share:
            # An interval of a mean may leave [0, 1], where no accuracy can be.
            low, high = max(0.0, low), min(1.0, high)
        elif self.name.endswith("log_loss"):
            low = max(0.0, low)
        return f"{self.value(low).removesuffix('%')} to {self.value(high)}"

    def size(self, effect: float) -> str:
        """Write how large an effect is, without its sign."""
        return fixed(abs(effect) * (100 if self.is_share else 1), self._places)

    def effect(self, effect: float | None) -> str:
        """Write an effect with its sign, such as `+0.21`, or `+1.2` for points."""
        if not is_number(effect):
            return "?"
        text = self.size(effect)
        if not text.strip("0."):
            return text
        return ("-" if effect < 0 else "+") + text

    def effects(self, low: float | None, high: float | None) -> str:
        """Write an interval of effects, such as `+0.17 to +0.25`."""
        if not (is_number(low) and is_number(high)):
            return NO_INTERVAL
        return f"{self.effect(low)} to {self.effect(high)}"

    def sizes(self, low: float | None, high: float | None, effect: float) -> str:
        """Write the interval of an effect's size, such as `0.17 to 0.25`.

        A minus sign stands only before a bound on the other side of zero than `effect`.
        """
        if not (is_number(low) and is_number(high)):
            return NO_INTERVAL
        bounds = (low, high) if effect > 0 else (-high, -low)
        texts = [self.effect(bound).removeprefix("+") for bound in bounds]
        return " to ".join(texts)

    def fine(self, low: float | None, high: float | None) -> "Metric":
        """Return the metric with enough decimals to show the width of this interval."""
        if self.is_share or not (is_number(low) and is_number(high)) or high <= low:
            return self
        needed = math.ceil(-math.log10((high - low) / 2))
        return replace(self, digits=min(4, max(self.digits, needed)))

    @property
    def _places(self) -> int:
        return 1 if self.is_share else self.digits


def fixed(value: float, digits: int) -> str:
    """Write a number with these decimals, or with three digits where it is very large.

    >>> fixed(0.25, 3), fixed(-1.6e21, 3)
    ('0.250', '-1.6e+21')
    """
    return f"{value:.3g}" if abs(value) > _LARGE else f"{value:.{digits}f}"


def is_number(value: Any) -> TypeGuard[float]:
    """Say whether `value` is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def metric_of(benefit: Mapping[str, Any]) -> Metric:
    """Return the study's metric, with as many decimals as its effects need."""
    data = mapping(benefit.get("data"))
    name = str(data.get("metric") or "value").replace("/", "_")
    direction = data.get("direction")
    lower = direction == "minimize" if direction else "loss" in name
    return Metric(
        name=name,
        lower_is_better=lower,
        digits=_digits(
            row.get("estimate")
            for row in rows(benefit.get("effects"))
            if not str(row.get("estimand")).startswith("FAIL")
        ),
    )


def other_metrics(benefit: Mapping[str, Any]) -> dict[str, tuple[Metric, list[Any]]]:
    """Return the other outcomes by name: how they are written, and their rows of effects."""
    found: dict[str, tuple[Metric, list[Any]]] = {}
    for name, content in mapping(benefit.get("metrics")).items():
        effects = rows(mapping(content).get("effects"))
        direction = mapping(content).get("direction")
        metric = Metric(
            name=str(name).replace("/", "_"),
            lower_is_better=direction == "minimize" if direction else "loss" in str(name),
            digits=_digits(row.get("estimate") for row in effects),
        )
        found[metric.name] = (metric, effects)
    return found


def _digits(estimates: Iterable[Any]) -> int:
    """Two significant decimals of the largest estimate, from two to four."""
    largest = max((abs(e) for e in estimates if is_number(e)), default=0.0)
    return min(4, max(2, 1 - math.floor(math.log10(largest)))) if largest > 0 else 2


def mapping(value: Any) -> Mapping[str, Any]:
    """Return `value` if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def rows(value: Any) -> list[Any]:
    """Return the mappings in `value` if it is a list, else nothing."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def pair(value: Any) -> tuple[float | None, float | None]:
    """Return the two numbers of an interval, None where they are missing."""
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(map(is_number, value)):
        return float(value[0]), float(value[1])
    return None, None


def count(number: int, word: str) -> str:
    """Write a count with its noun.

    >>> count(1, "seed"), count(2, "seed")
    ('1 seed', '2 seeds')
    """
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def duration(seconds: float | None) -> str:
    """Write a duration in the unit that fits.

    >>> duration(42), duration(350), duration(7800)
    ('42 s', '5 min 50 s', '2 h 10 min')
    """
    if not is_number(seconds) or seconds is None or seconds < 0:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    minutes = whole % 3600 // 60
    return f"{whole // 3600} h" + (f" {minutes} min" if minutes else "")


def typographic(text: str) -> str:
    r"""Replace hyphens that stand for minus by the minus sign.

    >>> typographic("-0.2 in a 5-5-5").encode("ascii", "namereplace").decode()
    '\\N{MINUS SIGN}0.2 in a 5-5-5'
    """
    return re.sub(r"(?<![\w.-])-(?=\d)", MINUS, text)
