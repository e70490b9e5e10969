"""A sampler for architectures: good ones with one decision changed, chosen by a ridge fit."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.architecture_scores import ArchitectureScores
from nas.architecture_table import ArchitectureTable, at_position, position
from nas.errors import ConfigError

_LOCK = threading.Lock()
"""Of all samplers, so that one can be pickled."""
_STEP = 0.2
"""Spread of a changed number, in parts of its range."""


class MutationSampler(BaseSampler):
    """Changes one decision of one of the best architectures, as local search and evolution do.

    Many changes are drawn and the one that a ridge regression on the trials expects most of is
    proposed; its effects are drawn within their uncertainty, so that little known answers are
    tried too. Trials are noisy: which architectures are the best is judged by the mean of their
    own value and the fit's. No architecture is proposed twice, nor one that is in training, so
    many asks may be outstanding. What a change brings into being is answered as in another good
    architecture. Trials beyond a constraint (`Trial.set_constraint`) are no parents, and the fit
    keeps changes away from there. Pruned trials count as no better than the median.

    Answers are independent of each other for Optuna: there is no relative search space. Each
    trial is read once, so that asking takes no longer in a long study.

    Args:
        seed: Of the draws.
        startup_trials: So many trials must have ended before the first change; before, answers
            are uniform.
        parents: From so many of the best architectures, the better ones more often.
        changes: Changes drawn for one proposal.
        surrogate: Whether the fit is used; without it the first new change is proposed.

    Raises:
        ConfigError: A number is too small.
    """

    def __init__(
        self,
        seed: int | None = None,
        *,
        startup_trials: int = 10,
        parents: int = 16,
        changes: int = 32,
        surrogate: bool = True,
    ) -> None:
        for name, number in (("parents", parents), ("changes", changes)):
            if number < 1:
                raise ConfigError(f"MutationSampler: {name} must be >= 1, got {name}={number}.")
        self._rng = np.random.default_rng(seed)
        self._uniform = RandomSampler(seed=seed)
        self._startup_trials = startup_trials
        self._num_parents = parents
        self._num_changes = changes
        self._surrogate = surrogate
        self._study_name: str | None = None
        self._plans: dict[int, Mapping[str, Any]] = {}
        self._start_study()

    def _start_study(self) -> None:
        self._table = ArchitectureTable()
        self._scores = ArchitectureScores(self._table, surrogate=self._surrogate)
        self._plans.clear()
        self._num_scanned = 0
        self._num_ended = 0
        self._known: set[int] = set()
        self._unfinished: dict[int, int] = {}

    def effects(self) -> dict[str, dict[object, float]]:
        """Return what the fit holds each answer to be worth, by decision and answer.

        In the metric's unit, smaller is better; empty before the first fit.
        """
        ridge = self._scores.ridge
        return {} if ridge is None else ridge.effects()

    def reseed_rng(self) -> None:
        """Draw anew, as processes that share a study must."""
        self._rng = np.random.default_rng()
        self._uniform.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing: which decisions there are follows from the answers."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing."""
        return {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Learn what has ended and plan the trial's answers.

        Raises:
            ConfigError: The study has several objectives.
        """
        if len(study.directions) > 1:
            raise ConfigError(
                f"MutationSampler: a study must have one objective, got {len(study.directions)} "
                "directions. Take optuna.samplers.NSGAIISampler."
            )
        with _LOCK:
            if study.study_name != self._study_name:
                self._study_name = study.study_name
                self._start_study()
            self._learn(study)
            self._plans[trial.number] = self._plan()

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Answer as planned; uniformly where nothing is planned that is a choice."""
        plan = self._plans.get(trial.number, {})
        if param_name in plan and _is_choice(plan[param_name], param_distribution):
            return plan[param_name]
        return self._uniform.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Forget the plan; the trial is learned when the next one is asked."""
        self._plans.pop(trial.number, None)

    def _learn(self, study: Study) -> None:
        """Read the trials that are new, and those that were unfinished."""
        trials = study.get_trials(deepcopy=False)
        # A pruner such as Hyperband shows a part of the trials only.
        is_whole = not trials or trials[-1].number == len(trials) - 1
        by_number = {} if is_whole else {trial.number: trial for trial in trials}
        for trial in trials[self._num_scanned :] if is_whole else trials:
            if trial.number not in self._known:
                self._known.add(trial.number)
                self._unfinished[trial.number] = 0
        if is_whole:
            self._num_scanned = len(trials)
        sign = 1 if study.direction is StudyDirection.MINIMIZE else -1
        for number in list(self._unfinished):
            trial = trials[number] if is_whole else by_number.get(number)
            if trial is None:
                continue
            if trial.state.is_finished():
                del self._unfinished[number]
                self._learn_end(trial, sign)
            elif len(trial.params) > self._unfinished[number]:
                self._unfinished[number] = len(trial.params)
                self._table.add(trial.params, trial.distributions)
        self._scores.renew()

    def _learn_end(self, trial: FrozenTrial, sign: int) -> None:
        if not trial.params:
            return
        row = self._table.add(trial.params, trial.distributions)
        value = pruned_value = None
        if trial.state is TrialState.COMPLETE:
            value = trial.value
        elif trial.state is TrialState.PRUNED and trial.intermediate_values:
            pruned_value = trial.intermediate_values[max(trial.intermediate_values)]
        self._num_ended += trial.state is not TrialState.FAIL
        self._table.learn(
            row,
            value=None if value is None else sign * value,
            pruned_value=None if pruned_value is None else sign * pruned_value,
            excess=trial.constraints.values(),
        )

    def _plan(self) -> Mapping[str, Any]:
        """Return answers; none where they are to be uniform."""
        best = self._scores.best(self._num_parents)
        if self._num_ended < self._startup_trials or not len(best):
            return {}
        draws = self._rng.random((self._num_changes, 2))
        parents = best[(len(best) * draws[:, 0] ** 2).astype(int)]
        donors = best[(len(best) * draws[:, 1]).astype(int)]
        changes = [self._change(int(row)) for row in parents]
        codes = self._changed_codes(parents, donors, changes)
        scores = self._scores.judge(codes, self._rng)
        for nth in np.argsort(scores, kind="stable"):
            if changes[nth] and not self._table.is_known(codes[nth]):
                self._table.reserve(codes[nth])
                rows = [*best[::-1], donors[nth], parents[nth]]
                answers = [*(self._table.params[row] for row in rows), changes[nth]]
                return {name: value for given in answers for name, value in given.items()}
        return {}

    def _change(self, row: int) -> dict[str, Any]:
        """Draw one decision of a row and another answer to it; nothing where it has one only."""
        names = [*self._table.params[row]]
        name = names[int(self._rng.integers(len(names)))]
        now = self._table.params[row][name]
        other = _other(now, self._table.columns[name].distribution, self._rng)
        return {} if other == now else {name: other}

    def _changed_codes(
        self, parents: np.ndarray, donors: np.ndarray, changes: Sequence[Mapping[str, Any]]
    ) -> np.ndarray:
        """Return the codes of the changed architectures, as far as it is known what is asked."""
        before = self._table.codes[parents]
        codes = before.copy()
        for nth, change in enumerate(changes):
            for name, answer in change.items():
                column = self._table.columns[name]
                codes[nth, column.index] = column.code(answer)
        left_out = self._scores.left_out(codes)
        new = self._scores.left_out(before) & ~left_out & (codes == 0)
        codes[new] = self._table.codes[donors][new]
        codes[left_out] = 0
        return codes


def _other(now: Any, distribution: BaseDistribution, rng: np.random.Generator) -> Any:
    """Draw another answer; of numbers one not far away."""
    if isinstance(distribution, CategoricalDistribution):
        others = [choice for choice in distribution.choices if choice != now]
        return others[int(rng.integers(len(others)))] if others else now
    step = float(rng.normal(0, _STEP))
    if isinstance(distribution, FloatDistribution):
        place = float(np.clip(position(distribution, now) + step, 0, 1))
        return at_position(distribution, place)
    assert isinstance(distribution, IntDistribution)
    num_steps = (distribution.high - distribution.low) // distribution.step
    whole = int(np.sign(step) * np.ceil(abs(step) * num_steps))
    value = now + whole * distribution.step
    return int(np.clip(value, distribution.low, distribution.low + num_steps * distribution.step))


def _is_choice(value: Any, distribution: BaseDistribution) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return is_number and distribution.low <= value <= distribution.high
