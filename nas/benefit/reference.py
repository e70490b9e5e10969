"""The rows at the reference as arrays, made once, and analyses of several outcomes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nas.benefit.context import BenefitContext
from nas.benefit.effect_rows import effect_rows
from nas.benefit.effects import Analysis, analyse
from nas.benefit.frame import Frame
from nas.benefit.places import BlockFacts, block_facts
from nas.benefit.questions import SKIP
from nas.benefit.sample import Sample, tabulate
from nas.trials import TrialRecord


@dataclass(frozen=True)
class Reference:
    """The design rows that the map is about.

    Args:
        frame: Which rows, blocks and kinds.
        context: The study.
    """

    frame: Frame
    context: BenefitContext

    @property
    def rows(self) -> Sequence[TrialRecord]:
        """The rows, sorted; values and masks below are in their order."""
        return self.frame.reference_rows

    @cached_property
    def table(self) -> Sample:
        """All rows as arrays, whatever their outcome."""
        frame = self.frame
        return tabulate(
            frame.reference_rows,
            frame.places,
            frame.choices,
            is_conditional=frame.is_conditional,
            grid=frame.grid,
        )

    @cached_property
    def facts(self) -> list[BlockFacts]:
        """Coordinates and costs of every block."""
        return block_facts(self.frame.places, self.context, self.frame.choices)

    @cached_property
    def rates(self) -> np.ndarray:
        """Learning rate of every row, NaN where it is unknown."""
        return np.array([np.nan if row.lr is None else row.lr for row in self.rows], np.float64)

    def analyse(
        self, values: np.ndarray, worthwhile: float | None, *, may_decide: bool = True
    ) -> Analysis:
        """Estimate all levels of one outcome.

        Args:
            values: One per row, positive = better, NaN where a row says nothing of it.
            worthwhile: Smallest effect of interest.
            may_decide: Whether to decide at all.
        """
        sample = self.table.scored(values)
        return analyse(sample, self.frame.kinds, worthwhile, may_decide=may_decide)

    def effects(self, analysis: Analysis) -> list[dict[str, Any]]:
        """Return the table of effects of an analysis."""
        return effect_rows(analysis, self.facts, self.frame.plan, self.frame.layers)

    @property
    def depth(self) -> dict[str, Any]:
        """The columns `depth` and `depth_plan` of every row of effects."""
        plan = self.frame.plan
        return {
            "depth": self.frame.layers,
            "depth_plan": None if plan is None else list(plan),
        }


def headline_of(effects: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the row of all skips against none."""
    found = (row for row in effects if row["estimand"] == "AMCE_ALL" and row["kind"] == SKIP)
    return next(found, None)
