"""Effects at each learning rate of the design, and where their sign hangs on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from nas.benefit.comparison import Gap, Scores, gap, scores_of
from nas.benefit.effects import BENEFIT, HARM, Analysis, mostly_known
from nas.benefit.estimates import ALPHA
from nas.benefit.multiplicity import holm
from nas.benefit.questions import Question
from nas.benefit.rates import MOST_LEVELS, rate_codes
from nas.benefit.reference import Reference, headline_of


@dataclass(frozen=True)
class RateAnalysis:
    """The design rows of one learning rate, fully estimated."""

    rate: float
    analysis: Analysis
    architectures: np.ndarray
    """Architecture of every row, numbered over all rates alike."""


def analyses_by_rate(
    reference: Reference, values: np.ndarray, worthwhile: float | None
) -> list[RateAnalysis]:
    """Estimate the effects at each rate from its rows alone; empty where there is one rate.

    Empty too where rates are many, as from a range: none then has rows enough.

    Args:
        reference: The design rows.
        values: Their outcome, positive = better.
        worthwhile: Smallest effect of interest.
    """
    levels, codes = rate_codes(reference.rates)
    if not 1 < len(levels) <= MOST_LEVELS:
        return []
    found = []
    for code, rate in enumerate(levels):
        own = np.where(codes == code, values, np.nan)
        known = np.isfinite(own)
        if known.any():
            may_decide = mostly_known(int(known.sum()), int((codes == code).sum()))
            analysis = reference.analyse(own, worthwhile, may_decide=may_decide)
            found.append(RateAnalysis(rate, analysis, reference.table.cluster[known]))
    return found if len(found) > 1 else []


def rate_rows(reference: Reference, found: Sequence[RateAnalysis]) -> list[dict[str, Any]]:
    """Return the table of effects of every rate."""
    rows = []
    for own in found:
        effects = reference.effects(own.analysis)
        rows.append(
            {
                "lr": own.rate,
                "n_rows": own.analysis.sample.num_rows,
                "headline": headline_of(effects),
                "effects": effects,
            }
        )
    return rows


def sign_changes(reference: Reference, found: Sequence[RateAnalysis]) -> list[dict[str, Any]]:
    """Return the effects whose estimate has another sign at another rate.

    With small effects signs differ by chance, so each row says two things more. `decided`: helps
    at one rate and hurts at another, each by its own simultaneous band; only then is the change
    of sign more than chance. `size_differs`: the effects differ by a test of the difference,
    Holm's over the level, as they may where one of them is zero (`significant`, its former name,
    says the same).
    """
    if len(found) < 2:
        return []
    asked = [q for q in found[0].analysis.questions if q.estimand.startswith("AMCE")]
    tests = {question: test for question in asked if (test := _test(question, found)) is not None}
    adjusted: dict[Question, float] = {}
    for level in ("network", "stage", "block"):
        own = [question for question in tests if question.level == level]
        adjusted |= zip(own, holm([tests[question].p for question in own]), strict=True)
    rows = []
    for question, test in tests.items():
        estimates = [rate.analysis.answers[question].estimate for rate in found
                     if question in rate.analysis.answers]  # fmt: skip
        if min(estimates) < 0 < max(estimates):
            rows.append(_row(reference, question, found, test, adjusted[question]))
    return rows


def _test(question: Question, found: Sequence[RateAnalysis]) -> Gap | None:
    """Compare the two rates that differ most clearly, its p adjusted for the choice."""
    number = 1 + max(int(own.architectures.max(initial=-1)) for own in found)
    scores: list[Scores] = []
    for own in found:
        one = scores_of(own.analysis.models, question, own.architectures, number)
        if one is not None:
            scores.append(one)
    gaps = [gap(high, low) for low, high in combinations(scores, 2)]
    known = [one for one in gaps if one is not None]
    if not known:
        return None
    best = min(known, key=lambda one: one.p)
    return Gap(best.difference, best.se, min(1.0, len(gaps) * best.p))


def _row(
    reference: Reference,
    question: Question,
    found: Sequence[RateAnalysis],
    test: Gap,
    p_adj: float,
) -> dict[str, Any]:
    decisions = {own.analysis.decisions[question] for own in found}
    place = None if question.position is None else reference.frame.places[question.position]
    return {
        "estimand": question.estimand,
        "position": None if question.position is None else question.position + 1,
        "stage": question.stage,
        "block": None if place is None else place.block,
        "kind": question.kind,
        "by_lr": [
            {
                "lr": own.rate,
                "estimate": own.analysis.answers[question].estimate,
                "decision": own.analysis.decisions[question],
            }
            for own in found
            if question in own.analysis.answers
        ],
        "difference": test.difference,
        "se": test.se,
        "p": test.p,
        "p_adj": p_adj,
        "decided": {BENEFIT, HARM} <= decisions,
        "size_differs": p_adj < ALPHA,
        "significant": p_adj < ALPHA,
        "grade": "randomised",
    }
