"""Which rows of the balanced design a study trains, and when it is their turn."""

import math

from nas.config import SearchConfig
from nas.design_file import DesignFile, KeptRow
from nas.design_plan import DesignPlan, DesignWord
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec

RUN_LENGTH = 8
"""Design rows and adaptive trials alternate in runs of this many, so that rows of equal shape
come together."""


class DesignQueue:
    """Design rows at the deepest networks, in their order.

    Args:
        space: The search space.
        search: Share of the rows, total of the trials and seed.
        kept: Where the rows are kept for the next owner; nowhere by default.
        design: How rows are chosen; None: as `search.design` says.

    Raises:
        ConfigError: There is to be a share of rows, and no decision of the space can be balanced.
    """

    def __init__(
        self,
        space: SearchSpace,
        search: SearchConfig,
        kept: DesignFile | None = None,
        design: DesignWord | None = None,
    ) -> None:
        plan = DesignPlan(
            space, search.seed, design=design or search.design, lr_factors=search.lr_factors
        )
        if search.design_share:
            plan.check("search.goal" if search.mode == "search" else "search.mode")
        self._space = space
        self._rows = plan.rows()
        self._num_made = 0
        self._kept = kept
        self._known: list[KeptRow] | None = None
        self._total = search.trials
        self._share = search.design_share
        self._wanted = round(self._share * self._total)
        if self._share < 1:
            # The design of a small space repeats its patterns; the rest is then the sampler's.
            self._wanted = min(self._wanted, plan.num_rows)
        self._planned: set[str] | None = None
        self._num_begun = 0

    @property
    def planned(self) -> set[str]:
        """Ids of the architectures that rows will train, or have trained.

        The sampler leaves them to the design: a row that was trained already could only be trained
        twice or left out, and leaving out what the sampler likes would bias the skip map.
        """
        if self._planned is None:
            rows = self._first(self._wanted)
            self._planned = {row.spec_id for row in rows}
            if self._kept is not None and self._num_made:
                self._kept.write(rows)
        return self._planned

    def is_turn(self, num_live: int, num_rows: int) -> bool:
        """Say whether the next trial is a row.

        Args:
            num_live: Trials that count or will: ended without failure, or in training.
            num_rows: Rows of the design among them.
        """
        if num_rows >= self._wanted:
            return False
        if num_live - num_rows >= self._total - self._wanted:
            return True
        run = num_live // RUN_LENGTH
        return math.ceil((run + 1) * self._share) > math.ceil(run * self._share)

    def next(self) -> tuple[ArchitectureSpec, int]:
        """Return the next row's architecture and number; rows that failed are not repeated."""
        number = self._num_begun
        self._num_begun += 1
        return self._spec(number), number

    def lr_factor(self, number: int) -> float:
        """Return the learning rate of a row, in units of the recipe's."""
        return self._first(number + 1)[number].lr_factor

    def learn(self, row: int | None) -> None:
        """Leave out the rows up to this one, which a former owner has begun."""
        if row is not None:
            self._num_begun = max(self._num_begun, row + 1)

    def _spec(self, number: int) -> ArchitectureSpec:
        answers = self._first(number + 1)[number].answers
        return self._space.decide(lambda decision: answers[decision.name])

    def _first(self, number: int) -> list[KeptRow]:
        """Return the first rows, at least so many; those that are not known are chosen now."""
        if self._known is None:
            self._known = self._kept.read() if self._kept is not None else []
        while len(self._known) < number:
            row = next(self._rows)
            self._num_made += 1
            # Rows are chosen in view of those before, from the first on.
            if self._num_made > len(self._known):
                self._known.append(KeptRow(row.spec.spec_id, row.answers, row.lr_factor))
        return self._known
