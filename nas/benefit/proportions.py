"""Differences of probabilities with intervals that hold for few events, and for none at all."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

_BISECTIONS = 50
_LARGEST_Z = 38.0
"""Beyond it the normal tail is zero in double precision."""


def wilson(share: np.ndarray, number: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of Wilson's score interval of proportions.

    Args:
        share: Observed proportions.
        number: Independent observations behind each.
        z: Normal quantile, such as 1.96.
    """
    spread = z * np.sqrt(share * (1 - share) / number + z**2 / (4 * number**2))
    centre, scale = share + z**2 / (2 * number), 1 + z**2 / number
    return (centre - spread) / scale, (centre + spread) / scale


@dataclass(frozen=True)
class MeanDifference:
    """A weighted mean of differences of two proportions each, which share rows.

    Each difference has Newcombe's hybrid score interval: the score limits of its two proportions,
    put together as variances are. The mean puts these together in the same way once more, with the
    correlations that the shared rows make (MOVER, the method of variance estimates recovery).
    Normal or bootstrap intervals collapse where one arm has no event; these do not.

    Source:
        Newcombe 1998, "Interval estimation for the difference between independent proportions",
        method 10; Zou, Huang and Zhang 2009, "A note on confidence interval estimation for a linear
        function of binomial proportions".

    Args:
        weights: Weight of every difference, shape (differences,), summing to 1.
        share: Proportions of the arm, shape (differences,).
        number: Independent observations in the arm, shape (differences,).
        against: Proportions of the other arm; the difference is `against` minus `share`.
        number_against: Independent observations in it.
        correlations: Of the differences, in several ways of telling them, shape (ways, differences,
            differences); the one that makes the interval widest counts.
    """

    weights: np.ndarray
    share: np.ndarray
    number: np.ndarray
    against: np.ndarray
    number_against: np.ndarray
    correlations: np.ndarray

    @property
    def estimate(self) -> float:
        """Weighted mean of the differences."""
        return float(self.weights @ (self.against - self.share))

    @property
    def standard_error(self) -> float:
        """Error by the arms' sample variances: 0 where nothing, or everything, happened."""
        arm = self.share * (1 - self.share) / self.number
        other = self.against * (1 - self.against) / self.number_against
        return self._combine(np.sqrt(arm + other))

    def limits(self, z: float) -> tuple[float, float]:
        """Return the interval's ends for a normal quantile."""
        low, high = wilson(self.share, self.number, z)
        low_against, high_against = wilson(self.against, self.number_against, z)
        below = np.hypot(self.against - low_against, high - self.share)
        above = np.hypot(high_against - self.against, self.share - low)
        estimate = self.estimate
        return estimate - self._combine(below), estimate + self._combine(above)

    def p(self) -> float:
        """Return the level at which the interval just reaches zero, by bisection."""
        small, large = 0.0, _LARGEST_Z
        for _ in range(_BISECTIONS):
            middle = (small + large) / 2
            low, high = self.limits(middle)
            if low > 0 or high < 0:
                small = middle
            else:
                large = middle
        return float(2 * ndtr(-large))

    def _combine(self, parts: np.ndarray) -> float:
        scaled = self.weights * parts
        return float(np.sqrt(max(0.0, *(scaled @ self.correlations @ scaled).tolist())))


def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution."""
    return float(ndtri(probability))
