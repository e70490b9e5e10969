"""What a search space is: a set of specs with named decisions; no torch here."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from search_spaces.errors import SpaceError
from search_spaces.spec import ArchitectureSpec, Kind

Value = int | str
"""What a decision may be answered with."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One named choice; the name becomes an Optuna parameter.

    Consecutive integers become an integer parameter, all other choices a categorical one. The
    range of an integer decision may depend on earlier answers, the choices of others may not.
    """

    name: str
    """Flat and stable, such as `depth.stage1`. `skip.<place>` and `span.<place>` are about the
    shortest skip that ends at that block; names of table columns are reserved."""
    choices: tuple[Value, ...]
    """At least one, and each once."""

    @property
    def is_integer(self) -> bool:
        """Whether the choices are consecutive integers in ascending order.

        >>> Decision(name="depth.stage1", choices=(2, 3, 4)).is_integer
        True
        >>> Decision(name="width", choices=(8, 16, 32)).is_integer
        False
        """
        first = self.choices[0]
        return isinstance(first, int) and self.choices == tuple(
            range(first, first + len(self.choices))
        )


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

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of `choices`."""
        ...


class SearchSpace(ABC):
    """A set of architecture specs, reached by answering named decisions.

    A subclass defines `decide`, `decisions`, `size`, and for the report `deepest`,
    `anchor_depths` and `uniform`; the rest follows from these. `decide` is called once per
    candidate and asks only the decisions that exist given the answers so far; `decisions` is its
    inverse, so every network must come from exactly one set of answers. One of your own is named
    by class path in a configuration and made as `MySpace(**init_args, input=..., num_classes=...)`.
    The contract suite is `nas.testing.SpaceContract`; a study tries a space out as it starts.
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

    def fixed_in_design(self, decision: Decision) -> Value | None:
        """Return the answer that all rows of the balanced design share, None for a random one.

        Here: skips and spans are random, depths the largest, and the rest the first choice.
        Override it where decisions have other names. The design's networks must be as deep as
        `deepest`, so that every position exists in all of them.
        """
        if decision.name.startswith(("skip", "span")):
            return None
        if decision.name.startswith("depth."):
            return max(decision.choices, key=int)
        return decision.choices[0]

    def __iter__(self) -> Iterator[ArchitectureSpec]:
        """Yield every architecture, by going through all answers; look at `size` before."""
        path: list[int] = []
        while True:
            walk = _Walk(path)
            yield self.decide(walk)
            # The next path: the last answer that has a successor, advanced.
            path = walk.path
            while path and path[-1] == walk.num_choices[len(path) - 1] - 1:
                path.pop()
            if not path:
                return
            path[-1] += 1

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
            return trial.suggest_categorical(decision.name, decision.choices)

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
        removes are dropped. A change that would force another answer is left out: one after which
        a kept answer is no longer among its decision's choices.

        Raises:
            SpaceError: The spec is not in the space.
        """
        answers = self.decisions(spec)
        asked: list[Decision] = []

        def replay(decision: Decision) -> Value:
            asked.append(decision)
            return answers[decision.name]

        self.decide(replay)
        for decision in asked:
            for value in decision.choices:
                if value != answers[decision.name]:
                    mutation = _Mutation(answers | {decision.name: value})
                    neighbour = self.decide(mutation)
                    if mutation.is_possible:
                        yield neighbour


class _Mutation:
    """Answers as given where that is still a choice, and with the first choice elsewhere."""

    def __init__(self, answers: dict[str, Value]) -> None:
        self.answers = answers
        self.is_possible = True
        """Whether every given answer that was asked for could be kept."""

    def __call__(self, decision: Decision) -> Value:
        """Answer one decision."""
        answer = self.answers.get(decision.name, decision.choices[0])
        if answer in decision.choices:
            return answer
        self.is_possible = False
        return decision.choices[0]


class _Walk:
    """Answers decisions by the choices' places on a path, and with the first beyond its end."""

    def __init__(self, path: list[int]) -> None:
        self.path = list(path)
        self.num_choices: list[int] = []
        """How many choices each decision had."""

    def __call__(self, decision: Decision) -> Value:
        """Answer one decision."""
        place = len(self.num_choices)
        if place == len(self.path):
            self.path.append(0)
        self.num_choices.append(len(decision.choices))
        return decision.choices[self.path[place]]
