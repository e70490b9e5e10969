"""How many trials would settle the rest: one number for the page, the warnings and the JSON."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nas.benefit.context import BenefitContext
from nas.benefit.effects import Analysis
from nas.benefit.settling import count_settled
from nas.trials import Source, State, TrialRecord

_STEP = 4
"""Estimates from few rows can ask for the moon; so many times the rows is a step that helps."""
_FEW_ROWS = 8


@dataclass(frozen=True)
class MoreTrials:
    """A step that settles more, in design rows and in trials of the search."""

    design_rows: int
    """Further rows of the design."""
    trials: int
    """Further trials, with the adaptive ones that the search trains between the rows."""
    total: int
    """Complete and pruned trials in all, as `--trials` counts them."""
    is_first_step: bool
    """Whether it may take more than that."""


def more_trials(
    trials: Sequence[TrialRecord], analysis: Analysis, context: BenefitContext
) -> MoreTrials | None:
    """Return the next step; None where the search trains no design rows.

    Args:
        trials: All search trials.
        analysis: The study's metric at the reference depth.
        context: Total asked for and size of the space, where they are known.
    """
    counted = [row for row in trials if row.state in (State.COMPLETE, State.PRUNED)]
    design = sum(row.source is Source.RANDOMISED for row in counted)
    if counted and not design:
        return None
    rows, is_first_step = _rows(analysis)
    # Each row comes with its share of adaptive trials.
    total = len(counted) + math.ceil(rows * max(len(counted), 1) / max(design, 1))
    if context.space_size is not None and context.space_size > len(counted):
        total = min(total, context.space_size)
    # A study that was interrupted goes on to what it was asked for.
    total = max(total, context.trials_asked or 0)
    return MoreTrials(rows, total - len(counted), total, is_first_step)


def _rows(analysis: Analysis) -> tuple[int, bool]:
    """Return further design rows, and whether they are a first step only."""
    have = analysis.sample.num_rows
    rest = count_settled(analysis).trials_to_rest
    if not rest:
        # Without an estimate yet: as many rows as two per column of the block model need.
        columns = analysis.models.block_design.matrix.shape[1]
        rest, is_first_step = max(2 * columns - have, have, 1), True
    else:
        is_first_step = False
    most = (_STEP - 1) * max(have, _FEW_ROWS)
    return min(rest, most), is_first_step or rest > most
