"""What a search space is: a set of specs with named decisions; no torch here."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from search_spaces.errors import SpaceError
from search_spaces.spec import ArchitectureSpec, Kind

Value = int | str
"""What a decision may be answered with."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One named choice; the name becomes an Optuna parameter.

    Integer decisions have consecutive choices, word decisions any.
    """

    name: str
    """Flat and stable, such as `depth.stage1` or `skip.stage1.block2`."""
    choices: tuple[Value, ...]

    @property
    def is_integer(self) -> bool:
        """Whether the choices are consecutive integers."""
        return all(isinstance(choice, int) for choice in self.choices)


class Choose(Protocol):
    """Answers decisions one after the other; later ones may depend on earlier answers."""

    def __call__(self, decision: Decision) -> Value:
        """Return one of `decision.choices`."""
        ...


class TrialLike(Protocol):
    """The two methods of an Optuna trial that a space needs."""

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """Return an integer in [low, high]."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[str]) -> str:
        """Return one of `choices`."""
        ...


class SearchSpace(ABC):
    """A set of architecture specs, reached by answering named decisions.

    A subclass defines `decide`, `decisions`, `size`, and for the report `deepest`,
    `anchor_depths` and `uniform`; the rest follows from these. `decide` is called once per
    candidate and asks only the decisions that exist given the answers so far; `decisions` is its
    inverse. The contract suite is `tests/contracts/space_contract.py`.
    """

    @abstractmethod
    def decide(self, choose: Choose) -> ArchitectureSpec:
        """Ask `choose` for every decision that exists, in network order, and build the spec."""

    @abstractmethod
    def decisions(self, spec: ArchitectureSpec) -> dict[str, Value]:
        """Return the answers that lead to `spec`, in the order in which they are asked.

        Raises:
            SpaceError: The spec is not in the space; the message says why.
        """

    @property
    @abstractmethod
    def size(self) -> int:
        """How many architectures the space holds."""

    @property
    @abstractmethod
    def deepest(self) -> tuple[int, ...]:
        """Blocks per stage of the deepest networks, where every position exists."""

    @property
    @abstractmethod
    def anchor_depths(self) -> tuple[tuple[int, ...], ...]:
        """Blocks per stage at which hand-designed networks are trained for comparison.

        From the shallowest to `deepest`, which is the last.
        """

    @abstractmethod
    def uniform(self, depths: tuple[int, ...], kind: Kind) -> ArchitectureSpec:
        """Return the network of these blocks per stage whose blocks all have `kind`.

        It need not be in the space: a space without the kind `none` still has a plain network.
        """

    def contains(self, spec: ArchitectureSpec) -> bool:
        """Say whether `spec` is in the space."""
        try:
            self.decisions(spec)
        except SpaceError:
            return False
        return True

    def sample(self, rng: np.random.Generator) -> ArchitectureSpec:
        """Draw every decision uniformly and independently (not every architecture alike)."""

        def choose(decision: Decision) -> Value:
            return decision.choices[int(rng.integers(len(decision.choices)))]

        return self.decide(choose)

    def suggest(self, trial: TrialLike) -> ArchitectureSpec:
        """Ask an Optuna trial for every decision."""

        def choose(decision: Decision) -> Value:
            if decision.is_integer:
                low, high = int(decision.choices[0]), int(decision.choices[-1])
                return trial.suggest_int(decision.name, low, high)
            return trial.suggest_categorical(decision.name, [str(c) for c in decision.choices])

        return self.decide(choose)

    def from_decisions(self, answers: Mapping[str, Value]) -> ArchitectureSpec:
        """Build the spec from named answers, such as a trial's parameters.

        Raises:
            SpaceError: An answer is missing, is no choice, or no decision asks for it.
        """
        left = dict(answers)

        def choose(decision: Decision) -> Value:
            if decision.name not in left:
                raise SpaceError(
                    f"Every decision needs an answer, got none for {decision.name!r}. "
                    f"Choose one of {list(decision.choices)}."
                )
            value = left.pop(decision.name)
            if value not in decision.choices:
                raise SpaceError(
                    f"{decision.name} must be one of {list(decision.choices)}, got {value!r}."
                )
            return value

        spec = self.decide(choose)
        if left:
            raise SpaceError(
                f"Only decisions that exist at this depth may be answered, got {sorted(left)[0]!r} "
                f"for a network of {'-'.join(map(str, spec.depths))} blocks per stage. Remove it."
            )
        return spec

    def neighbours(self, spec: ArchitectureSpec) -> Iterator[ArchitectureSpec]:
        """Yield every spec that differs from `spec` in one decision.

        Decisions that a change brings into being get the first of their choices; those that it
        removes are dropped.

        Raises:
            SpaceError: The spec is not in the space.
        """
        answers = self.decisions(spec)
        asked: list[Decision] = []
        self.decide(_replay(answers, asked.append))
        for decision in asked:
            for value in decision.choices:
                if value != answers[decision.name]:
                    yield self.decide(_replay(answers | {decision.name: value}))


def _replay(answers: dict[str, Value], seen: Callable[[Decision], None] | None = None) -> Choose:
    def choose(decision: Decision) -> Value:
        if seen is not None:
            seen(decision)
        return answers.get(decision.name, decision.choices[0])

    return choose
