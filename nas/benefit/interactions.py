"""Neighbouring skips one pair at a time: do they stand in for each other, or need each other?"""

from dataclasses import replace
from typing import Any

import numpy as np

from nas.benefit.coding import BlockDesign, effect_coding
from nas.benefit.effects import Analysis
from nas.benefit.estimates import ALPHA
from nas.benefit.multiplicity import holm
from nas.benefit.ols import Fit, t_quantile, two_sided_p
from nas.benefit.questions import SKIP
from nas.benefit.sample import KINDS
from search_spaces.spec import Kind

_NONE = KINDS.index(Kind.NONE)


def interaction_rows(analysis: Analysis) -> list[dict[str, Any]]:
    """Return the interaction of every two neighbouring blocks, E[Y11 - Y10 - Y01 + Y00].

    Negative: the skips stand in for each other. With several kinds of skip it is the mean over
    them. Rows are `exploratory` unless the joint test of all pairs has found interactions; empty
    where the rows cannot carry that test. Holm's adjustment is over all pairs.
    """
    models = analysis.models
    test = models.pair_test
    if test is None or models.blocks is None:
        return []
    design, fit = models.block_design, models.blocks
    if not design.with_pairs:
        design = replace(design, with_pairs=True)
        fit = Fit(design.matrix, fit.y, fit.cluster)
    found = _pairs(design, fit)
    if not found:
        return []
    lefts, contrasts = [left for left, _ in found], np.array([own for _, own in found])
    weights = fit.weights(contrasts)
    estimates, errors = weights @ fit.y, fit.standard_errors(weights)
    p_values = two_sided_p(estimates / errors, fit.df)
    half = t_quantile(fit.df, 1 - ALPHA / 2) * errors
    return [
        {
            "l": left + 1,
            "m": left + 2,
            "kinds": [_kind(design, left), _kind(design, left + 1)],
            "estimate": float(estimates[index]),
            "se": float(errors[index]),
            "ci": [float(estimates[index] - half[index]), float(estimates[index] + half[index])],
            "p": float(p_values[index]),
            "p_adj": p_adj,
            "exploratory": test.p >= ALPHA,
            "grade": "randomised",
        }
        for (index, left), p_adj in zip(enumerate(lefts), holm(p_values.tolist()), strict=True)
    ]


def _pairs(design: BlockDesign, fit: Fit) -> list[tuple[int, np.ndarray]]:
    """Return left block and contrast of every pair whose interaction the rows tell."""
    size = design.matrix.shape[1]
    start = size - sum(pair.shape[1] for pair in design.pairs)
    found = []
    for left, pair in enumerate(design.pairs):
        one, other = (_skip_against_none(design, index) for index in (left, left + 1))
        contrast = np.zeros(size)
        if one is not None and other is not None:
            contrast[start : start + pair.shape[1]] = np.outer(one, other).ravel()
            weights = fit.weights(contrast[None])
            if fit.identified(contrast[None])[0] and fit.has_errors(weights)[0]:
                found.append((left, contrast))
        start += pair.shape[1]
    return [(left, own) for left, own in found if fit.standard_errors(fit.weights(own[None]))[0]]


def _skip_against_none(design: BlockDesign, index: int) -> np.ndarray | None:
    """Return the coding of a block's skips, their mean, less that of none."""
    levels = design.levels[index]
    if len(levels) < 2 or _NONE not in levels:
        return None
    coding = effect_coding(len(levels))
    skips = [number for number, code in enumerate(levels) if code != _NONE]
    return coding[skips].mean(axis=0) - coding[levels.index(_NONE)]


def _kind(design: BlockDesign, index: int) -> str:
    skips = [code for code in design.levels[index] if code != _NONE]
    return KINDS[skips[0]].value if len(skips) == 1 else SKIP
