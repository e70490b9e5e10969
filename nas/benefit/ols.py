"""Least squares with robust covariance, and simultaneous bands by the wild bootstrap."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

_PINNED = 1e-8
"""Rows that keep less than this of their own noise are fitted exactly and tell nothing of it."""
_LARGEST_SCALE = 50.0
"""The jackknife scales a residual by 1 / (1 - leverage); beyond this a row is fitted almost
exactly."""
_LOST = 1e-12
"""Noise of an architecture that is fitted exactly, below which it is none but rounding."""
_LEAST_DF = 3
"""Degrees of freedom below which intervals are too wide and unsteady to mean anything."""
MANY_CLUSTERS = 1000
"""So many architectures make estimates normal to the eye: bootstrap draws would take seconds to
say the same."""


def t_quantile(df: float, probability: float) -> float:
    """Return the quantile of Student's t."""
    return float(stdtrit(df, probability))


def two_sided_p(t: np.ndarray, df: float) -> np.ndarray:
    """Return the two-sided p value of t statistics."""
    return 2 * stdtr(df, -np.abs(t))


class _Blocks(NamedTuple):
    """Architectures of equally many rows: a block of the covariance each."""

    rows: np.ndarray
    """Shape (architectures, size)."""
    inverse: np.ndarray
    """Shape (architectures, size, size); so is `lost`."""
    lost: np.ndarray


