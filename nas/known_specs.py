"""What was trained already, so that no architecture is trained again by accident."""

from collections.abc import Callable, Container, Iterator

import numpy as np

from search_spaces.space import Decision, SearchSpace, Value
from search_spaces.spec import ArchitectureSpec

_DRAWS = 100
_SMALL = 20_000
"""Up to so many architectures a space is enumerated when it is nearly exhausted."""


class KnownSpecs:
    """Architectures that were trained, each with the values of its trials.

    Args:
        space: The search space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._values: dict[str, list[float | None]] = {}
        self._all: list[ArchitectureSpec] | None = None

    def add(self, spec_id: str, value: float | None) -> None:
        """Remember a trial; the value is None unless it is complete."""
        self._values.setdefault(spec_id, []).append(value)

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
            The architecture, or None where the space is exhausted.
        """
        taken = self._values.keys()
        unknown = self._draw(rng, lambda i: i not in taken and i not in busy and i not in planned)
        if unknown is not None:
            return unknown
        return self._draw(rng, lambda i: i in taken and i not in busy and self.value(i) is None)

    def _draw(
        self, rng: np.random.Generator, fits: Callable[[str], bool]
    ) -> ArchitectureSpec | None:
        for _ in range(_DRAWS):
            spec = self._space.sample(rng)
            if fits(spec.spec_id):
                return spec
        if self._space.size > _SMALL:
            return None
        if self._all is None:
            self._all = list(every_spec(self._space))
        left = [spec for spec in self._all if fits(spec.spec_id)]
        return left[int(rng.integers(len(left)))] if left else None


def every_spec(space: SearchSpace) -> Iterator[ArchitectureSpec]:
    """Yield every architecture of a space, by going through all answers to its decisions."""
    path: list[int] = []
    while True:
        walk = _Walk(path)
        yield space.decide(walk)
        # The next path: the last answer that has a successor, advanced.
        path = walk.path
        while path and path[-1] == walk.asked[len(path) - 1] - 1:
            path.pop()
        if not path:
            return
        path[-1] += 1


class _Walk:
    """Answers decisions by the choices' places on a path, and with the first beyond its end."""

    def __init__(self, path: list[int]) -> None:
        self.path = list(path)
        self.asked: list[int] = []
        """How many choices each decision had."""

    def __call__(self, decision: Decision) -> Value:
        """Answer one decision."""
        place = len(self.asked)
        if place == len(self.path):
            self.path.append(0)
        self.asked.append(len(decision.choices))
        return decision.choices[self.path[place]]
