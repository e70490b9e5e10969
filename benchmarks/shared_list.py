"""A fixed list of architectures that every arm trains, while its sampler does its usual work."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from nas.config import SearchConfig
from nas.sampling import make_sampler
from search_spaces.space import SearchSpace, Value

Base = Literal["optuna", "nas", "none"]


def draw_architectures(space: SearchSpace, count: int, seed: int = 0) -> list[dict[str, Value]]:
    """Return the decisions of so many different architectures, drawn at random.

    Depths are drawn uniformly, so that small and large networks are equally likely.

    Args:
        space: Where they are drawn from; it must hold more than `count`.
        count: How many.
        seed: Another seed gives another list.
    """
    if count > space.size:
        raise ValueError(
            f"draw_architectures: count must be at most the {space.size} architectures of the space, got "
            f"count={count}. Ask for fewer."
        )
    rng = np.random.default_rng(seed)
    drawn: dict[str, dict[str, Value]] = {}
    while len(drawn) < count:
        spec = space.sample(rng)
        drawn.setdefault(spec.spec_id, space.decisions(spec))
    return list(drawn.values())


class SharedList(BaseSampler):
    """Lets another sampler choose, then answers with the architecture of the trial's number.

    So the time that sampling costs is spent, and still all arms train the same networks.

    Args:
        path: JSON file with a list of decisions by name, as `draw_architectures` returns it.
        base: Whose work is done: `optuna`, the default of `optuna.create_study`, or `nas`, the
            default of `nas search`, or `none`: nobody's, for what needs no search.
        seed: Of the other sampler.
    """

    def __init__(self, path: str, base: Base = "nas", seed: int = 0) -> None:
        self._list: list[dict[str, Value]] = json.loads(Path(path).read_text(encoding="utf-8"))
        self._base = _make_base(base, seed)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what the other sampler would choose together."""
        return self._base.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Let the other sampler choose, and answer with the list where it has a choice made."""
        proposed = self._base.sample_relative(study, trial, search_space)
        answers = self._answers(trial)
        return {name: answers[name] for name in proposed if name in answers}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Let the other sampler choose, and answer with the list."""
        proposed = self._base.sample_independent(study, trial, param_name, param_distribution)
        return self._answers(trial).get(param_name, proposed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Tell the other sampler."""
        self._base.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Any,
    ) -> None:
        """Tell the other sampler."""
        self._base.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Reseed the other sampler."""
        self._base.reseed_rng()

    def _answers(self, trial: FrozenTrial) -> Mapping[str, Value]:
        return self._list[trial.number % len(self._list)]


def make_stock_sampler(architectures: str | None, seed: int) -> BaseSampler:
    """Return Optuna's default sampler, behind a shared list where there is one."""
    if architectures is None:
        return _make_base("optuna", seed)
    return SharedList(architectures, "optuna", seed)


def _make_base(base: Base, seed: int) -> BaseSampler:
    if base == "none":
        return RandomSampler(seed=seed)
    if base == "optuna":
        # What `optuna.create_study` makes where no sampler is given, but for the seed.
        return TPESampler(seed=seed)
    return make_sampler(SearchConfig().sampler, seed)
