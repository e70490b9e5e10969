"""The true effects in a table of all skip patterns, and how exactly it knows them; no torch here.

Every estimand is a weighted sum over the patterns' means. Its standard error is that of the seeds:
the same seeds were used for all patterns, so that each seed gives one value of the sum, and the
spread of these values holds whatever correlation they share.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from trainer.recorded.table import pattern_digits


@dataclass(frozen=True, kw_only=True)
class Truth:
    """A true effect, positive = the skip is better."""

    value: float
    se: float
    """Standard error from the seeds, each a whole table; n seeds leave n - 1 degrees of freedom."""
    se_cells: float
    """Standard error from the spread within each pattern, taken as independent of each other's."""


def measure(values: np.ndarray, weights: np.ndarray) -> Truth:
    """Return the weighted sum over the patterns' means.

    Args:
        values: Outcomes, positive = better, (patterns, seeds); at least 2 seeds.
        weights: Of each pattern, (patterns,).
    """
    by_seed = weights @ values
    num_seeds = values.shape[1]
    within = values.var(axis=1, ddof=1)
    return Truth(
        value=float(by_seed.mean()),
        se=float(by_seed.std(ddof=1) / math.sqrt(num_seeds)),
        se_cells=float(np.sqrt(weights**2 @ within / num_seeds)),
    )


class Estimands:
    """Weights of every estimand over the patterns of so many groups.

    Args:
        num_groups: Groups that have a skip or none.
    """

    def __init__(self, num_groups: int) -> None:
        self.num_groups = num_groups
        self._digits = pattern_digits(num_groups)
        self._sizes = self._digits.sum(axis=1)

    def amce(self, group: int) -> np.ndarray:
        """Having the skip against not, averaged over all patterns of the other groups alike.

        With two kinds this is the Banzhaf value of the group too.
        """
        return np.where(self._digits[:, group], 1.0, -1.0) / 2 ** (self.num_groups - 1)

    def mean_amce(self, groups: Sequence[int]) -> np.ndarray:
        """The mean of several groups' AMCE: of a stage, or of all."""
        return np.mean([self.amce(group) for group in groups], axis=0)

    def banzhaf(self, group: int) -> np.ndarray:
        """The mean gain of adding the group's skip, over all sets of the others alike."""
        return self._gains(group, lambda _: 1 / 2 ** (self.num_groups - 1))

    def shapley(self, group: int) -> np.ndarray:
        """The mean gain of adding the group's skip, over all orders in which skips are added."""
        n = self.num_groups
        return self._gains(
            group,
            lambda size: math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n),
        )

    def abl(self, group: int) -> np.ndarray:
        """What the skip is worth in the network that has all others."""
        return self._gains(group, lambda size: float(size == self.num_groups - 1))

    def add(self, group: int) -> np.ndarray:
        """What the skip is worth in the network that has no other."""
        return self._gains(group, lambda size: float(size == 0))

    def pair(self, first: int, second: int) -> np.ndarray:
        """How much more a skip is worth where the other one is there: negative for substitutes."""
        signs = [np.where(self._digits[:, group], 1.0, -1.0) for group in (first, second)]
        return signs[0] * signs[1] / 2 ** (self.num_groups - 2)

    def pairs(self) -> list[tuple[int, int]]:
        """All pairs of groups, neighbours among them."""
        return list(itertools.combinations(range(self.num_groups), 2))

    def difference(self) -> np.ndarray:
        """All skips against none."""
        weights = np.zeros(len(self._digits))
        weights[-1], weights[0] = 1.0, -1.0
        return weights

    def late_minus_early(self) -> np.ndarray:
        """AMCE of the last third of the groups less that of the first third."""
        third = self.num_groups // 3
        groups = range(self.num_groups)
        return self.mean_amce(groups[-third:]) - self.mean_amce(groups[:third])

    def of_size(self, size: int) -> np.ndarray:
        """The mean of all patterns with so many skips."""
        return (self._sizes == size) / (self._sizes == size).sum()

    def _gains(self, group: int, weight: Callable[[int], float]) -> np.ndarray:
        """Weigh the gains of adding a group to sets of the others by the size of the set."""
        has = self._digits[:, group]
        weights = np.zeros(len(has))
        for number in np.flatnonzero(~has):
            partner = number + 2 ** (self.num_groups - 1 - group)
            share = weight(int(self._sizes[number]))
            weights[number] -= share
            weights[partner] += share
        return weights


def joint_p(values: np.ndarray, weights: Sequence[np.ndarray]) -> float:
    """Return the p-value of several sums being zero together, by Wald's test.

    The covariance is that of the spread within patterns, each with its own variance; the degrees of
    freedom are those of all patterns together.

    Args:
        values: Outcomes, (patterns, seeds).
        weights: Of each sum, (patterns,).
    """
    stacked = np.array(weights)
    num_patterns, num_seeds = values.shape
    sums = stacked @ values.mean(axis=1)
    covariance = (stacked * (values.var(axis=1, ddof=1) / num_seeds)) @ stacked.T
    statistic = float(sums @ np.linalg.solve(covariance, sums)) / len(sums)
    return float(stats.f.sf(statistic, len(sums), num_patterns * (num_seeds - 1)))
