"""The rows of the balanced design as networks of a space, whatever its decisions are."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from nas.design import design_rows
from nas.errors import ConfigError
from nas.space_kinds import BlockChoices, choices_of, factor_of, walk
from search_spaces.space import Decision, SearchSpace, Value
from search_spaces.spec import ArchitectureSpec, Kind, Place

_DRAWS = 20
"""How often what is drawn beside the kinds is drawn again, where the row was there before."""
_STREAM = 417
"""Keeps these draws apart from others of the same seed."""


@dataclass(frozen=True, kw_only=True)
class DesignRow:
    """One row: the answers of all its decisions, and their network."""

    answers: dict[str, Value]
    spec: ArchitectureSpec


class DesignPlan:
    """Which decisions of a space the design balances, which it draws, and which it fixes.

    `space.fixed_in_design` says what all rows share. The kinds of the blocks, decisions named
    `skip.stage<i>.block<j>`, are the balanced factors, each with its own choices. What else is not
    fixed, such as spans, is drawn uniformly for each row.

    Args:
        space: The search space.
        seed: Seed of the design.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space = space
        self._seed = seed
        self.choices: dict[Place, BlockChoices] = choices_of(space)
        """What may end at each block; empty where the space has no such decision."""

    @cached_property
    def reference(self) -> ArchitectureSpec:
        """The network of the rows without skips."""
        return walk(self._space, {}).with_skips([])

    @cached_property
    def num_patterns(self) -> int:
        """How many different rows there are.

        What is drawn may depend on the kind of one block, as its span does; a space where it
        depends on several has about as many.
        """
        base = self._num_draws({})
        total = Fraction(base)
        for place, choices in self.choices.items():
            total *= sum(Fraction(self._num_draws({place: k}), base) for k in choices.kinds)
        return round(total)

    def check(self, where: str) -> None:
        """Make sure that there is something to balance.

        Raises:
            ConfigError: The space has no decision `skip.stage<i>.block<j>`.
        """
        if not self.choices:
            raise ConfigError(
                f"{where}: a share of random rows needs a space with decisions named "
                "skip.stage<i>.block<j>, whose choices are none, identity and projection, got "
                f"space={type(self._space).__name__} without one. Search with search.goal=best, "
                "or name them so."
            )

    def rows(self) -> Iterator[DesignRow]:
        """Yield the rows without end, the same ones for the same space and seed.

        No row comes twice while what is drawn leaves another one to its kinds.
        """
        kinds = {place: choices.kinds for place, choices in self.choices.items()}
        seen: set[frozenset[tuple[str, Value]]] = set()
        for number, row in enumerate(design_rows(list(kinds), kinds, self._seed)):
            rng = np.random.default_rng((_STREAM, self._seed, number))
            found = self._row(row, rng)
            for _ in range(_DRAWS):
                if frozenset(found.answers.items()) not in seen:
                    break
                found = self._row(row, rng)
            seen.add(frozenset(found.answers.items()))
            yield found

    def _row(self, kinds: dict[Place, Kind], rng: np.random.Generator) -> DesignRow:
        def draw(decision: Decision) -> Value:
            return decision.choices[int(rng.integers(len(decision.choices)))]

        spec = walk(self._space, kinds, draw=draw)
        return DesignRow(answers=self._space.decisions(spec), spec=spec)

    def _num_draws(self, kinds: dict[Place, Kind]) -> int:
        asked: list[Decision] = []
        walk(self._space, kinds, asked.append)
        number = 1
        for decision in asked:
            is_drawn = factor_of(decision) is None
            if is_drawn and self._space.fixed_in_design(decision) is None:
                number *= len(decision.choices)
        return number
