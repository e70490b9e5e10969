"""A sampler that mixes rows of the balanced design into any other sampler's trials."""

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.design_plan import DesignPlan
from nas.errors import ConfigError
from search_spaces.space import SearchSpace, Value


class DesignSampler(BaseSampler):
    """Takes a share of the trials from the design, and leaves the others to another sampler.

    Which trials are rows follows from their numbers alone, so that many processes on one storage
    together draw one balanced design. A trial at a row's number whose parameters were fixed by
    `enqueue_trial` is no row.

    Args:
        base: The sampler of the other trials.
        space: The search space; rows are at its deepest networks.
        share: Share of rows, in [0, 1].
        seed: Seed of the design; the same in every process.

    Raises:
        ConfigError: The share is out of range, or no decision of the space can be balanced.
    """

    def __init__(
        self, base: BaseSampler, space: SearchSpace, *, share: float = 0.5, seed: int = 0
    ) -> None:
        if not 0 <= share <= 1:
            raise ConfigError(f"DesignSampler: share must be in [0, 1], got share={share}.")
        self._base = base
        self._share = share
        self._plan = DesignPlan(space, seed)
        if share:
            self._plan.check("DesignSampler: share")
        self._answers: list[dict[str, Value]] = []

    def is_design_row(self, number: int) -> bool:
        """Say whether the trial of this number is a row of the design."""
        return self._num_rows_before(number + 1) > self._num_rows_before(number)

    def _num_rows_before(self, number: int) -> int:
        return math.ceil(number * self._share - 1e-9)

    def row(self, number: int) -> dict[str, Value] | None:
        """Return the answers of the row at this trial's number; None where it is no row."""
        if not self.is_design_row(number):
            return None
        index = self._num_rows_before(number)
        answers = self._answers
        if len(answers) <= index:
            # Drawn anew, so that threads of one study never share a generator.
            rows = islice(self._plan.rows(), 2 * index + 16)
            answers = [row.answers for row in rows]
            self._answers = answers
        return answers[index]

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing for a row; else what the base says."""
        if self.is_design_row(trial.number):
            return {}
        return self._base.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing for a row; else what the base says."""
        if self.is_design_row(trial.number):
            return {}
        return self._base.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The row's answer, or the base's; parameters that are not the space's are the base's."""
        row = self.row(trial.number)
        if row is not None and param_name in row:
            return row[param_name]
        return self._base.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Reseed the base; the design keeps its seed."""
        self._base.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Tell the base."""
        self._base.before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Tell the base."""
        self._base.after_trial(study, trial, state, values)
