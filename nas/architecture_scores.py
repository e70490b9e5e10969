"""What architectures are worth: their own values and what a ridge fit says, together."""

import numpy as np

from nas.architecture_table import ArchitectureTable
from nas.ridge import Ridge, ruled_out

_REFIT_GROWTH = 1.05
"""The fit is renewed when the number of values has grown by this factor."""
_FITTED_ROWS = 2000
"""The fit looks at so many of the latest rows."""
_CLIPPED = 0.7
"""The worst values count as this quantile of the complete ones: networks that did not train at
all would else decide what is fitted."""
_OWN_SHARE = 0.5
"""Share of a row's own value in its score; the rest is the fit's, which one noisy training does
not move."""
_POOL = 64
"""Of the rows that a fit has seen, so many of the best are looked at until the next."""
_BEYOND = 1e6
"""Added to the score of what is beyond a constraint."""


class ArchitectureScores:
    """Scores of a table's rows and of changed architectures; smaller is better.

    Args:
        table: Grows; `renew` takes note of it.
        surrogate: Whether to fit; without it a row's score is its value, and every changed
            architecture has the same.
    """

    def __init__(self, table: ArchitectureTable, *, surrogate: bool) -> None:
        self._table = table
        self._surrogate = surrogate
        self._next_fit = 1.0
        self._ridge: Ridge | None = None
        self._excess: Ridge | None = None
        self._never = np.zeros((0, 1, 0), dtype=bool)
        self._pool = np.zeros(0, dtype=int)
        self._predicted = np.zeros(0)

    @property
    def ridge(self) -> Ridge | None:
        """The fit of the values; None before the first."""
        return self._ridge

    def renew(self) -> None:
        """Take up what was learned, and fit again where that is much."""
        learned = self._table.take_learned()
        if self._table.num_values >= self._next_fit:
            self._next_fit = max(self._table.num_values + 1, self._next_fit * _REFIT_GROWTH)
            self._refit()
            self._pool = np.arange(len(self._table))
            self._predicted = self._predict(self._pool)
            # What is not among the best now is not before the next fit either.
            nearest = self._order(_POOL)
            self._pool, self._predicted = self._pool[nearest], self._predicted[nearest]
        elif len(new := np.setdiff1d(learned, self._pool)):
            self._pool = np.append(self._pool, new)
            self._predicted = np.append(self._predicted, self._predict(new))

    def best(self, number: int) -> np.ndarray:
        """Return the best rows that may be changed, the best one first.

        Rows without a value count where they are beyond a constraint, after all others: it may
        take changes of them to find the first that is allowed.
        """
        return self._pool[self._order(number)]

    def _order(self, number: int) -> np.ndarray:
        values, excess = self._table.values[self._pool], self._table.excess[self._pool]
        scores = values
        if self._ridge is not None:
            scores = _OWN_SHARE * values + (1 - _OWN_SHARE) * self._predicted
        scores = np.where(excess > 0, _BEYOND + excess, scores)
        order = np.argsort(scores)[:number]
        return order[np.isfinite(scores[order])]

    def _predict(self, rows: np.ndarray) -> np.ndarray:
        codes = self._table.codes[rows]
        return np.zeros(len(rows)) if self._ridge is None else self._ridge.predict(codes)

    def judge(self, codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a score of each architecture, (rows, columns), drawn from what the fit knows.

        What was tried little has a wide range, so that it is tried.
        """
        if self._ridge is None:
            return np.zeros(len(codes))
        scores = self._ridge.predict(codes, rng)
        if self._excess is not None:
            excess = self._excess.predict(codes)
            scores = np.where(excess > 0, _BEYOND + excess, scores)
        return scores

    def left_out(self, codes: np.ndarray) -> np.ndarray:
        """Say which decisions are not asked, (rows, columns), given the other answers."""
        num_columns, num_codes = self._never.shape[:2]
        known = codes[:, :num_columns]
        known = known * (known < num_codes)
        never = self._never[np.arange(num_columns), known].any(axis=1)
        found = np.zeros(codes.shape, dtype=bool)
        found[:, :num_columns] = never
        return found

    def _refit(self) -> None:
        table = self._table
        codes = table.codes[-_FITTED_ROWS:]
        self._never = ruled_out(codes)
        if not self._surrogate:
            return
        values, excess = table.values[-_FITTED_ROWS:], table.excess[-_FITTED_ROWS:]
        complete = values[np.isfinite(values)]
        if not len(complete):
            # A long run of proposals beyond a constraint: the former fit is the better one.
            return
        pruned = np.maximum(table.pruned_values[-_FITTED_ROWS:], np.median(complete))
        fitted = np.where(np.isfinite(values), values, pruned)
        fitted = np.minimum(fitted, np.quantile(complete, _CLIPPED))
        known = np.isfinite(fitted)
        self._ridge = Ridge(table.columns, codes[known], fitted[known])
        known = np.isfinite(excess)
        if (excess[known] > 0).any():
            self._excess = Ridge(table.columns, codes[known], excess[known])
