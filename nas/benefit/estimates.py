"""Estimates with pointwise and simultaneous intervals for a list of questions."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.benefit.contrasts import (
    block_contrast,
    coarse_contrast,
    estimator_name,
    span_contrast,
)
from nas.benefit.models import Models
from nas.benefit.ols import Fit, t_quantile, two_sided_p
from nas.benefit.questions import Question

ALPHA = 0.05
DRAWS = 2000
_SEED = 1512
_WILDEST = 20.0
"""Quantiles of the bootstrap's |t| beyond it come from draws that the few rows fit exactly."""


@dataclass(frozen=True)
class Estimate:
    """One answered question, positive = better."""

    estimate: float
    se: float
    """Infinite, as the half-widths are, where the rows cannot tell their noise yet."""
    df: int
    half_width: float
    """Of the pointwise 95% interval."""
    half_width_sim: float
    """Of the 95% band that holds for the whole level at once."""
    p: float | None
    p_adj: float | None
    """Adjusted for the level by the maximum of |t|."""
    estimator: str
    cov_type: str
    deviations: np.ndarray
    """Bootstrap deviations of the estimate, shape (draws,)."""

    @property
    def mde(self) -> float:
        """Effect that this many rows find with 80% power at 5%, unadjusted."""
        return (t_quantile(self.df, 1 - ALPHA / 2) + t_quantile(self.df, 0.8)) * self.se

    @property
    def mde_sim(self) -> float:
        """The same by the band that decides; blocks are decided only if their stage is, too."""
        return self.half_width_sim + t_quantile(self.df, 0.8) * self.se


def answer(
    models: Models, questions: Sequence[Question], draws: int = DRAWS
) -> dict[Question, Estimate]:
    """Estimate every question that the rows identify; the others are left out."""
    by_fit: dict[tuple[int, str], list[tuple[Question, np.ndarray]]] = defaultdict(list)
    fits: dict[int, Fit] = {}
    for question in questions:
        found = model_of(models, question)
        if found is not None:
            fit, contrast, name = found
            fits[id(fit)] = fit
            by_fit[id(fit), name].append((question, contrast))
    answers: dict[Question, Estimate] = {}
    for (key, name), asked in by_fit.items():
        answers.update(_answer_all(fits[key], name, asked, draws))
    return answers


def model_of(models: Models, question: Question) -> tuple[Fit, np.ndarray, str] | None:
    """Return model, contrast and estimator's name of a question; None where it has no answer."""
    if question.span is not None:
        return span_contrast(models, question.position, question.span)
    if question.position is None:
        return coarse_contrast(models, question.stage, question.kind, question.reference_kind)
    if models.blocks is None:
        return None
    contrast = block_contrast(models, question.position, question.kind, question.reference_kind)
    return None if contrast is None else (models.blocks, contrast, estimator_name(models))


def _answer_all(
    fit: Fit, name: str, asked: Sequence[tuple[Question, np.ndarray]], draws: int
) -> dict[Question, Estimate]:
    contrasts = np.array([contrast for _, contrast in asked])
    usable = fit.identified(contrasts)
    questions = [question for (question, _), use in zip(asked, usable, strict=True) if use]
    if not questions or fit.df < 1:
        return {}
    weights = fit.weights(contrasts[usable])
    estimates = weights @ fit.y
    errors = np.where(fit.has_errors(weights), fit.standard_errors(weights), np.inf)
    deviations, t_draws = fit.draw(weights, draws, _SEED)
    point = t_quantile(fit.df, 1 - ALPHA / 2)
    t = np.divide(estimates, errors, out=np.zeros_like(estimates), where=errors > 0)
    p = two_sided_p(t, fit.df)
    answers = {}
    families = [question.family for question in questions]
    for family in sorted(set(families)):
        members = [index for index, own in enumerate(families) if own == family]
        largest = np.abs(t_draws[members]).max(axis=0)
        # A level of one question has no multiplicity; the t quantile is its band.
        quantile = float(np.quantile(largest, 1 - ALPHA, method="higher"))
        band = point if len(members) == 1 else max(quantile, point)
        if quantile > _WILDEST:
            errors[members], band = np.inf, point
        for index in members:
            known = 0 < errors[index] < np.inf
            exceed = int((largest >= abs(t[index])).sum())
            adjusted = max((1 + exceed) / (1 + draws), float(p[index]))
            answers[questions[index]] = Estimate(
                estimate=float(estimates[index]),
                se=float(errors[index]),
                df=fit.df,
                half_width=point * float(errors[index]),
                half_width_sim=band * float(errors[index]),
                p=float(p[index]) if known else None,
                p_adj=adjusted if known else None,
                estimator=name,
                cov_type=fit.cov_type,
                deviations=deviations[index],
            )
    return answers
