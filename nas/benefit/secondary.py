"""The second opinion beside the map: association, no more."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.benefit.all_trials import AllTrials
from nas.benefit.comparison import Scores
from nas.benefit.effects import Analysis
from nas.benefit.estimates import ALPHA
from nas.benefit.ols import t_quantile
from nas.benefit.questions import Question
from nas.benefit.reference import Reference

_LEAST_RANKED = 3
"""Fewer blocks have no ranking to agree about."""


def secondary(
    reference: Reference,
    analysis: Analysis,
    found: AllTrials | None,
    importances: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """Return the views beside the primary estimate, none of which it rests on.

    Args:
        reference: The design rows.
        analysis: The primary estimates.
        found: The model of all trials.
        importances: `fanova` and `ped_anova` by decision name, unsigned.
    """
    agreement = {"model_based": None if found is None else _agreement(analysis, found)}
    views: dict[str, Any] = {}
    for name in ("fanova", "ped_anova"):
        by_position = _by_position(reference, importances.get(name) or {})
        agreement[name] = _rank_agreement(by_position, _spread(analysis)) if by_position else None
        views[name] = (
            {
                "grade": "association",
                "by_position": [
                    {"position": index + 1, "importance": value}
                    for index, value in by_position.items()
                ],
            }
            if by_position
            else None
        )
    return {
        "model_based": None if found is None else _model_based(reference, found),
        **views,
        "shap": None,
        "rank_agreement": agreement if any(agreement.values()) else None,
    }


def _model_based(reference: Reference, found: AllTrials) -> dict[str, Any]:
    design, fit = found.models.block_design, found.models.blocks
    return {
        "grade": "association",
        "estimator": "ols_blocks_pairs" if design.with_pairs else "ols_blocks",
        "cov_type": None if fit is None else fit.cov_type,
        "adjusted_for": list(found.adjusted_for),
        "n_rows": design.sample.num_rows,
        "n_adaptive": found.num_adaptive,
        "effects": [
            _row(reference, found, question, own) for question, own in found.estimates.items()
        ],
    }


def _row(
    reference: Reference, found: AllTrials, question: Question, own: Scores
) -> dict[str, Any]:
    half = t_quantile(own.df, 1 - ALPHA / 2) * own.standard_error
    place = None if question.position is None else reference.frame.places[question.position]
    difference = found.gaps.get(question)
    return {
        "estimand": question.estimand,
        "position": None if question.position is None else question.position + 1,
        "stage": question.stage,
        "block": None if place is None else place.block,
        "kind": question.kind,
        "reference_kind": question.reference_kind,
        "estimate": own.estimate,
        "se": own.standard_error,
        "ci_low": own.estimate - half,
        "ci_high": own.estimate + half,
        "minus_primary": None if difference is None else difference.difference,
        "minus_primary_se": None if difference is None else difference.se,
        "minus_primary_p_adj": found.adjusted.get(question),
        "grade": "association",
    }


def _agreement(analysis: Analysis, found: AllTrials) -> dict[str, Any] | None:
    """Return Kendall's tau of all block effects, each kind of skip at each block one item."""
    both = [
        question
        for question in found.estimates
        if question.estimand == "AMCE" and question in analysis.answers
    ]
    ours = {index: analysis.answers[question].estimate for index, question in enumerate(both)}
    theirs = {index: found.estimates[question].estimate for index, question in enumerate(both)}
    return _rank_agreement(theirs, ours)


def _rank_agreement(one: Mapping[int, float], other: Mapping[int, float]) -> dict[str, Any] | None:
    shared = [index for index in one if index in other]
    if len(shared) < _LEAST_RANKED:
        return None
    tau = kendall([one[index] for index in shared], [other[index] for index in shared])
    return None if tau is None else {"kendall": tau, "n": len(shared)}


def kendall(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return Kendall's tau-b, which counts ties; None where a side is one tie.

    >>> kendall([1, 2, 3], [1, 3, 2])
    0.3333333333333333
    """
    signs = [np.sign(np.subtract.outer(side, side)) for side in (one, other)]
    lengths = [float(np.sum(own**2)) for own in signs]
    if not all(lengths):
        return None
    return float(np.sum(signs[0] * signs[1])) / math.sqrt(lengths[0] * lengths[1])


def _spread(analysis: Analysis) -> dict[int, float]:
    """Return how much a block's kinds differ: what an unsigned importance can be compared with."""
    effects: dict[int, list[float]] = {}
    for question, answer in analysis.answers.items():
        if question.estimand == "AMCE" and question.position is not None:
            effects.setdefault(question.position, [0.0]).append(answer.estimate)
    return {position: float(np.std(values)) for position, values in effects.items()}


def _by_position(reference: Reference, importance: Mapping[str, float]) -> dict[int, float]:
    names = {f"skip.{place}": index for index, place in enumerate(reference.frame.places)}
    found = {names[name]: float(value) for name, value in importance.items() if name in names}
    return dict(sorted(found.items()))
