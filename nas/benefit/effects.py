"""One outcome estimated: questions, answers, gatekeeping from coarse to fine, decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nas.benefit.estimates import DRAWS, Estimate, answer
from nas.benefit.models import Models, fit_models
from nas.benefit.questions import (
    Question,
    block_questions,
    coarse_questions,
    kind_questions,
    span_questions,
)
from nas.benefit.sample import Sample
from search_spaces.spec import Kind

BENEFIT, HARM, NEGLIGIBLE, INCONCLUSIVE = "benefit", "harm", "negligible", "inconclusive"

_LEAST_COMPLETE = 1 / 3
"""Share of the rows that must be complete before anything is decided."""
_MOST_LEFT_OUT = 0.1
"""Share of the rows that may lack an outcome: beyond it those that are left may be a selection."""


@dataclass(frozen=True)
class Analysis:
    """One outcome at one depth plan, fully estimated."""

    sample: Sample
    models: Models
    questions: tuple[Question, ...]
    """All that are asked, answered or not; coarse ones first."""
    answers: Mapping[Question, Estimate]
    worthwhile: float | None
    """Smallest effect of interest, in the outcome's unit."""
    decisions: Mapping[Question, str]
    gates: Mapping[Question, bool]
    """Whether the level above lets the question be decided."""
    can_decide: bool
    """Whether the rows can decide anything, see `can_decide`."""


def analyse(
    sample: Sample,
    kinds: Sequence[Kind],
    worthwhile: float | None,
    *,
    draws: int = DRAWS,
    live: bool = False,
    may_decide: bool = True,
) -> Analysis:
    """Estimate all levels and decide them in order.

    Args:
        sample: The rows.
        kinds: Kinds of the space.
        worthwhile: Smallest effect of interest.
        draws: Bootstrap draws.
        live: Whether to leave out SPAN at single blocks, and KIND where it is no answer.
        may_decide: Whether to decide at all; estimates are returned either way.
    """
    models = fit_models(sample)
    questions = coarse_questions(sample, kinds) + block_questions(sample, kinds)
    if not live or any(
        Kind.NONE not in sample.choices_at(index).kinds for index in range(len(sample.places))
    ):
        questions += kind_questions(sample, kinds)
    questions += span_questions(sample, blocks=not live)
    answers = answer(models, questions, draws)
    may_decide = may_decide and can_decide(sample)
    gates = _gates(questions, answers) if may_decide else dict.fromkeys(questions, False)
    decisions = {
        question: decide(answers.get(question), worthwhile) if gates[question] else INCONCLUSIVE
        for question in questions
    }
    asked = tuple(questions)
    return Analysis(sample, models, asked, answers, worthwhile, decisions, gates, may_decide)


def can_decide(sample: Sample) -> bool:
    """Say whether these outcomes can tell kinds apart at all.

    Rows that diverged all have the value of a network that guesses. Where they are most of the
    rows, or where all values are one, intervals are narrow because nothing was measured.
    """
    num_complete = int((~sample.diverged).sum())
    enough = num_complete > 0 and num_complete >= _LEAST_COMPLETE * sample.num_rows
    return enough and bool(np.ptp(sample.value) > 0)


def mostly_known(num_known: int, num_rows: int) -> bool:
    """Say whether so few rows are left out that the others are no selection to speak of.

    Rows are left out where a training was pruned or lost, which may hang on its network.

    Args:
        num_known: Rows with an outcome.
        num_rows: All finished rows of the design.
    """
    return num_rows - num_known <= _MOST_LEFT_OUT * num_rows


def decide(estimate: Estimate | None, worthwhile: float | None) -> str:
    """Read the decision off the simultaneous band."""
    if estimate is None:
        return INCONCLUSIVE
    low = estimate.estimate - estimate.half_width_sim
    high = estimate.estimate + estimate.half_width_sim
    if low > 0:
        return BENEFIT
    if high < 0:
        return HARM
    if worthwhile is not None and -worthwhile < low and high < worthwhile:
        return NEGLIGIBLE
    return INCONCLUSIVE


def _gates(
    questions: Sequence[Question], answers: Mapping[Question, Estimate]
) -> dict[Question, bool]:
    """Open a stage when the whole network is decided, a block when its stage is.

    A level passes when any of its contrasts has a band that leaves out zero. A span at a block is
    opened by the same span over all blocks.
    """
    passed = {
        (question.family, question.stage, question.span)
        for question in questions
        if decide(answers.get(question), None) in (BENEFIT, HARM)
    }
    gates = {}
    for question in questions:
        comparison, level = question.family
        network = ((comparison, "network"), None, question.span) in passed
        stage = ((comparison, "stage"), question.stage, None) in passed
        no_stage = level == "stage" or question.span is not None
        gates[question] = level == "network" or (network and (no_stage or stage))
    return gates
