"""Random-effects regression of estimates with a known covariance: partial pooling over depths."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

_POINTS = 33


@dataclass(frozen=True)
class Pooled:
    """Coefficients of `estimates = matrix @ coefficients + u + error`."""

    coefficients: np.ndarray
    covariance: np.ndarray
    between_sd: float
    """Standard deviation of u, one draw per estimate, by restricted maximum likelihood."""
    df: int
    """Estimates minus coefficients."""


def pool(matrix: np.ndarray, estimates: np.ndarray, covariance: np.ndarray) -> Pooled:
    """Pool the estimates, each with a deviation u of its own beside its error.

    Errors of the coefficients are Knapp and Hartung's, never smaller than without their factor.

    Source:
        Knapp and Hartung 2003, "Improved tests for a random effects meta-regression with a single
        covariate".

    Args:
        matrix: Shape (estimates, coefficients), of full column rank.
        estimates: Shape (estimates,).
        covariance: Of their errors, shape (estimates, estimates).
    """

    def loss(variance: float) -> float:
        inverse, middle = _inverses(matrix, covariance, variance)
        residuals = estimates - matrix @ (middle @ matrix.T @ inverse @ estimates)
        _, log_total = np.linalg.slogdet(inverse)
        _, log_middle = np.linalg.slogdet(middle)
        return float(residuals @ inverse @ residuals - log_total - log_middle)

    largest = float(np.var(estimates)) * 10 + float(np.trace(covariance)) / len(estimates)
    variance = _minimum(loss, largest)
    inverse, middle = _inverses(matrix, covariance, variance)
    coefficients = middle @ matrix.T @ inverse @ estimates
    residuals = estimates - matrix @ coefficients
    df = len(estimates) - matrix.shape[1]
    scale = max(float(residuals @ inverse @ residuals) / df, 1.0) if df else 1.0
    return Pooled(coefficients, scale * middle, float(np.sqrt(variance)), df)


def _minimum(loss: Callable[[float], float], largest: float) -> float:
    """Return where a smooth loss is least between 0 and `largest`: a grid, twice refined."""
    low, high, best = 0.0, largest, 0.0
    for _ in range(3):
        grid = np.linspace(low, high, _POINTS)
        index = int(np.argmin([loss(float(point)) for point in grid]))
        best = float(grid[index])
        low, high = float(grid[max(index - 1, 0)]), float(grid[min(index + 1, _POINTS - 1)])
    return best


def _inverses(
    matrix: np.ndarray, covariance: np.ndarray, variance: float
) -> tuple[np.ndarray, np.ndarray]:
    # Estimates of few rows may be so alike that their covariance is all but singular.
    least = 1e-10 * np.trace(covariance) / len(covariance)
    inverse = np.linalg.inv(covariance + (variance + least) * np.eye(len(covariance)))
    return inverse, np.linalg.inv(matrix.T @ inverse @ matrix)


@dataclass(frozen=True)
class Homogeneity:
    """Test that the estimates of one coefficient are one and the same."""

    statistic: float
    df: int
    p: float


def homogeneity(
    matrix: np.ndarray, estimates: np.ndarray, covariance: np.ndarray, error_df: int
) -> Homogeneity | None:
    """Test whether the estimates differ by more than their errors; None with nothing to compare.

    Cochran's Q as Hotelling's T squared, since the covariance is itself estimated.

    Args:
        matrix: Which coefficient each estimate is of, shape (estimates, coefficients).
        estimates: Shape (estimates,).
        covariance: Of their errors.
        error_df: Degrees of freedom behind the covariance.
    """
    df = len(estimates) - matrix.shape[1]
    spare = error_df - df + 1
    if df < 1 or spare < 1:
        return None
    inverse, middle = _inverses(matrix, covariance, 0.0)
    residuals = estimates - matrix @ (middle @ matrix.T @ inverse @ estimates)
    statistic = float(residuals @ inverse @ residuals) / df * spare / error_df
    return Homogeneity(statistic, df, float(fdtrc(df, spare, statistic)))
