"""Architectures that a sampler has seen, as a table of codes that is cheap to extend."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

FLOAT_BINS = 10
"""Into so many parts a range of floats is cut; equal ones on its own scale."""
_MANY = 32
"""Of integers with more choices those that were seen have codes."""


class Column:
    """One decision: codes of its answers from 1; 0 stands for a decision that was not asked.

    Args:
        index: Its place in the table.
        distribution: As last seen.
    """

    def __init__(self, index: int, distribution: BaseDistribution) -> None:
        self.index = index
        self.distribution = distribution
        self.answers: list[Any] = []
        """The answer of code i + 1; for floats the part of the range, from 0."""
        self._codes: dict[Any, int] = {}
        for answer in _possible(distribution):
            self._code(answer)

    @property
    def is_number(self) -> bool:
        """Whether its answers have an order."""
        return not isinstance(self.distribution, CategoricalDistribution)

    @property
    def is_float(self) -> bool:
        """Whether its answers are floats, so that equal codes need not be equal answers."""
        return isinstance(self.distribution, FloatDistribution)

    def code(self, value: Any) -> int:
        """Return the code of an answer; a new one where it has none yet."""
        if isinstance(self.distribution, FloatDistribution):
            part = position(self.distribution, value) * FLOAT_BINS
            value = min(max(int(part), 0), FLOAT_BINS - 1)
        return self._code(value)

    def _code(self, value: Any) -> int:
        code = self._codes.get(value)
        if code is None:
            self.answers.append(value)
            code = self._codes[value] = len(self.answers)
        return code


def _possible(distribution: BaseDistribution) -> Iterable[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution):
        choices = range(distribution.low, distribution.high + 1, distribution.step)
        return choices if len(choices) <= _MANY else ()
    return range(FLOAT_BINS)


def position(distribution: FloatDistribution, value: float) -> float:
    """Say where in a range a value lies, from 0 to 1, on the range's own scale.

    >>> position(FloatDistribution(0.01, 1.0, log=True), 0.1)
    0.5
    """
    ends = np.array([distribution.low, distribution.high, value])
    low, high, at = np.log(ends) if distribution.log else ends
    return float((at - low) / (high - low)) if high > low else 0.0


def at_position(distribution: FloatDistribution, place: float) -> float:
    """Return the value at a place of a range, the inverse of `position`.

    >>> round(at_position(FloatDistribution(0.01, 1.0, log=True), 0.5), 6)
    0.1
    """
    ends = np.array([distribution.low, distribution.high])
    low, high = np.log(ends) if distribution.log else ends
    value = low + place * (high - low)
    found = float(np.exp(value) if distribution.log else value)
    if distribution.step is not None:
        found = (
            distribution.low
            + round((found - distribution.low) / distribution.step) * distribution.step
        )
    return min(max(found, distribution.low), distribution.high)


class ArchitectureTable:
    """Each architecture in one row: its codes, and how its trainings ended.

    With floats among the answers every training has its own row.
    """

    def __init__(self) -> None:
        self.columns: dict[str, Column] = {}
        """By name of the decision, in order of index."""
        self.params: list[Mapping[str, Any]] = []
        """Answers of each row."""
        self.num_values = 0
        """Rows with a value."""
        self._learned: list[int] = []
        self._rows: dict[bytes, int] = {}
        self._reserved: set[bytes] = set()
        self._has_floats = False
        self._codes = np.zeros((64, 16), dtype=np.int16)
        self._numbers = np.full((64, 4), np.nan)

    def __len__(self) -> int:
        return len(self.params)

    @property
    def codes(self) -> np.ndarray:
        """Codes of the answers, (rows, columns)."""
        return self._codes[: len(self), : len(self.columns)]

    @property
    def values(self) -> np.ndarray:
        """Mean value of the complete trainings of each row; NaN where there are none."""
        return self._numbers[: len(self), 0]

    @property
    def pruned_values(self) -> np.ndarray:
        """Last value of a training that was stopped; NaN where none was."""
        return self._numbers[: len(self), 2]

    @property
    def excess(self) -> np.ndarray:
        """How far each row is beyond its constraints at most; NaN where it has none."""
        return self._numbers[: len(self), 3]

    def is_known(self, codes: np.ndarray) -> bool:
        """Say whether an architecture has a row or is reserved; with floats it never is.

        Args:
            codes: One per column.
        """
        key = _key(codes)
        return not self._has_floats and (key in self._rows or key in self._reserved)

    def reserve(self, codes: np.ndarray) -> None:
        """Take an architecture for known before it has a row."""
        self._reserved.add(_key(codes))

    def add(self, params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]) -> int:
        """Return the row of an architecture, a new one where it has none yet."""
        for name, distribution in distributions.items():
            column = self.columns.get(name)
            if column is None:
                column = self.columns[name] = Column(len(self.columns), distribution)
            column.distribution = distribution
            self._has_floats = self._has_floats or column.is_float
        codes = np.zeros(len(self.columns), dtype=np.int16)
        for name, value in params.items():
            column = self.columns[name]
            codes[column.index] = column.code(value)
        key = _key(codes)
        if key in self._rows and not self._has_floats:
            return self._rows[key]
        self._rows[key] = row = len(self)
        self.params.append(dict(params))
        self._codes = _with_room(self._codes, (row + 1, len(codes)), 0)
        self._numbers = _with_room(self._numbers, (row + 1, 4), np.nan)
        self._codes[row, : len(codes)] = codes
        return row

    def learn(
        self,
        row: int,
        *,
        value: float | None = None,
        pruned_value: float | None = None,
        excess: Iterable[float] = (),
    ) -> None:
        """Learn how a training ended.

        Args:
            row: Its architecture's.
            value: Of a complete one.
            pruned_value: The last one of one that was stopped.
            excess: How far it is beyond each constraint.
        """
        self._learned.append(row)
        numbers = self._numbers[row]
        if value is not None:
            is_first = bool(np.isnan(numbers[0]))
            self.num_values += is_first
            mean, count = (0.0, 0.0) if is_first else numbers[:2]
            numbers[:2] = mean + (value - mean) / (count + 1), count + 1
        if pruned_value is not None:
            numbers[2] = pruned_value
        numbers[3] = max(excess, default=numbers[3])

    def take_learned(self) -> list[int]:
        """Return the rows about which something was learned since the last call."""
        learned, self._learned = self._learned, []
        return learned


def _key(codes: np.ndarray) -> bytes:
    # Columns that are added later do not change the keys of earlier rows.
    return codes.tobytes().rstrip(b"\0")


def _with_room(array: np.ndarray, shape: tuple[int, int], fill: float) -> np.ndarray:
    """Return the array, or a larger copy where it is too small; its size doubles."""
    if all(have >= need for have, need in zip(array.shape, shape, strict=True)):
        return array
    larger = tuple(
        have if have >= need else max(2 * have, need)
        for have, need in zip(array.shape, shape, strict=True)
    )
    new = np.full(larger, fill, dtype=array.dtype)
    new[: array.shape[0], : array.shape[1]] = array
    return new
