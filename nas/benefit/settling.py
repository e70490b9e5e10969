"""How many answers of the map are settled, and what the rest would take; cheap, for live use."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nas.benefit.context import BenefitContext, study_metric
from nas.benefit.effects import INCONCLUSIVE, Analysis, analyse, mostly_known
from nas.benefit.estimates import Estimate
from nas.benefit.frame import make_frame
from nas.benefit.questions import Question
from nas.benefit.reading import with_worst
from nas.benefit.retrainings import worthwhile
from nas.benefit.sample import ENOUGH_ROWS, KINDS, make_sample, sort_rows
from nas.trials import TrialRecord
from search_spaces.places import Kind


@dataclass(frozen=True)
class Settled:
    """State of the answers: one per block and kind, identity and projection against none.

    A block that always has a skip is asked for projection against identity instead. Where spans
    were varied, one more for each longer span against span 1, over all blocks.
    """

    num_settled: int
    """Decided, or known to within the smallest effect of interest."""
    num_answers: int
    trials_to_rest: int | None
    """More randomised trials that would settle the rest if effects are what they seem; None
    where some answer has no estimate yet."""
    num_precise: int = 0
    """Known to within the smallest effect of interest, whatever was decided. Stopping looks at
    this alone: to stop at the first significant result would make chance findings likelier."""


def settled(
    rows: Sequence[TrialRecord],
    context: BenefitContext,
    repeats: Sequence[TrialRecord] = (),
) -> Settled:
    """Count the settled answers from the trials so far.

    The same numbers as the map's; it leaves out what the count does not need.
    """
    frame = make_frame(sort_rows(rows), context)
    metric = with_worst(study_metric(context), frame.reference_rows)
    sample = make_sample(
        frame.reference_rows,
        frame.places,
        metric,
        frame.choices,
        is_conditional=frame.is_conditional,
    )
    limit = worthwhile(repeats, study_metric(context), frame.layers, context.sesoi)["value"]
    may_decide = mostly_known(sample.num_rows, len(frame.reference_rows))
    return count_settled(analyse(sample, frame.kinds, limit, live=True, may_decide=may_decide))


def count_settled(analysis: Analysis) -> Settled:
    """Count the settled answers of an analysis.

    Half-widths shrink with the square root of the rows beyond the model's columns, so an answer
    needs (half-width / target)^2 times as many; the target is the smallest effect of interest, or
    the estimate where that is larger.
    """
    asked = [question for question in analysis.questions if is_answer(analysis, question)]
    num_settled, num_precise, needed = 0, 0, 0.0
    for question in asked:
        # Where the rows cannot decide, narrow intervals are no precision.
        answer = analysis.answers.get(question) if analysis.can_decide else None
        num_precise += is_precise(answer, analysis.worthwhile)
        if is_settled(analysis.decisions[question], answer, analysis.worthwhile):
            num_settled += 1
        else:
            needed = max(needed, _factor(answer, analysis.worthwhile))
    rest = None
    if math.isfinite(needed):
        fit = analysis.models.blocks
        spare = fit.df if fit is not None else 0
        rest = math.ceil(spare * max(needed - 1, 0.0))
        # A block whose stage has not passed waits for the stage, whatever its own width.
        rest = max(rest, int(num_settled < len(asked)))
    return Settled(num_settled, len(asked), rest, num_precise)


def is_answer(analysis: Analysis, question: Question) -> bool:
    """Say whether the question is an answer of the map; not a kind that its block cannot have.

    Nor one that constraints keep from its block: more trials would not bring it.
    """
    sample = analysis.sample
    if question.estimand not in ("AMCE", "KIND") or question.position is None:
        return question.estimand == "SPAN_ALL"
    if sample.is_conditional and sample.num_rows_with(question.position) >= ENOUGH_ROWS:
        codes = [KINDS.index(Kind(kind)) for kind in (question.kind, question.reference_kind)]
        if not set(codes) <= set(analysis.models.block_design.levels[question.position]):
            return False
    own = {kind.value for kind in sample.choices_at(question.position).kinds}
    # With none at the block, its kinds are compared with none alone.
    is_asked = question.estimand == "AMCE" or Kind.NONE.value not in own
    return is_asked and own >= {question.kind, question.reference_kind}


def is_precise(answer: Estimate | None, limit: float | None) -> bool:
    """Say whether the simultaneous interval is narrow enough; a band inside the limits is."""
    return answer is not None and limit is not None and answer.half_width_sim <= limit


def is_settled(decision: str, answer: Estimate | None, limit: float | None) -> bool:
    """Say whether more trials would not change what a reader does."""
    if answer is None:
        return False
    return decision != INCONCLUSIVE or is_precise(answer, limit)


def _factor(answer: Estimate | None, limit: float | None) -> float:
    if answer is None:
        return math.inf
    target = max(limit or 0.0, abs(answer.estimate))
    return (answer.half_width_sim / target) ** 2 if target > 0 else math.inf
