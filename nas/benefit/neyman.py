"""Difference in means: the check that assumes nothing but independent random kinds."""

from typing import Any

import numpy as np

from nas.benefit.coding import network_weights, stage_weights
from nas.benefit.ols import t_quantile
from nas.benefit.questions import SKIP, Question
from nas.benefit.sample import KINDS, Sample
from nas.benefit.spans import span_weights
from search_spaces.spec import Kind


def difference_in_means(sample: Sample, question: Question) -> dict[str, Any] | None:
    """Return the difference of the means of two kinds, with Neyman's variance.

    For a block it is mean(k) - mean(none), with variance s_k^2 / n_k + s_N^2 / n_N. At a coarser
    level it is the average of these over the blocks; the variance sums the squared weight of each
    row times its squared distance from the mean, which is on the safe side. None where rows were
    left out for a constraint: networks with and without a skip then differ elsewhere too.
    """
    total = None if sample.is_conditional else _mean_weights(sample, question)
    if total is None:
        return None
    centred = _centred(sample, question)
    # n / (n - 1) turns mean squares into sample variances.
    se = float(np.sqrt(np.sum(total**2 * centred)))
    estimate = float(total @ sample.value)
    half = t_quantile(max(int((total != 0).sum()) - 2, 1), 0.975) * se
    return {
        "estimator": "difference_in_means",
        "estimate": estimate,
        "se": se,
        "ci_low": estimate - half,
        "ci_high": estimate + half,
    }


def difference_in_seconds(sample: Sample, question: Question) -> float | None:
    """Return the difference of the mean training times of two kinds, s; None where unknown.

    None too where rows were left out for a constraint, as for means of the outcome.
    """
    if sample.seconds is None or sample.is_conditional:
        return None
    known = np.isfinite(sample.seconds)
    timed = sample if known.all() else sample.where(known)
    weights = _mean_weights(timed, question)
    return None if weights is None else float(weights @ sample.seconds[known])


def _mean_weights(sample: Sample, question: Question) -> np.ndarray | None:
    """Return the weight of every row in the difference, averaged over the blocks asked about."""
    weights = _block_weights(sample, question)
    total, used = np.zeros(sample.num_rows), 0.0
    for index in np.flatnonzero(weights):
        contrast = _row_weights(sample, int(index), question)
        if contrast is not None:
            total, used = total + weights[index] * contrast, used + weights[index]
    return total / used if used else None


def _codes(kind: str) -> list[int]:
    members = (Kind.IDENTITY, Kind.PROJECTION) if kind == SKIP else (Kind(kind),)
    return [KINDS.index(member) for member in members]


def _row_weights(sample: Sample, index: int, question: Question) -> np.ndarray | None:
    """Return 1/n for rows of the kind, -1/n for rows of the reference; None with too few."""
    if question.span is not None:
        spans = sample.spans_at(index)
        reference, named = spans == question.reference_span, [spans == question.span]
    else:
        codes = sample.codes[:, index]
        reference = codes == KINDS.index(Kind(question.reference_kind))
        named = [codes == code for code in _codes(question.kind)]
    arms = [arm for arm in named if arm.sum() >= 2]
    if not arms or reference.sum() < 2:
        return None
    mean_arm = np.mean([arm / arm.sum() for arm in arms], axis=0)
    return mean_arm - reference / reference.sum()


def _centred(sample: Sample, question: Question) -> np.ndarray:
    """Return squared distances from the arm's mean (a block) or from the mean of all rows."""
    if question.position is None:
        distance = sample.value - sample.value.mean()
        return distance**2 * sample.num_rows / max(sample.num_rows - 1, 1)
    is_span = question.span is not None
    index = question.position
    codes = sample.spans_at(index) if is_span else sample.codes[:, index]
    squares = np.zeros(sample.num_rows)
    for code in np.unique(codes):
        arm = codes == code
        number = int(arm.sum())
        distance = sample.value[arm] - sample.value[arm].mean()
        squares[arm] = distance**2 * number / max(number - 1, 1)
    return squares


def _block_weights(sample: Sample, question: Question) -> np.ndarray:
    stages = [place.stage for place in sample.places]
    if question.position is not None:
        return np.eye(len(stages))[question.position]
    if question.span is not None:
        return np.array(span_weights(sample, question.span))
    if question.stage is None:
        return np.array(network_weights(stages))
    return np.array(stage_weights(stages)[sorted(set(stages)).index(question.stage)])
