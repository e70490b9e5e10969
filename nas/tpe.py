"""Optuna's TPE for long studies: the same proposals at first, and a bounded cost per ask later.

Optuna's own sampler reads all past trials again for every group of parameters, which takes most of a
second at 10,000 trials. The statistics are still Optuna's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.samplers._tpe.parzen_estimator import (
    _ParzenEstimator,  # the density of trials, which has no public name
    _ParzenEstimatorParameters,
)
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.tpe_density import CategoricalDensity, is_categorical, recency_weights
from nas.tpe_history import Group, TpeHistory

HISTORY = 500
"""So many ended trials, the latest, stand for all that are not among the good ones."""
_STARTUP_TRIALS = 10
_CANDIDATES = 24


class LongTPESampler(BaseSampler):
    """Multivariate TPE with groups and the constant liar, as `optuna.samplers.TPESampler` has them.

    As long as a study has at most `history` ended trials beside the good ones, it proposes what
    Optuna's sampler with the same seed does. After that the good trials are still the best of
    all, and what they are compared with are the latest `history` others. For studies with one
    objective that one process asks; what other processes have proposed and not yet asked is not
    known to it.

    Args:
        seed: Seed of the proposals.
        history: Ended trials, beside the good ones, that are looked at.
    """

    def __init__(self, seed: int | None = None, history: int = HISTORY) -> None:
        self._rng = np.random.RandomState(seed)
        self._random = RandomSampler(seed=seed)
        self._history = TpeHistory(history)
        self._estimator = _ParzenEstimatorParameters(
            prior_weight=1.0,
            consider_magic_clip=True,
            consider_endpoints=False,
            weights=recency_weights,
            multivariate=True,
        )
        self._proposed: dict[int, tuple[dict[str, Any], Group]] = {}
        """Proposals of running trials by number, which may be asked only in part."""
        self._split: tuple[np.ndarray, np.ndarray] | None = None
        self._split_of: int | None = None

    def reseed_rng(self) -> None:
        """Draw other numbers than a copy of this sampler."""
        self._rng.seed()
        self._random.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return all parameters that ended trials had and that leave a choice."""
        running = self._history.update(study)
        numbers = {other.number for other in running}
        self._proposed = {n: found for n, found in self._proposed.items() if n in numbers}
        rows = [(o.number, self._running_row(o)) for o in running if o.number != trial.number]
        self._split, self._split_of = self._history.split(rows), trial.number
        return {name: found for group in self._groups() for name, found in group.items()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Propose values of each group; none before there are some ended trials."""
        if self._history.num_ended < _STARTUP_TRIALS:
            return {}
        params: dict[str, Any] = {}
        asked: Group = {}
        for group in self._groups():
            wanted = {name: found for name, found in group.items() if name in search_space}
            if wanted:
                params |= self._propose(wanted)
                asked |= wanted
        if params:
            self._proposed[trial.number] = (params, asked)
        return params

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Propose the value of a parameter that no ended trial had."""
        if self._split_of != trial.number:
            self.infer_relative_search_space(study, trial)
        if self._history.num_ended < _STARTUP_TRIALS:
            return self._random.sample_independent(study, trial, param_name, param_distribution)
        return self._propose({param_name: param_distribution})[param_name]

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Forget what was proposed; the trial itself is read at the next ask."""
        self._proposed.pop(trial.number, None)

    def _groups(self) -> list[Group]:
        return [
            {name: group[name] for name in sorted(group) if not group[name].single()}
            for group in self._history.groups
        ]

    def _running_row(self, trial: FrozenTrial) -> np.ndarray:
        """Return what a running trial will have been, as far as it is known."""
        params, distributions = self._proposed.get(trial.number, ({}, {}))
        return self._history.row(params | trial.params, {**distributions, **trial.distributions})

    def _propose(self, group: Group) -> dict[str, Any]:
        """Draw from the density of the good trials what the others have least of."""
        if self._split is None:
            raise RuntimeError("LongTPESampler: infer_relative_search_space comes first.")
        good, others = (self._density(rows, group) for rows in self._split)
        drawn = _distinct(good.sample(self._rng, _CANDIDATES))
        best = int(np.argmax(good.log_pdf(drawn) - others.log_pdf(drawn)))
        return {
            name: group[name].to_external_repr(values[best].item())
            for name, values in drawn.items()
        }

    def _density(self, rows: np.ndarray, group: Group) -> CategoricalDensity | _ParzenEstimator:
        observations = self._history.columns(rows, list(group))
        if is_categorical(group):
            return CategoricalDensity(observations, group)
        return _ParzenEstimator(observations, group, self._estimator)


def _distinct(drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Leave out candidates that came before; of a few choices most do."""
    rows = list(dict.fromkeys(zip(*(values.tolist() for values in drawn.values()), strict=True)))
    return {
        name: np.array(column) for name, column in zip(drawn, zip(*rows, strict=True), strict=True)
    }
