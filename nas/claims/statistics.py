"""The few tests that the claims' rules use; NumPy and SciPy's special functions only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv, fdtrc, stdtrit

from nas.claims.finding import Estimate

_DRAWS = 2000


def mean_estimate(
    name: str,
    values: Sequence[float],
    *,
    level: float = 0.95,
    unit: str = "",
    decides: bool = True,
) -> Estimate:
    """Return the mean with its t interval; without an interval where there is one value only.

    >>> found = mean_estimate("gain", [1.0, 2.0, 3.0])
    >>> round(found.value, 2), round(found.low, 2), round(found.high, 2)
    (2.0, -0.48, 4.48)
    """
    number = len(values)
    if not number:
        return Estimate(name=name, value=None, n=0, unit=unit, decides=decides)
    array = np.asarray(values, dtype=float)
    mean, low, high = float(array.mean()), None, None
    if number > 1:
        spread = float(array.std(ddof=1)) / math.sqrt(number)
        half = float(stdtrit(number - 1, 0.5 + level / 2)) * spread
        low, high = mean - half, mean + half
    return Estimate(
        name=name, value=mean, low=low, high=high, n=number, unit=unit, decides=decides
    )


def sign_test(wins: int, losses: int) -> float:
    """Return the two-sided p-value of the exact sign test; ties are left out before.

    >>> sign_test(5, 0)
    0.0625
    """
    number = wins + losses
    if not number:
        return 1.0
    tail = sum(math.comb(number, k) for k in range(min(wins, losses) + 1)) / 2**number
    return min(1.0, 2 * tail)


def fisher_test(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Return the two-sided p-value of Fisher's exact test of two shares.

    Args:
        first: Successes and trials of the first arm.
        second: Those of the second.

    >>> round(fisher_test((5, 5), (0, 5)), 4)
    0.0079
    """
    (hits, number), (others, other_number) = first, second
    total, successes = number + other_number, hits + others
    ways = math.comb(total, successes)

    def chance(k: int) -> float:
        return math.comb(number, k) * math.comb(other_number, successes - k) / ways

    lowest, highest = max(0, successes - other_number), min(number, successes)
    seen = chance(hits)
    # Tables as likely as the one seen count; rounding must not decide about them.
    return min(
        1.0, sum(p for k in range(lowest, highest + 1) if (p := chance(k)) <= seen * 1.0001)
    )


def share_bounds(hits: int, number: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the exact one-sided lower and upper bounds of a share, each at `level`.

    >>> low, high = share_bounds(5, 5)
    >>> round(low, 3), high
    (0.549, 1.0)
    """
    low = float(betaincinv(hits, number - hits + 1, 1 - level)) if hits else 0.0
    high = float(betaincinv(hits + 1, number - hits, level)) if hits < number else 1.0
    return low, high


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the least-squares slope of `y` on `x`.

    >>> slope([1, 2, 3], [2, 4, 6])
    2.0
    """
    centred = np.asarray(x, dtype=float) - np.mean(x)
    return float(centred @ np.asarray(y, dtype=float) / (centred @ centred))


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A least-squares fit with a covariance that holds where the noise differs between runs."""

    coefficients: np.ndarray
    covariance: np.ndarray
    degrees: int
    """Degrees of freedom of the residuals."""


def fit_effects(settings: np.ndarray, values: Sequence[float]) -> Fit:
    """Fit main effects of factors that are on (1) or off (-1), with the HC3 covariance.

    Args:
        settings: (runs, factors); an effect is the value on minus the value off.
        values: Per run.
    """
    half = np.column_stack([np.ones(len(settings)), np.asarray(settings, dtype=float) / 2])
    y = np.asarray(values, dtype=float)
    inverse = np.linalg.inv(half.T @ half)
    beta = inverse @ half.T @ y
    leverage = np.einsum("ij,jk,ik->i", half, inverse, half)
    scores = half * ((y - half @ beta) / (1 - leverage))[:, None]
    covariance = inverse @ scores.T @ scores @ inverse
    number, terms = half.shape
    return Fit(
        coefficients=beta[1:], covariance=covariance[1:, 1:], degrees=max(number - terms, 0)
    )


def equality_test(fit: Fit) -> float:
    """Return the p-value of the Wald test that all effects are equal."""
    number = len(fit.coefficients)
    contrasts = np.eye(number)[1:] - np.eye(number)[:-1]
    differences = contrasts @ fit.coefficients
    spread = contrasts @ fit.covariance @ contrasts.T
    statistic = float(differences @ np.linalg.pinv(spread) @ differences) / (number - 1)
    return float(fdtrc(number - 1, fit.degrees, statistic))


def effect_estimates(fit: Fit, names: Sequence[str], number: int) -> list[Estimate]:
    """Return each effect with its 95% interval.

    Args:
        fit: Of the effects.
        names: One for each.
        number: Runs behind them.
    """
    quantile = float(stdtrit(fit.degrees, 0.975))
    spreads = np.sqrt(np.diag(fit.covariance))
    return [
        Estimate(
            name=name,
            value=float(value),
            low=float(value - quantile * spread),
            high=float(value + quantile * spread),
            n=number,
        )
        for name, value, spread in zip(names, fit.coefficients, spreads, strict=True)
    ]


def effects_slope(fit: Fit, name: str) -> Estimate:
    """Return the slope of the effects over their place, with its 95% interval."""
    places = np.arange(len(fit.coefficients), dtype=float)
    weights = (places - places.mean()) / np.sum((places - places.mean()) ** 2)
    value = float(weights @ fit.coefficients)
    half = float(stdtrit(fit.degrees, 0.975) * np.sqrt(weights @ fit.covariance @ weights))
    return Estimate(
        name=name,
        value=value,
        low=value - half,
        high=value + half,
        n=fit.degrees + len(fit.coefficients) + 1,
        unit="nats per group",
        decides=False,
    )


def deviations_within(fit: Fit, limit: float) -> bool:
    """Say whether every effect is within `limit` of their mean, all at once at 95%."""
    number = len(fit.coefficients)
    centre = np.eye(number) - 1 / number
    deviations = centre @ fit.coefficients
    spreads = np.sqrt(np.diag(centre @ fit.covariance @ centre.T))
    quantile = float(stdtrit(fit.degrees, 1 - 0.025 / number))
    return bool(np.all(np.abs(deviations) + quantile * spreads < limit))


def rank_intervals(fit: Fit, *, seed: int = 0) -> list[tuple[int, int]]:
    """Return per effect the lowest and the highest rank (1 is the largest) that 95% of draws give.

    Draws are from the normal distribution of the estimates; the same fit gives the same ranks.
    """
    draws = np.random.default_rng(seed).multivariate_normal(
        fit.coefficients, fit.covariance, size=_DRAWS, method="eigh"
    )
    ranks = np.argsort(np.argsort(-draws, axis=1), axis=1) + 1
    low, high = np.percentile(ranks, [2.5, 97.5], axis=0, method="nearest")
    return [(int(a), int(b)) for a, b in zip(low, high, strict=True)]
