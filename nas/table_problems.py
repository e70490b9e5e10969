"""What is wrong with the rows of a table, all of it at once, and rows that cannot be used."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nas.errors import TableError
from nas.trials import State, TrialRecord

_FAR = 50
"""Quartile ranges from the median from which one value shapes the whole map; noise never is so
far."""
_MOST_ROWS, _MOST_SORTS, _MOST_NAMED = 12, 5, 100


class RowError(TableError):
    """One row of a table that is wrong.

    Args:
        message: The whole message, with the row.
        sort: What it has in common with other rows, such as `kind`.
    """

    def __init__(self, message: str, sort: str) -> None:
        super().__init__(message)
        self.sort = sort


class Problems:
    """Wrong rows by sort: the first of each in full, the others by number.

    Args:
        word: What a row is called, such as `line`.
    """

    def __init__(self, word: str = "line") -> None:
        self._word = word
        self._found: dict[str, list[tuple[int, str]]] = defaultdict(list)

    def add(self, number: int, error: RowError) -> None:
        """Keep what is wrong with a row."""
        self._found[error.sort].append((number, str(error)))

    def check(self) -> None:
        """Tell everything.

        Raises:
            TableError: Some row was wrong.
        """
        if not self._found:
            return
        parts = []
        for found in list(self._found.values())[:_MOST_SORTS]:
            (_, first), *others = found
            more = [number for number, _ in others]
            parts.append(first + (f" The same in {name_rows(self._word, more)}." if more else ""))
        left = len(self._found) - _MOST_SORTS
        if left > 0:
            parts.append(f"There is more wrong ({left} more sorts).")
        raise TableError("\n".join(parts))


def name_rows(word: str, numbers: Sequence[int]) -> str:
    """Name rows by number.

    >>> name_rows("line", [7]), name_rows("line", [7, 9, 12])
    ('line 7', 'lines 7, 9 and 12')
    """
    shown = [str(number) for number in numbers[:_MOST_ROWS]]
    left = len(numbers) - len(shown)
    *most, last = [*shown, f"{left} more"] if left else shown
    words = f"{', '.join(most)} and {last}" if most else last
    return f"{word}{'s' if len(numbers) > 1 else ''} {words}"


@dataclass(frozen=True, kw_only=True)
class Unused:
    """Rows of one sort that no part of the map can use."""

    reason: str
    """In words, such as `not finished`."""
    word: str
    """What a row is called."""
    rows: tuple[int, ...]
    """Their numbers."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data; of many rows the first."""
        return {
            "reason": self.reason,
            "n": len(self.rows),
            "rows": list(self.rows[:_MOST_NAMED]),
            "words": self.describe(),
        }

    def describe(self) -> str:
        """Return one sentence, such as `3 not used, not finished: trials 4, 7 and 9`."""
        return f"{len(self.rows)} not used, {self.reason}: {name_rows(self.word, self.rows)}"


@dataclass(frozen=True, kw_only=True)
class ReadRows:
    """Trials that were read from elsewhere."""

    records: list[TrialRecord] = field(default_factory=list)
    unused: tuple[Unused, ...] = ()

    def unused_dicts(self) -> list[dict[str, Any]]:
        """Return the unused rows as JSON data."""
        return [rows.to_dict() for rows in self.unused]


def unused_rows(found: Iterable[tuple[int, str]], word: str) -> tuple[Unused, ...]:
    """Group rows by why they are not used.

    Args:
        found: Number and reason of each.
        word: What a row is called.
    """
    by_reason: dict[str, list[int]] = defaultdict(list)
    for number, reason in found:
        by_reason[reason].append(number)
    return tuple(
        Unused(reason=reason, word=word, rows=tuple(numbers))
        for reason, numbers in by_reason.items()
    )


def far_values(trials: Iterable[TrialRecord]) -> str | None:
    """Return a sentence that names results so far from all others that they may be mistakes.

    Args:
        trials: Trials of the search; those without a result say nothing.
    """
    found = [(row.number, row.value) for row in trials if row.state is State.COMPLETE]
    known = [(number, value) for number, value in found if value is not None]
    if not known:
        return None
    low, median, high = np.quantile([value for _, value in known], [0.25, 0.5, 0.75])
    limit = _FAR * (high - low)
    far = [number for number, value in known if abs(value - median) > limit > 0]
    if not far:
        return None
    return (
        f"{len(far)} with a value far from all others: {name_rows('trial', far)}. Check it; a "
        "training that went astray is state=failed"
    )
