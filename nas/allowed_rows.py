"""Design rows within the constraints, and the check that anything can be trained at all."""

from collections.abc import Sequence

import numpy as np

from nas.config import StudyConfig
from nas.constraints import Limits
from nas.design_queue import DesignQueue
from nas.errors import ConfigError
from search_spaces.complexity import complexity
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec
from trainer.seeding import child_seed

MAX_ROWS_LEFT_OUT = 300
"""After so many rows beyond a limit in a row the design is given up."""
MAX_MEASURED = 20
"""So many networks are measured before a study starts, to find one that is quick enough."""
NUM_RANDOM = 2000
"""Random networks among which one must be allowed."""


class AllowedRows:
    """The rows of the design that are within all limits, in their order and with their numbers.

    Args:
        queue: The design.
        limits: What a row must not exceed.
        max_measured: After so many rows in a row whose latency is too long no further one is
            measured.
    """

    def __init__(
        self, queue: DesignQueue, limits: Limits, max_measured: int = MAX_ROWS_LEFT_OUT
    ) -> None:
        self._queue = queue
        self._limits = limits
        self._max_measured = max_measured
        self._next: tuple[ArchitectureSpec, int] | None = None
        self._in_question: tuple[ArchitectureSpec, int] | None = None
        self._num_left_out = 0
        self._num_measured = 0
        self._is_empty = False

    @property
    def is_empty(self) -> bool:
        """Whether no further row is allowed, as far as was looked.

        Raises:
            OutOfTimeError: The next turn goes on with looking.
        """
        self._find()
        return self._is_empty

    @property
    def is_given_up(self) -> bool:
        """Whether it is known that no further row is allowed; nothing is looked at."""
        return self._is_empty

    @property
    def num_left_out(self) -> int:
        """Rows left out after the one that was taken last."""
        return self._num_left_out

    @property
    def planned(self) -> set[str]:
        """Ids of the architectures that are left to the design."""
        return set() if self._is_empty else self._queue.planned

    def is_turn(self, num_live: int, num_rows: int) -> bool:
        """Say whether the next trial is a row.

        Args:
            num_live: Trials that count or will: ended without failure, or in training.
            num_rows: Rows of the design among them.

        Raises:
            OutOfTimeError: The next turn goes on with looking for an allowed one.
        """
        return self._queue.is_turn(num_live, num_rows) and not self.is_empty

    def next(self) -> tuple[ArchitectureSpec, int, int]:
        """Return the next allowed row's architecture and number, and how many were left out.

        Raises:
            ConfigError: There is none.
            OutOfTimeError: The next turn goes on with looking.
        """
        self._find()
        if self._next is None:
            raise ConfigError(
                f"A design row must be within the constraints, got {MAX_ROWS_LEFT_OUT} beyond. "
                "Raise the limit, or make the deepest networks smaller (space.max_blocks)."
            )
        (spec, number), left_out = self._next, self._num_left_out
        self._next, self._num_left_out, self._num_measured = None, 0, 0
        return spec, number, left_out

    def lr_factor(self, number: int) -> float:
        """Return the learning rate of a row, in units of the recipe's."""
        return self._queue.lr_factor(number)

    def learn(self, row: int | None) -> None:
        """Leave out the rows up to this one, which a former owner has begun."""
        self._queue.learn(row)

    def give_up(self) -> None:
        """Look for no further row, as a former owner has decided."""
        self._is_empty = True

    def _find(self) -> None:
        """Look for the next allowed row, once."""
        while self._next is None and not self._is_empty:
            # Kept until it is judged: that may be in a later turn.
            if self._in_question is None:
                self._in_question = self._queue.next()
            spec, _ = self._in_question
            if self._limits.allows_in_turn(spec):
                self._next, self._in_question = self._in_question, None
                return
            self._in_question = None
            self._num_left_out += 1
            self._num_measured += "max_latency_ms" in self._limits.excess(spec)
            self._is_empty = (
                self._num_left_out >= MAX_ROWS_LEFT_OUT or self._num_measured >= self._max_measured
            )


def check_feasible(config: StudyConfig, space: SearchSpace, limits: Limits) -> None:
    """Check that something can be trained within the constraints, before anything starts.

    Raises:
        ConfigError: None of 2000 random networks is allowed; or the study is to train design rows
            only, and none of these is.
    """
    if not limits:
        return
    _check_networks(config.search.seed, space, limits)
    queue = DesignQueue(space, config.search, design=config.design)
    rows = AllowedRows(queue, limits, MAX_MEASURED)
    if config.search.design_share == 1 and rows.is_empty:
        depths = "-".join(map(str, space.deepest))
        raise ConfigError(
            f"constraints must allow a network of the design, which has {depths} blocks per "
            f"stage, got none within {_said(limits.constraints.limits)}. Raise the limit, lower "
            "space.max_blocks, or search with goal=best."
        )


def _check_networks(seed: int, space: SearchSpace, limits: Limits) -> None:
    rng = np.random.default_rng(child_seed(seed, "constraints"))
    drawn: dict[str, ArchitectureSpec] = {}
    wants_latency = "max_latency_ms" in limits.constraints.limits
    arithmetic = Limits(limits.constraints)
    for _ in range(NUM_RANDOM):
        spec = space.sample(rng)
        if arithmetic.allows(spec) and not wants_latency:
            return
        drawn[spec.spec_id] = spec
    specs = list(drawn.values())
    allowed = [spec for spec in specs if arithmetic.allows(spec)]
    if not allowed:
        raise _nothing_allowed([arithmetic.values(spec) for spec in specs], limits)
    # Those with the fewest layers and multiply-adds first, which are the quickest.
    allowed.sort(key=lambda spec: (spec.layers, complexity(spec).macs))
    measured: list[dict[str, float]] = []
    for spec in allowed[:MAX_MEASURED]:
        if limits.allows(spec):
            return
        measured.append(limits.values(spec))
    raise _nothing_allowed(measured, limits)


def _nothing_allowed(values: Sequence[dict[str, float]], limits: Limits) -> ConfigError:
    """Name the limit that the networks found are farthest from."""
    bounds = limits.constraints.limits
    least = {name: min(found[name] for found in values) for name in values[0]}
    name = max(least, key=lambda key: least[key] / bounds[key])
    return ConfigError(
        f"constraints must allow some network of the space, got none within "
        f"{_said(bounds)} among {NUM_RANDOM} random ones; the smallest {name.removeprefix('max_')} "
        f"found is {least[name]:,.6g}. Raise the limit, or make the space's networks smaller."
    )


def _said(limits: dict[str, float]) -> str:
    return ", ".join(f"{name}={limit:.6g}" for name, limit in limits.items())
