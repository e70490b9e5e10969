"""What the blocks say together: their ranks, the best set, and the trend over depth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas.benefit.contrasts import block_contrast
from nas.benefit.effects import Analysis
from nas.benefit.ols import t_quantile
from nas.benefit.places import BlockFacts
from nas.benefit.questions import SKIP, Question
from search_spaces.spec import Kind


def ranking(analysis: Analysis) -> list[dict[str, Any]]:
    """Rank the blocks within each kind, 1 = most benefit, with 95% intervals of the rank.

    The rank intervals come from the bootstrap of all coefficients together.
    """
    rows = []
    for kind in (Kind.IDENTITY.value, Kind.PROJECTION.value):
        asked = [q for q in _blocks(analysis, kind) if q in analysis.answers]
        if not asked:
            continue
        found = [analysis.answers[question] for question in asked]
        centres = np.array([answer.estimate for answer in found])
        draws = centres[:, None] + np.array([answer.deviations for answer in found])
        ranks = 1 + np.argsort(np.argsort(-draws, axis=0, kind="stable"), axis=0)
        own = 1 + np.argsort(np.argsort(-centres, kind="stable"))
        low, high = np.quantile(ranks, (0.025, 0.975), axis=1, method="inverted_cdf")
        rows += [
            {
                "position": _position(question),
                "kind": kind,
                "rank": int(own[index]),
                "rank_low": int(low[index]),
                "rank_high": int(high[index]),
                "p_top1": float((ranks[index] == 1).mean()),
                "p_top3": float((ranks[index] <= 3).mean()),
            }
            for index, question in enumerate(asked)
        ]
    return rows


def best_set(analysis: Analysis) -> list[dict[str, Any]]:
    """Return the blocks and kinds that may be the best: their bands reach the largest lower end.

    Empty unless the largest lower end is above 0 and its level was opened.
    """
    found = {
        question: analysis.answers[question]
        for question in analysis.questions
        if question.estimand == "AMCE" and question in analysis.answers
    }
    lows = {q: answer.estimate - answer.half_width_sim for q, answer in found.items()}
    highs = {q: answer.estimate + answer.half_width_sim for q, answer in found.items()}
    opened = [low for question, low in lows.items() if analysis.gates[question]]
    if not opened or max(opened) <= 0:
        return []
    return [
        {"position": _position(question), "kind": question.kind}
        for question, high in highs.items()
        if high >= max(opened)
    ]


def trend(analysis: Analysis, facts: Sequence[BlockFacts]) -> list[dict[str, Any]]:
    """Return slope over relative depth and last third minus first third, per kind and any skip.

    `se` and `ci` are those of the contrast; the slope has its own.
    """
    fit = analysis.models.blocks
    size = len(facts)
    if fit is None or size < 3:
        return []
    depth = np.array([fact.rel_depth for fact in facts])
    centred = depth - depth.mean()
    third = size // 3
    ends = np.zeros(size)
    ends[-third:], ends[:third] = 1 / third, -1 / third
    kinds = dict.fromkeys(q.kind for q in analysis.questions if q.estimand == "AMCE")
    names = [*kinds, SKIP]
    rows = []
    for name in names:
        parts = [
            block_contrast(analysis.models, index, name, Kind.NONE.value) for index in range(size)
        ]
        found = [part for part in parts if part is not None]
        if len(found) < size:
            continue
        stacked = np.array(found)
        contrasts = np.array([centred @ stacked / (centred @ centred), ends @ stacked])
        if not fit.identified(contrasts).all():
            continue
        weights = fit.weights(contrasts)
        if not fit.has_errors(weights).all():
            continue
        (slope, late), (slope_se, se) = weights @ fit.y, fit.standard_errors(weights)
        half = t_quantile(fit.df, 0.975)
        rows.append(
            {
                "frame": _frame(facts),
                "kind": name,
                "slope": float(slope),
                "slope_se": float(slope_se),
                "slope_ci": [float(slope - half * slope_se), float(slope + half * slope_se)],
                "late_minus_early": float(late),
                "se": float(se),
                "ci": [float(late - half * se), float(late + half * se)],
                "n": analysis.sample.num_rows,
            }
        )
    return rows


def _frame(facts: Sequence[BlockFacts]) -> str:
    """`isotropic` where width and resolution never change; by stages where shapes are unknown."""
    shapes = {(fact.width, fact.resolution) for fact in facts}
    if shapes == {(None, None)}:
        return "staged" if len({fact.place.stage for fact in facts}) > 1 else "isotropic"
    return "staged" if len(shapes) > 1 else "isotropic"


def _blocks(analysis: Analysis, kind: str) -> list[Question]:
    return [q for q in analysis.questions if q.estimand == "AMCE" and q.kind == kind]


def _position(question: Question) -> int | None:
    return None if question.position is None else question.position + 1