@dataclass(frozen=True)
class Fit:
    """Ordinary least squares of `y` on `matrix`, rows of one architecture in one cluster.

    Covariance: HC3 where every architecture occurs once, else CR3, the same jackknife over
    architectures. (The plain cluster sum with G / (G - 1) * (n - 1) / (n - p) covers too seldom
    with several columns: 0.88 instead of 0.95 for 48 architectures of two seeds, 13 columns.)

    Args:
        matrix: Design matrix, shape (rows, columns); it may be rank deficient.
        y: Outcome, shape (rows,).
        cluster: Index of the architecture, shape (rows,).
    """

    matrix: np.ndarray
    y: np.ndarray
    cluster: np.ndarray

    @cached_property
    def pseudo_inverse(self) -> np.ndarray:
        """Maps outcomes to coefficients, shape (columns, rows)."""
        # The pseudo-inverse of Q R is that of R times Q', and R is small.
        q, r = np.linalg.qr(self.matrix)
        return np.linalg.pinv(r, rcond=1e-10) @ q.T

    @cached_property
    def _estimable(self) -> np.ndarray:
        """Projects contrasts on those that the rows determine, shape (columns, columns)."""
        return self.pseudo_inverse @ self.matrix

    @cached_property
    def rank(self) -> int:
        """Independent columns."""
        return round(float(np.trace(self._estimable)))

    def fitted(self, outcomes: np.ndarray) -> np.ndarray:
        """Return fitted values of outcomes of shape (rows,) or (rows, draws)."""
        return self.matrix @ (self.pseudo_inverse @ outcomes)

    @cached_property
    def num_clusters(self) -> int:
        """Distinct architectures."""
        return len(np.unique(self.cluster))

    @cached_property
    def is_clustered(self) -> bool:
        """Whether some architecture occurs more than once."""
        return self.num_clusters < len(self.y)

    @property
    def cov_type(self) -> str:
        """Name of the covariance estimator: HC3, or CR3, its form for clusters."""
        return "CR3" if self.is_clustered else "HC3"

    @property
    def df(self) -> int:
        """Degrees of freedom of the t quantiles: architectures minus independent columns."""
        return self.num_clusters - self.rank

    @cached_property
    def residuals(self) -> np.ndarray:
        """Outcome minus fitted value."""
        return self.y - self.fitted(self.y)

    @cached_property
    def left_out_residuals(self) -> np.ndarray:
        """Residuals of fits that leave out the row's architecture."""
        return self.left_out(self.residuals[:, None])[:, 0]

    @cached_property
    def residual_sd(self) -> float | None:
        """Standard deviation that the model leaves; None without degrees of freedom."""
        df = len(self.y) - self.rank
        return float(np.sqrt(self.residuals @ self.residuals / df)) if df > 0 else None

    @cached_property
    def _jackknife(self) -> tuple[_Blocks, ...]:
        """What turns residuals into leave-one-architecture-out residuals, and what it loses.

        For each architecture the inverse of its block of (I - hat), 1 / (1 - leverage) for one
        row; and the projection on what that block maps to zero: noise that is fitted exactly.
        """
        found = []
        sizes = np.array([len(rows) for rows in self.members])
        for size in np.unique(sizes):
            rows = np.array([self.members[index] for index in np.flatnonzero(sizes == size)])
            spare = np.eye(size) - self.matrix[rows] @ self.pseudo_inverse[:, rows].swapaxes(0, 1)
            if size == 1:
                pinned = spare < _PINNED
                inverse = np.where(pinned, 0.0, 1 / np.where(pinned, 1.0, spare))
            else:
                inverse = np.linalg.pinv(spare, rcond=_PINNED, hermitian=True)
            found.append(_Blocks(rows, inverse, np.eye(size) - inverse @ spare))
        return tuple(found)

    @cached_property
    def members(self) -> tuple[np.ndarray, ...]:
        """Rows of each architecture."""
        order = np.argsort(self.cluster, kind="stable")
        return tuple(np.split(order, np.flatnonzero(np.diff(self.cluster[order])) + 1))

    def left_out(self, residuals: np.ndarray) -> np.ndarray:
        """Return residuals of fits that leave out the row's architecture, shape (rows, draws)."""
        scaled = np.empty_like(residuals)
        for blocks in self._jackknife:
            scaled[blocks.rows] = blocks.inverse @ residuals[blocks.rows]
        return scaled

    def weights(self, contrasts: np.ndarray) -> np.ndarray:
        """Return how much each outcome counts in each contrast, shape (contrasts, rows)."""
        return contrasts @ self.pseudo_inverse

    def identified(self, contrasts: np.ndarray) -> np.ndarray:
        """Say which contrasts the rows determine, with noise that can be measured."""
        estimable = np.abs(contrasts @ self._estimable - contrasts).max(axis=1, initial=0.0) < 1e-7
        exposed = np.zeros(len(contrasts), dtype=bool)
        for blocks in self._jackknife:
            loses = np.abs(blocks.lost).max(axis=(1, 2)) > _LOST
            if not loses.any():
                continue
            weights = self.weights(contrasts)[:, blocks.rows[loses]]
            lost = weights[:, :, None, :] @ blocks.lost[loses]
            exposed |= np.abs(lost).max(axis=(1, 2, 3), initial=0.0) > 1e-7
        return estimable & ~exposed

    def has_errors(self, weights: np.ndarray) -> np.ndarray:
        """Say for which contrasts the noise can be told: their standard errors mean something.

        Not with very few degrees of freedom, nor where a row counts that is fitted almost exactly:
        what is left of its noise is blown up by the jackknife.
        """
        exact = np.zeros(len(weights), dtype=bool)
        for blocks in self._jackknife:
            size = blocks.rows.shape[1]
            largest = np.abs(blocks.inverse).max(axis=(1, 2)) if size else np.zeros(0)
            rows = blocks.rows[largest > _LARGEST_SCALE]
            exact |= (np.abs(weights[:, rows]) > _PINNED).any(axis=(1, 2))
        return ~exact & (self.df >= _LEAST_DF)

    def standard_errors(self, weights: np.ndarray) -> np.ndarray:
        """Return robust standard errors of contrasts given by their weights."""
        return np.sqrt(self.variances(weights, self.residuals[:, None])[:, 0])

    def covariance(self, weights: np.ndarray) -> np.ndarray:
        """Return the robust covariance of contrasts given by their weights."""
        sums = np.zeros((self.num_clusters, len(weights)))
        np.add.at(sums, self.cluster, (weights * self.left_out_residuals).T)
        return sums.T @ sums

    def variances(self, weights: np.ndarray, residuals: np.ndarray) -> np.ndarray:
        """Return robust variances, shape (contrasts, draws), of residuals (rows, draws)."""
        scaled = self.left_out(residuals)
        variances = np.zeros((len(weights), residuals.shape[1]))
        for blocks in self._jackknife:
            own, size = scaled[blocks.rows], blocks.rows.shape[1]
            if size == 1:
                variances += weights[:, blocks.rows[:, 0]] ** 2 @ own[:, 0] ** 2
                continue
            for index, row in enumerate(weights):
                scores = (row[blocks.rows][:, None, :] @ own)[:, 0]
                variances[index] += np.einsum("gb,gb->b", scores, scores)
        return variances

    def draw(self, weights: np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw estimates and t statistics around the fit by the wild bootstrap.

        Each draw gives every architecture a random sign, turns its residuals (scaled as in HC3)
        by it, fits anew, and studentises with the robust error of that fit. With many architectures
        draws are normal ones with the robust covariance.

        Returns:
            Deviations of the estimates and t statistics, both of shape (contrasts, draws).
        """
        generator = np.random.default_rng(seed)
        if self.num_clusters >= MANY_CLUSTERS:
            return _normal_draws(self.covariance(weights), draws, generator)
        signs = generator.integers(0, 2, (self.num_clusters, draws)) * 2.0 - 1
        noise = signs[self.cluster] * self.left_out(self.residuals[:, None])
        deviations = weights @ noise
        errors = np.sqrt(self.variances(weights, noise - self.fitted(noise)))
        t = np.divide(deviations, errors, out=np.zeros_like(deviations), where=errors > 1e-300)
        return deviations, t


def _normal_draws(
    covariance: np.ndarray, draws: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw normal deviations and their t statistics, shape (contrasts, draws)."""
    values, vectors = np.linalg.eigh(covariance)
    # The symmetric root does not hang on the signs of eigenvectors, which are arbitrary.
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    deviations = root @ generator.standard_normal((len(covariance), draws))
    errors = np.sqrt(np.diag(covariance))[:, None]
    t = np.divide(deviations, errors, out=np.zeros_like(deviations), where=errors > 1e-300)
    return deviations, t
