"""Density of trials over categorical parameters, number for number as Optuna's TPE has it.

Optuna builds one distribution per trial. They differ in the trial's choice alone, so one per choice
is enough; at 1,000 trials and a dozen groups of parameters that is most of an ask.
"""

from collections.abc import Mapping

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

_FEW_KERNELS = 100
"""Up to so many kernels are added in Optuna's order: choices can be exactly equal then, and the last
digit decides between them."""


class CategoricalDensity:
    """A mixture of one kernel per trial, around its choices, and a flat one.

    Args:
        observations: Indices of the choices by parameter, one for each trial.
        group: Parameters with their choices.
    """

    def __init__(
        self, observations: Mapping[str, np.ndarray], group: Mapping[str, BaseDistribution]
    ) -> None:
        self._names = list(group)
        number = len(observations[self._names[0]])
        # The flat kernel is the last.
        weights = np.append(recency_weights(number), [1.0])
        self._weights = weights / weights.sum()
        self._kernels: list[tuple[np.ndarray, np.ndarray]] = []
        for name in self._names:
            count = _num_choices(group[name])
            chosen = np.append(observations[name].astype(np.intp), [count])
            self._kernels.append((_probabilities(count, number), chosen))

    def sample(self, rng: np.random.RandomState, size: int) -> dict[str, np.ndarray]:
        """Draw indices of choices, as floats."""
        active = rng.choice(len(self._weights), p=self._weights, size=size)
        drawn: dict[str, np.ndarray] = {}
        for name, (probabilities, chosen) in zip(self._names, self._kernels, strict=True):
            quantiles = rng.rand(size)
            sums = np.cumsum(probabilities[chosen[active]], axis=-1)
            # Whatever the rounding, the last choice is the last.
            sums[:, -1] = 1
            drawn[name] = (sums < quantiles[:, np.newaxis]).sum(axis=-1).astype(float)
        return drawn

    def log_pdf(self, samples: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the log-density of each sample."""
        if len(self._names) == 1 and len(self._weights) > _FEW_KERNELS:
            return self._log_pdf_of_one(samples[self._names[0]])
        size = len(samples[self._names[0]])
        logs = np.zeros((size, len(self._weights)))
        for name, (probabilities, chosen) in zip(self._names, self._kernels, strict=True):
            of_sample = np.log(probabilities).T[samples[name].astype(np.intp)]
            logs += of_sample[:, chosen]
        logs += np.log(self._weights)
        most = logs.max(axis=1)
        return np.log(np.exp(logs - most[:, np.newaxis]).sum(axis=1)) + most

    def _log_pdf_of_one(self, values: np.ndarray) -> np.ndarray:
        """Return the same for one parameter: all kernels around one choice are one."""
        probabilities, chosen = self._kernels[0]
        by_choice = np.bincount(chosen, weights=self._weights, minlength=len(probabilities))
        return np.log(by_choice @ probabilities)[values.astype(np.intp)]


def _num_choices(distribution: BaseDistribution) -> int:
    if not isinstance(distribution, CategoricalDistribution):
        raise TypeError(f"CategoricalDensity: all must be categorical, got {distribution!r}.")
    return len(distribution.choices)


def is_categorical(group: Mapping[str, BaseDistribution]) -> bool:
    """Whether all parameters of a group are."""
    return all(isinstance(found, CategoricalDistribution) for found in group.values())


def recency_weights(number: int) -> np.ndarray:
    """Return Optuna's weights of so many trials: the latest 25 count fully, older ones less.

    >>> recency_weights(27).round(3)[:3].tolist()
    [0.037, 1.0, 1.0]
    """
    flat = 25
    if number < flat:
        return np.ones(number)
    ramp = np.linspace(1.0 / number, 1.0, num=number - flat)
    return np.concatenate([ramp, np.ones(flat)])


def _probabilities(num_choices: int, num_trials: int) -> np.ndarray:
    """Return the probabilities of a kernel around each choice, and of the flat one last."""
    if not num_trials:
        return np.full((num_choices + 1, num_choices), 1.0 / num_choices)
    rows = np.full((num_choices + 1, num_choices), 1.0 / (num_trials + 1))
    rows[np.arange(num_choices), np.arange(num_choices)] += 1
    return rows / rows.sum(axis=1, keepdims=True)
