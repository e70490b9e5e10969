"""Effects to be planted: where skips are worth something, and which questions are about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nas.benefit.questions import SKIP, Question
from nas.benefit.sample import KINDS, Sample
from search_spaces.spec import Kind

EVERYWHERE, ONE_STAGE, ONE_BLOCK = "everywhere", "one_stage", "one_block"


@dataclass(frozen=True)
class Plants:
    """Effects of 1 at every block, at those of one stage, or at one block.

    They are skips of any kind against none; where no block can be without, projections against
    identities.

    Args:
        sample: The rows.
        asked: Questions of one comparison, at all levels.
    """

    sample: Sample
    asked: Sequence[Question]

    @cached_property
    def blocks(self) -> dict[int, int]:
        """Positions of the blocks of which something is asked -> their stages."""
        found = {q.position: q.stage or 0 for q in self.asked if q.position is not None}
        return dict(sorted(found.items()))

    @cached_property
    def stages(self) -> list[int]:
        """Stages of those blocks."""
        return sorted(set(self.blocks.values()))

    @cached_property
    def matrix(self) -> np.ndarray:
        """What each plant adds to the rows' outcomes, shape (rows, plants).

        The first is every block; then come the stages, then the blocks.
        """
        codes = self.sample.codes[:, list(self.blocks)]
        is_kind = any(question.estimand == "KIND" for question in self.asked)
        on = codes == KINDS.index(Kind.PROJECTION) if is_kind else codes > 0
        own = np.array(list(self.blocks.values()), dtype=np.int64)
        of_stage = own[:, None] == np.array(self.stages, dtype=np.int64)
        return np.column_stack([on.sum(axis=1), on @ of_stage.astype(float), on]).astype(float)

    def columns(self, where: str) -> range:
        """Return the plants of one sort: `everywhere`, `one_stage` or `one_block`."""
        first_block = 1 + len(self.stages)
        ends = {
            EVERYWHERE: (0, 1),
            ONE_STAGE: (1, first_block),
            ONE_BLOCK: (first_block, first_block + len(self.blocks)),
        }
        return range(*ends[where])

    def is_about(self, column: int) -> np.ndarray:
        """Say which questions a plant answers in full: about its blocks, its stage, all blocks."""
        number = column - 1 - len(self.stages)
        if column == 0:
            return np.ones(len(self.asked), dtype=bool)
        if number < 0:
            return self._stage_of == self.stages[column - 1]
        return self._position_of == list(self.blocks)[number]

    def is_idle(self, column: int) -> np.ndarray:
        """Say of which questions a plant leaves the true answer at nothing."""
        number = column - 1 - len(self.stages)
        touched = self.is_about(column) | (self.levels == "network")
        if number >= 0:
            stage = list(self.blocks.values())[number]
            touched |= (self.levels == "stage") & (self._stage_of == stage)
        return ~touched

    @cached_property
    def levels(self) -> np.ndarray:
        """`network`, `stage` or `block` of each question."""
        return np.array([question.level for question in self.asked])

    @cached_property
    def is_summary(self) -> np.ndarray:
        """Whether a question counts as the answer of its level: any skip; at blocks each kind."""
        kinds = sorted({q.kind for q in self.asked if q.level != "block"})
        chosen = SKIP if SKIP in kinds else next(iter(kinds), SKIP)
        return np.array([q.level == "block" or q.kind == chosen for q in self.asked])

    @cached_property
    def _stage_of(self) -> np.ndarray:
        return np.array([question.stage or 0 for question in self.asked])

    @cached_property
    def _position_of(self) -> np.ndarray:
        return np.array([-1 if q.position is None else q.position for q in self.asked])
