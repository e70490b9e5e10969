"""Differences between two estimates of one question that may rest on the same architectures."""

from dataclasses import dataclass

import numpy as np

from nas.benefit.estimates import model_of
from nas.benefit.models import Models
from nas.benefit.ols import Fit, two_sided_p
from nas.benefit.questions import Question


@dataclass(frozen=True)
class Scores:
    """An estimate, and what each architecture adds to its error."""

    estimate: float
    by_architecture: np.ndarray
    """Weight times leave-one-out residual, summed by architecture, shape (architectures,)."""
    df: int

    @property
    def standard_error(self) -> float:
        """The robust standard error, that of `Fit.standard_errors`."""
        return float(np.sqrt(self.by_architecture @ self.by_architecture))


@dataclass(frozen=True)
class Gap:
    """One estimate minus another."""

    difference: float
    se: float
    p: float


def scores_of(
    models: Models, question: Question, architectures: np.ndarray, num_architectures: int
) -> Scores | None:
    """Return the scores of a question; None where it has no answer, or its noise cannot be told.

    Args:
        models: What was fitted.
        question: What is asked.
        architectures: Index of each row's architecture, one numbering for all that are compared.
        num_architectures: How many there are in it.
    """
    found = model_of(models, question)
    if found is None:
        return None
    fit, contrast, _ = found
    return contrast_scores(fit, contrast, architectures, num_architectures)


def contrast_scores(
    fit: Fit, contrast: np.ndarray, architectures: np.ndarray, num_architectures: int
) -> Scores | None:
    """Return the scores of a contrast in a fit; None where its noise cannot be told."""
    if not fit.identified(contrast[None])[0]:
        return None
    weights = fit.weights(contrast[None])
    if not fit.has_errors(weights)[0]:
        return None
    parts = weights[0] * fit.left_out_residuals
    sums = np.bincount(architectures, parts, minlength=num_architectures)
    return Scores(float(weights[0] @ fit.y), sums, fit.df)


def gap(one: Scores, other: Scores) -> Gap | None:
    """Compare two estimates; None where their difference has no noise to be judged by.

    The error is that of the difference itself: architectures that both rest on count once, with
    what they add to the one minus what they add to the other.
    """
    difference = one.estimate - other.estimate
    parts = one.by_architecture - other.by_architecture
    se = float(np.sqrt(parts @ parts))
    if se <= 1e-12 * max(abs(one.estimate), abs(other.estimate), 1e-300):
        return None
    p = float(two_sided_p(np.array([difference / se]), min(one.df, other.df))[0])
    return Gap(difference, se, p)
