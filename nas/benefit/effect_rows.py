"""The table of effects: one row per question, with its place, numbers, counts and costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.benefit.effects import Analysis
from nas.benefit.neighbours import given_neighbours
from nas.benefit.neyman import difference_in_means, difference_in_seconds
from nas.benefit.places import BlockFacts
from nas.benefit.questions import SKIP, Question
from nas.benefit.sample import KINDS, Sample
from nas.benefit.spans import CLASSIC, longer_spans
from search_spaces.spec import Kind

NUMBERS = (
    "estimate",
    "se",
    "df",
    "ci_low",
    "ci_high",
    "ci_sim_low",
    "ci_sim_high",
    "p",
    "p_adj",
)
"""Columns of an estimate, null where there is none."""


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
        **place_columns(question, facts, depth),
        **_numbers(analysis, question),
        **count_columns(analysis.sample, question),
        **cost_columns(analysis.sample, question, facts),
        "source": "randomised",
        "grade": "randomised",
        "gate_passed": analysis.gates[question],
        "check": difference_in_means(analysis.sample, question),
        "neighbour_conditional": given_neighbours(analysis.models, question),
    }


def place_columns(
    question: Question, facts: Sequence[BlockFacts], depth: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is compared, and where.

    Args:
        question: The contrast.
        facts: Coordinates of every block.
        depth: `depth` and `depth_plan` of the network.
    """
    return {
        "estimand": question.estimand,
        **depth,
        **_where(question, facts),
        "kind": question.kind,
        "reference_kind": question.reference_kind,
        "span": question.span,
        "reference_span": question.reference_span,
    }


def _where(question: Question, facts: Sequence[BlockFacts]) -> dict[str, Any]:
    if question.position is not None:
        return facts[question.position].to_row()
    row = dict.fromkeys(facts[0].to_row()) if facts else {"stage": None}
    return row | {"stage": question.stage}


def _numbers(analysis: Analysis, question: Question) -> dict[str, Any]:
    found = analysis.answers.get(question)
    row: dict[str, Any] = dict.fromkeys(NUMBERS)
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


def count_columns(sample: Sample, question: Question) -> dict[str, int]:
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


def cost_columns(
    sample: Sample, question: Question, facts: Sequence[BlockFacts]
) -> dict[str, float | None]:
    """Return what the contrast costs: per block parameters and multiply-adds, and seconds."""
    seconds = difference_in_seconds(sample, question)
    return {**_block_costs(sample, question, facts), "delta_seconds": seconds}


def _block_costs(
    sample: Sample, question: Question, facts: Sequence[BlockFacts]
) -> dict[str, float | None]:
    """Return the mean cost per block of the contrast: only projections have any."""
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
