"""What TPE has seen, kept in order as trials end, so that asking need not read all of them again."""

import math
from bisect import insort
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

MAX_BELOW = 25
"""The good trials that TPE models are the best tenth, at most so many."""
_KEPT_PER_RANK = MAX_BELOW
_NUMBER = 0

Group = dict[str, BaseDistribution]
"""Parameters that are always asked together, with their ranges."""


class TpeHistory:
    """Ended trials as rows of numbers, the best of them in order, and the groups of parameters.

    Args:
        limit: Ended trials, beside the good ones, that are looked at: the latest.
    """

    def __init__(self, limit: int) -> None:
        self.groups: list[Group] = []
        self.num_ended = 0
        """Complete and pruned trials."""
        self._limit = limit
        self._columns: dict[str, int] = {}
        self._known_keys: set[frozenset[str]] = set()
        self._num_seen = 0
        self._open: list[int] = []
        self._recent: list[tuple[int, np.ndarray]] = []
        """Latest ended trials, by number."""
        self._ranks: tuple[list[_Ranked], ...] = ([], [], [])
        """Best complete, pruned and infeasible trials, best first."""

    @property
    def width(self) -> int:
        """Number of parameters that were ever asked."""
        return len(self._columns)

    def update(self, study: Study) -> list[FrozenTrial]:
        """Take up what has ended since the last call; return the trials that run."""
        trials = study.get_trials(deepcopy=False)
        not_ended = [*self._open, *range(self._num_seen, len(trials))]
        self._num_seen = len(trials)
        self._open = []
        running = []
        for index in not_ended:
            trial = trials[index]
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
                self._add(trial, study.direction)
            elif not trial.state.is_finished():
                self._open.append(index)
                if trial.state is TrialState.RUNNING:
                    running.append(trial)
        return running

    def row(
        self, params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
    ) -> np.ndarray:
        """Return parameters as numbers, NaN where there is none."""
        row = np.full(self.width, math.nan)
        for name, value in params.items():
            if name in distributions and name in self._columns:
                row[self._columns[name]] = distributions[name].to_internal_repr(value)
        return row

    def split(self, running: Sequence[tuple[int, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of the good trials and those of the others, each in order of number.

        Args:
            running: Numbers and rows of trials that run; as long as they do they are not good.
        """
        left = min(math.ceil(0.1 * self.num_ended), MAX_BELOW)
        below: list[tuple[int, np.ndarray]] = []
        for ranked in self._ranks:
            best = ranked[:left]
            below += [(number, row) for _, number, row in best]
            left -= len(best)
        good = {number for number, _ in below}
        others = [pair for pair in self._recent if pair[_NUMBER] not in good][-self._limit :]
        others += running
        return self._matrix(below), self._matrix(others)

    def columns(self, rows: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the values of some parameters in those rows that have all of them."""
        if any(name not in self._columns for name in names):
            return {name: np.empty(0) for name in names}
        chosen = rows[:, [self._columns[name] for name in names]]
        chosen = chosen[~np.isnan(chosen).any(axis=1)]
        return {name: chosen[:, index] for index, name in enumerate(names)}

    def _matrix(self, pairs: list[tuple[int, np.ndarray]]) -> np.ndarray:
        pairs.sort(key=lambda pair: pair[_NUMBER])
        rows = [row for _, row in pairs]
        if rows and min(map(len, rows)) == self.width:
            return np.array(rows)
        matrix = np.full((len(pairs), self.width), math.nan)
        for index, row in enumerate(rows):
            # Rows of before a parameter was first asked are shorter.
            matrix[index, : len(row)] = row
        return matrix

    def _add(self, trial: FrozenTrial, direction: StudyDirection) -> None:
        self.num_ended += 1
        self._add_group(trial.distributions)
        for name in trial.distributions:
            self._columns.setdefault(name, len(self._columns))
        row = self.row(trial.params, trial.distributions)
        insort(self._recent, (trial.number, row), key=lambda pair: pair[_NUMBER])
        # Any of the latest may be good, and the limit is about the others.
        del self._recent[: -(self._limit + MAX_BELOW)]
        rank, score = _score(trial, 1 if direction is StudyDirection.MINIMIZE else -1)
        ranked = self._ranks[rank]
        insort(ranked, (score, trial.number, row), key=lambda found: found[:2])
        del ranked[_KEPT_PER_RANK:]

    def _add_group(self, distributions: Mapping[str, BaseDistribution]) -> None:
        """Part the groups so that this trial has all or nothing of each."""
        new = frozenset(distributions)
        if new in self._known_keys:
            return
        self._known_keys.add(new)
        groups: list[Group] = []
        left = set(new)
        for group in self.groups:
            groups.append({name: group[name] for name in group if name in left})
            groups.append({name: group[name] for name in group if name not in left})
            left -= group.keys()
        groups.append({name: distributions[name] for name in sorted(left)})
        self.groups = [group for group in groups if group]


_Ranked = tuple[tuple[float, float], int, np.ndarray]


def _score(trial: FrozenTrial, sign: int) -> tuple[int, tuple[float, float]]:
    """Return which kind of trial it is, and by what it is ranked there; less is better."""
    excess = sum(value for value in trial.constraints.values() if value > 0)
    if excess > 0:
        return 2, (excess, 0.0)
    if trial.state is TrialState.COMPLETE:
        return 0, (sign * float(trial.value or 0.0), 0.0)
    if not trial.intermediate_values:
        return 1, (1.0, 0.0)
    # Those that came far before those that were good early.
    step, value = max(trial.intermediate_values.items())
    return 1, (-float(step), math.inf if math.isnan(value) else sign * value)
