"""Limits on what may be trained: size, cost and depth by arithmetic, latency measured; no torch.

A network beyond a limit is never trained. How far it is beyond is told to the sampler, in units
of the limit, so that it learns to stay below.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from nas.errors import ConfigError
from nas.trials import TrialRecord
from search_spaces.complexity import complexity
from search_spaces.spec import ArchitectureSpec

MeasureLatency = Callable[[ArchitectureSpec], float]
"""Returns a network's latency in ms, the same number for the same network."""

TURN_SECONDS = 2.0
"""So long an owner may measure latencies before it looks after its workers again."""


class OutOfTimeError(Exception):
    """The measurements of this turn have taken their time; what they found is kept for the next."""


class Constraints(BaseModel):
    """What a network must not exceed; null: no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_params: int | None = Field(default=None, ge=1)
    """Most trainable parameters."""
    max_macs: int | None = Field(default=None, ge=1)
    """Most multiply-adds of one forward pass of one image."""
    max_layers: int | None = Field(default=None, ge=1)
    """Most layers with weights, such as 20 for ResNet-20."""
    max_latency_ms: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Longest forward pass of `latency_batch` images, ms, measured on the workers' device."""
    latency_batch: int = Field(default=1, ge=1)
    """Images per forward pass when the latency is measured."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, value: object, info: ValidationInfo) -> object:
        # True equals 1 to Python.
        if isinstance(value, bool):
            name = info.field_name
            raise ConfigError(
                f"constraints.{name} must be a number, got {name}={str(value).lower()}. Write the "
                "limit itself, or null for none."
            )
        return value

    @model_validator(mode="after")
    def _check_batch(self) -> Self:
        if self.latency_batch != 1 and self.max_latency_ms is None:
            raise ConfigError(
                "constraints.latency_batch must come with constraints.max_latency_ms, got "
                f"latency_batch={self.latency_batch} without. Set the limit too, or leave the "
                "batch out."
            )
        return self

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by name."""
        names = ("max_params", "max_macs", "max_layers", "max_latency_ms")
        found = {name: getattr(self, name) for name in names}
        return {name: limit for name, limit in found.items() if limit is not None}


class Limits:
    """Constraints that judge networks.

    Args:
        constraints: The limits.
        latency: Measures a network; needed where `max_latency_ms` is set.
        clock: Returns the time, s.
    """

    def __init__(
        self,
        constraints: Constraints,
        latency: MeasureLatency | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.constraints = constraints
        self._latency = latency
        self._clock = clock
        self._known: dict[str, dict[str, float]] = {}
        self._seconds_left = math.inf

    def __bool__(self) -> bool:
        """Whether there is any limit."""
        return bool(self.constraints.limits)

    def excess(self, spec: ArchitectureSpec) -> dict[str, float]:
        """Return (value - limit) / limit by constraint; allowed where none is above 0.

        The latency of a network that breaks another limit is not measured.
        """
        if not self:
            return {}
        found = self._known.get(spec.spec_id)
        if found is None:
            limits = self.constraints.limits
            found = {n: value / limits[n] - 1 for n, value in self.values(spec).items()}
            self._known[spec.spec_id] = found
        return found

    def values(self, spec: ArchitectureSpec) -> dict[str, float]:
        """Return what is limited, by constraint; the latency only where the others hold."""
        cost, limits = complexity(spec), self.constraints.limits
        every = {"max_params": cost.params, "max_macs": cost.macs, "max_layers": spec.layers}
        values: dict[str, float] = {name: v for name, v in every.items() if name in limits}
        holds = all(value <= limits[name] for name, value in values.items())
        if "max_latency_ms" in limits and holds and self._latency is not None:
            start = self._clock()
            values["max_latency_ms"] = self._latency(spec)
            self._seconds_left -= self._clock() - start
        return values

    def start_turn(self) -> None:
        """Grant `TURN_SECONDS` of measurements from now on; before the first turn all are."""
        self._seconds_left = TURN_SECONDS

    def check_turn(self) -> None:
        """Check that there is time for a measurement.

        Raises:
            OutOfTimeError: The time of this turn is spent.
        """
        if self._seconds_left <= 0:
            raise OutOfTimeError

    def allows_in_turn(self, spec: ArchitectureSpec) -> bool:
        """Say whether a network is within all limits, unless that is for the next turn to say.

        Raises:
            OutOfTimeError: It is not known, and the time of this turn is spent.
        """
        if spec.spec_id not in self._known:
            self.check_turn()
        return self.allows(spec)

    def allows(self, spec: ArchitectureSpec) -> bool:
        """Say whether a network is within all limits."""
        return broken(self.excess(spec)) is None

    def explain(self, spec: ArchitectureSpec) -> str | None:
        """Say which limit a network exceeds most, and by how much; None where it is allowed."""
        name = broken(self.excess(spec))
        if name is None:
            return None
        limit, value = self.constraints.limits[name], self.values(spec)[name]
        return f"constraints.{name} must hold, got {value:,.6g} for a limit of {limit:,.6g}"


def broken(excess: Mapping[str, float]) -> str | None:
    """Return the constraint that is exceeded most; None where all hold."""
    name = max(excess, key=lambda key: excess[key], default=None)
    return name if name is not None and excess[name] > 0 else None


def count_refused(records: Iterable[TrialRecord]) -> dict[str, int]:
    """Add up the refused proposals by constraint."""
    total: dict[str, int] = {}
    for record in records:
        for name, number in record.refused.items():
            total[name] = total.get(name, 0) + number
    return total


def describe_refused(
    refused: Mapping[str, int], rows_left_out: int = 0, *, is_given_up: bool = False
) -> list[str]:
    """Say how many proposals and design rows were refused, in lines without a label.

    Args:
        refused: Proposals beyond a limit, by constraint.
        rows_left_out: Design rows beyond one.
        is_given_up: Whether so many in a row were that no further row was looked at.
    """
    lines: list[str] = []
    if refused:
        names = ", ".join(sorted(refused))
        lines.append(
            f"{_count(sum(refused.values()), 'proposal')} exceeded {names} and cost no training"
        )
    if rows_left_out:
        what = (
            "the design was given up, and a skip map is about the rows trained before"
            if is_given_up
            else "the skip map is about allowed networks only"
        )
        lines.append(f"{_count(rows_left_out, 'design row')} left out for the constraints: {what}")
    return lines


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
