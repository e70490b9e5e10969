"""What was trained already, so that no architecture is trained again by accident."""

from collections.abc import Callable, Container, Iterator

import numpy as np

from nas.constraints import Constraints, Limits
from nas.trials import State, TrialRecord
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec

_DRAWS = 100
_DRAWS_WITH_LIMITS = 1000
"""Of a space where few networks are allowed more have to be drawn; to look at one costs little
where the limits are arithmetic."""
MAX_TOO_SLOW = 300
"""So many different networks of too long a latency end a search: each had to be measured, once."""
_SMALL = 20_000
"""Up to so many architectures a space is enumerated when it is nearly exhausted."""


class KnownSpecs:
    """Architectures that were trained, each with the values of its trials.

    Args:
        space: The search space.
        limits: What an architecture must not exceed to be drawn.
    """

    def __init__(self, space: SearchSpace, limits: Limits | None = None) -> None:
        self._space = space
        self._limits = limits or Limits(Constraints())
        self._values: dict[str, list[float | None]] = {}
        self._trained: dict[str, ArchitectureSpec | TrialRecord] = {}
        self._all: list[ArchitectureSpec] | None = None

    def add(
        self,
        spec_id: str,
        value: float | None,
        spec: ArchitectureSpec | TrialRecord | None = None,
    ) -> None:
        """Remember a trial.

        Args:
            spec_id: Its architecture's id.
            value: None unless it is complete.
            spec: The architecture, where it is known and was allowed, or the trial's record, whose
                architecture is read when it is needed.
        """
        self._values.setdefault(spec_id, []).append(value)
        if spec is not None:
            self._trained[spec_id] = spec

    def learn(self, record: TrialRecord, *, tells_value: bool = True) -> None:
        """Remember an ended trial; only a complete one has a value to tell.

        Args:
            record: The trial.
            tells_value: Whether its value is what a training by the study's recipe would tell.
        """
        value = record.value if tells_value and record.state is State.COMPLETE else None
        self.add(str(record.spec_id), value, record)

    def num_trials(self, spec_id: str) -> int:
        """How many trials the architecture had, whatever became of them."""
        return len(self._values.get(spec_id, ()))

    def value(self, spec_id: str) -> float | None:
        """Value of its first complete trial; None where there is none."""
        values = self._values.get(spec_id, ())
        return next((value for value in values if value is not None), None)

    def sample(
        self, rng: np.random.Generator, busy: Container[str], planned: Container[str]
    ) -> ArchitectureSpec | None:
        """Draw an architecture that no trial had; where all had one, one whose trials failed.

        Args:
            rng: Source of randomness.
            busy: Ids of architectures in training.
            planned: Ids of those that will be trained anyway.

        Returns:
            The architecture, within all limits, or None where the space is exhausted.

        Raises:
            OutOfTimeError: The next turn goes on with the same draws.
        """
        taken = self._values.keys()
        unknown = self._draw(rng, lambda i: i not in taken and i not in busy and i not in planned)
        if unknown is not None:
            return unknown
        return self._draw(rng, lambda i: i in taken and i not in busy and self.value(i) is None)

    def sample_again(self, rng: np.random.Generator) -> ArchitectureSpec | None:
        """Draw any architecture within all limits, known or not; None where none is found.

        Raises:
            OutOfTimeError: The next turn goes on with the same draws.
        """
        found = self._draw(rng, lambda _: True)
        if found is None and self._trained:
            trained = list(self._trained.values())
            drawn = trained[int(rng.integers(len(trained)))]
            found = drawn.spec if isinstance(drawn, TrialRecord) else drawn
        return found

    def _draw(
        self, rng: np.random.Generator, fits: Callable[[str], bool]
    ) -> ArchitectureSpec | None:
        too_slow: set[str] = set()
        for spec in self._candidates(rng, fits):
            if self._limits.allows_in_turn(spec):
                return spec
            if "max_latency_ms" in self._limits.excess(spec):
                too_slow.add(spec.spec_id)
                if len(too_slow) >= MAX_TOO_SLOW:
                    return None
        return None

    def _candidates(
        self, rng: np.random.Generator, fits: Callable[[str], bool]
    ) -> Iterator[ArchitectureSpec]:
        """Yield random architectures, then all of a small space in random order."""
        for _ in range(_DRAWS_WITH_LIMITS if self._limits else _DRAWS):
            spec = self._space.sample(rng)
            if fits(spec.spec_id):
                yield spec
        if self._space.size > _SMALL:
            return
        if self._all is None:
            self._all = list(self._space)
        left = [spec for spec in self._all if fits(spec.spec_id)]
        yield from (left[int(index)] for index in rng.permutation(len(left)))
