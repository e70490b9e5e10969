"""The rows of the balanced design as networks of a space, whatever its decisions are."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

import numpy as np

from nas.design import balanced_size, design_rows
from nas.design_hadamard import hadamard_order
from nas.design_mirrored import fold_overs
from nas.design_rates import crossed_pairs, crossed_units
from nas.errors import ConfigError
from nas.space_kinds import BlockChoices, choices_of, factor_of, walk
from search_spaces.space import Decision, SearchSpace, Value
from search_spaces.spec import ArchitectureSpec, Kind, Place

_DRAWS = 20
"""How often what is drawn beside the kinds is drawn again, where the row was there before."""
_STREAM = 417
"""Keeps these draws apart from others of the same seed."""

DesignWord = Literal["auto", "random", "mirrored"]
"""How rows are chosen; `auto`: mirrored where that is possible."""


@dataclass(frozen=True, kw_only=True)
class DesignRow:
    """One row: the answers of all its decisions, their network, and how it is trained."""

    answers: dict[str, Value]
    spec: ArchitectureSpec
    lr_factor: float = 1.0
    """The row's learning rate, in units of the recipe's."""


class DesignPlan:
    """Which decisions of a space the design balances, which it draws, and which it fixes.

    `space.fixed_in_design` says what all rows share. The kinds of the blocks, decisions named
    `skip.stage<i>.block<j>`, are the balanced factors, each with its own choices. What else is not
    fixed, such as spans, is drawn uniformly for each row.

    Args:
        space: The search space.
        seed: Seed of the design.
        design: `mirrored` needs blocks of at most two kinds, and nothing that is drawn beside.
        lr_factors: Factors of the learning rate that rows are crossed with.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        *,
        design: DesignWord = "auto",
        lr_factors: Sequence[float] = (1.0,),
    ) -> None:
        self._space = space
        self._seed = seed
        self._asked = design
        self.lr_factors = tuple(lr_factors)
        self.choices: dict[Place, BlockChoices] = choices_of(space)
        """What may end at each block; empty where the space has no such decision."""

    @cached_property
    def design(self) -> Literal["random", "mirrored"]:
        """How the rows are chosen.

        Raises:
            ConfigError: `mirrored` was asked for, and it is not possible.
        """
        if self._asked == "random" or not self.choices:
            return "random"
        obstacle = self._mirror_obstacle()
        if obstacle is None:
            return "mirrored"
        if self._asked == "auto":
            return "random"
        raise ConfigError(
            f"search.design=mirrored needs blocks of two kinds and nothing else that is drawn, got "
            f"{obstacle}. Set space.kinds to two of them, or search.design=random."
        )

    def _mirror_obstacle(self) -> str | None:
        counts = {place: len(choices.kinds) for place, choices in self.choices.items()}
        many = next((place for place, count in counts.items() if count > 2), None)
        if many is not None:
            kinds = ", ".join(kind.value for kind in self.choices[many].kinds)
            return f"{many} with {kinds}"
        if max(counts.values()) == 1:
            return "one kind at every block"
        if self.num_patterns != math.prod(counts.values()):
            return f"a {type(self._space).__name__} that draws more, such as spans"
        return None

    @property
    def unit(self) -> int:
        """So many rows, from the first on, are balanced in themselves."""
        if self.design == "mirrored":
            return 2
        return balanced_size([len(choices.kinds) for choices in self.choices.values()])

    @property
    def whole(self) -> int:
        """So many rows, from the first on, are a whole design at every rate."""
        rows = self.unit
        if self.design == "mirrored":
            num_blocks = sum(len(choices.kinds) > 1 for choices in self.choices.values())
            rows = 2 * hadamard_order(num_blocks)
        return rows * len(self.lr_factors)

    @cached_property
    def reference(self) -> ArchitectureSpec:
        """The network of the rows without skips."""
        return walk(self._space, {}).with_skips([])

    @cached_property
    def num_patterns(self) -> int:
        """How many different networks the rows have.

        What is drawn may depend on the kind of one block, as its span does; a space where it
        depends on several has about as many.
        """
        base = self._num_draws({})
        total = Fraction(base)
        for place, choices in self.choices.items():
            total *= sum(Fraction(self._num_draws({place: k}), base) for k in choices.kinds)
        return round(total)

    @property
    def num_rows(self) -> int:
        """How many rows there are before one comes again."""
        is_crossed = self.design == "mirrored"
        return self.num_patterns * (len(self.lr_factors) if is_crossed else 1)

    def check(self, where: str) -> None:
        """Make sure that there is something to balance, in the way that was asked for.

        Raises:
            ConfigError: The space has no decision `skip.stage<i>.block<j>`, or it has kinds that
                cannot be mirrored.
        """
        if not self.choices:
            raise ConfigError(
                f"{where}: a share of random rows needs a space with decisions named "
                "skip.stage<i>.block<j>, whose choices are none, identity and projection, got "
                f"space={type(self._space).__name__} without one. Search with search.goal=best, "
                "or name them so."
            )
        # Raises.
        _ = self.design

    def rows(self) -> Iterator[DesignRow]:
        """Yield the rows without end, the same ones for the same space, seed and settings.

        No row comes twice while what is drawn leaves another one to its kinds.
        """
        seen: set[frozenset[tuple[str, Value]]] = set()
        for number, (row, factor) in enumerate(self._kinds()):
            rng = np.random.default_rng((_STREAM, self._seed, number))
            found = self._row(row, rng, factor)
            for _ in range(_DRAWS):
                if frozenset(found.answers.items()) not in seen or self.design == "mirrored":
                    break
                found = self._row(row, rng, factor)
            seen.add(frozenset(found.answers.items()))
            yield found

    def _kinds(self) -> Iterator[tuple[dict[Place, Kind], float]]:
        """Return the kinds of the rows and their factors of the learning rate."""
        kinds = {place: choices.kinds for place, choices in self.choices.items()}
        if self.design == "mirrored":
            pairs = fold_overs(list(kinds), kinds, self._seed)
            return crossed_pairs(pairs, self.lr_factors, self._seed)
        rows = design_rows(list(kinds), kinds, self._seed)
        return crossed_units(rows, self.unit, self.lr_factors, self._seed)

    def _row(
        self, kinds: dict[Place, Kind], rng: np.random.Generator, lr_factor: float
    ) -> DesignRow:
        def draw(decision: Decision) -> Value:
            return decision.choices[int(rng.integers(len(decision.choices)))]

        spec = walk(self._space, kinds, draw=draw)
        answers = self._space.decisions(spec)
        return DesignRow(answers=answers, spec=spec, lr_factor=lr_factor)

    def _num_draws(self, kinds: dict[Place, Kind]) -> int:
        asked: list[Decision] = []
        walk(self._space, kinds, asked.append)
        number = 1
        for decision in asked:
            is_drawn = factor_of(decision) is None
            if is_drawn and self._space.fixed_in_design(decision) is None:
                number *= len(decision.choices)
        return number
