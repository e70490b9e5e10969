"""The table of effects: estimates, gatekeeping from coarse to fine, decisions and sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.benefit.estimates import DRAWS, Estimate, answer
from nas.benefit.models import (
    SKIP,
    Models,
    Question,
    block_questions,
    coarse_questions,
    fit_models,
    kind_questions,
    span_questions,
)
from nas.benefit.neighbours import given_neighbours
from nas.benefit.neyman import difference_in_means, difference_in_seconds
from nas.benefit.places import BlockFacts
from nas.benefit.sample import KINDS, Sample
from nas.benefit.spans import CLASSIC, longer_spans
from search_spaces.spec import Kind

BENEFIT, HARM, NEGLIGIBLE, INCONCLUSIVE = "benefit", "harm", "negligible", "inconclusive"

_LEAST_COMPLETE = 1 / 3
"""Share of the rows that must be complete before anything is decided."""


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


def effect_rows(
    analysis: Analysis,
    facts: Sequence[BlockFacts],
    plan: tuple[int, ...] | None,
    layers: int | None = None,
) -> list[dict[str, Any]]:
    """Return the table, one row per question, in the order network, stages, blocks.

    Args:
        analysis: The estimates.
        facts: Coordinates and costs of every block.
        plan: Blocks per stage; None where plans are pooled.
        layers: Layers with weights; None where they are unknown.
    """
    depth = {"depth": layers, "depth_plan": None if plan is None else list(plan)}
    return [_row(analysis, question, facts, depth) for question in analysis.questions]


def _row(
    analysis: Analysis,
    question: Question,
    facts: Sequence[BlockFacts],
    depth: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "estimand": question.estimand,
        **depth,
        **_where(question, facts),
        "kind": question.kind,
        "reference_kind": question.reference_kind,
        "span": question.span,
        "reference_span": question.reference_span,
        **_numbers(analysis, question),
        **_counts(analysis.sample, question),
        **_costs(analysis.sample, question, facts),
        "delta_seconds": difference_in_seconds(analysis.sample, question),
        "source": "randomised",
        "grade": "randomised",
        "gate_passed": analysis.gates[question],
        "check": difference_in_means(analysis.sample, question),
        "neighbour_conditional": given_neighbours(analysis.models, question),
    }


def _where(question: Question, facts: Sequence[BlockFacts]) -> dict[str, Any]:
    if question.position is not None:
        return facts[question.position].to_row()
    row = dict.fromkeys(facts[0].to_row()) if facts else {"stage": None}
    return row | {"stage": question.stage}


def _numbers(analysis: Analysis, question: Question) -> dict[str, Any]:
    found = analysis.answers.get(question)
    names = [
        "estimate",
        "se",
        "df",
        "ci_low",
        "ci_high",
        "ci_sim_low",
        "ci_sim_high",
        "p",
        "p_adj",
    ]
    row: dict[str, Any] = dict.fromkeys(names)
    row |= {"decision": analysis.decisions[question], "size": None, "mde": None}
    row |= {"estimator": None, "cov_type": None}
    if found is None:
        return row
    worthwhile = analysis.worthwhile
    if worthwhile is not None:
        row["size"] = "large" if abs(found.estimate) >= worthwhile else "small"
    row |= {
        "estimate": found.estimate,
        "df": found.df,
        "estimator": found.estimator,
        "cov_type": found.cov_type,
    }
    if np.isinf(found.se):
        return row
    return row | {
        "se": found.se,
        "ci_low": found.estimate - found.half_width,
        "ci_high": found.estimate + found.half_width,
        "ci_sim_low": found.estimate - found.half_width_sim,
        "ci_sim_high": found.estimate + found.half_width_sim,
        "p": found.p,
        "p_adj": found.p_adj,
        "mde": found.mde,
    }


def _counts(sample: Sample, question: Question) -> dict[str, int]:
    """Count the rows that tell one kind from the other; all rows at the coarser levels."""
    used = np.ones(sample.num_rows, dtype=bool)
    if question.position is not None and question.span is not None:
        spans = [question.span, question.reference_span]
        used = np.isin(sample.spans_at(question.position), spans)
    elif question.position is not None:
        codes = [KINDS.index(Kind(question.kind)), KINDS.index(Kind(question.reference_kind))]
        used = np.isin(sample.codes[:, question.position], codes)
    return {
        "n_runs": int(used.sum()),
        "n_arch": len(np.unique(sample.cluster[used])),
        "n_failed": int((used & sample.diverged).sum()),
    }


def _costs(
    sample: Sample, question: Question, facts: Sequence[BlockFacts]
) -> dict[str, float | None]:
    """Mean cost per block of the contrast: only projections have any."""
    if question.span is not None:
        return _span_costs(sample, question.span, question.position, facts)
    chosen = [
        fact
        for index, fact in enumerate(facts)
        if question.position in (None, index)
        and (question.stage is None or fact.place.stage == question.stage)
    ]
    share = {Kind.PROJECTION.value: 1.0, SKIP: 0.5}.get(question.kind, 0.0)
    costs: dict[str, float | None] = {}
    for name in ("delta_params", "delta_macs"):
        values = [getattr(fact, name) for fact in chosen]
        known = bool(values) and None not in values
        costs[name] = share * float(np.mean(values)) if known else None
    return costs


def _span_costs(
    sample: Sample, span: int, position: int | None, facts: Sequence[BlockFacts]
) -> dict[str, float | None]:
    """Mean cost of a longer projection over the classic one, over the kinds of skip."""
    params, macs = [], []
    for index, fact in enumerate(facts):
        if position not in (None, index) or span not in longer_spans(sample, index):
            continue
        skips = [kind for kind in sample.choices_at(index).kinds if kind is not Kind.NONE]
        share = skips.count(Kind.PROJECTION) / max(len(skips), 1)
        costs = fact.costs or {}
        if span not in costs or CLASSIC not in costs:
            return {"delta_params": None, "delta_macs": None}
        params.append(share * (costs[span][0] - costs[CLASSIC][0]))
        macs.append(share * (costs[span][1] - costs[CLASSIC][1]))
    return {
        "delta_params": float(np.mean(params)) if params else None,
        "delta_macs": float(np.mean(macs)) if macs else None,
    }
