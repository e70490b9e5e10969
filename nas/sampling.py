"""Optuna's sampler on a copy of the study in memory, so that asking costs no disk write."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from nas.config import ClassPath, SearchConfig
from nas.constraints import Constraints, Limits
from nas.errors import ConfigError
from nas.mutation_sampler import MutationSampler
from nas.searched_recipe import PREFIX, LogRange, SearchedRecipe
from search_spaces import class_paths
from search_spaces.errors import SpaceError
from search_spaces.space import Decision, SearchSpace, Value
from search_spaces.spec import ArchitectureSpec


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What the sampler proposed."""

    trial: optuna.Trial
    """The trial of the copy in memory; its number is not the study's."""
    spec: ArchitectureSpec
    excess: Mapping[str, float] = field(default_factory=dict[str, float])
    """How far it is beyond each constraint, in units of the limit; allowed at 0 and below."""

    @property
    def params(self) -> dict[str, Any]:
        """Answers by decision."""
        return self.trial.params

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's ranges of the decisions."""
        return self.trial.distributions


class _Ended(FrozenTrial):
    """A trial that has ended; nobody changes it, so that copies may share what it holds.

    Storages copy deeply what they are given. For a study of thousands of trials that would be most
    of the time of taking it up.
    """

    @classmethod
    def of(cls, trial: FrozenTrial) -> "_Ended":
        """Return a trial with all that samplers look at."""
        return cls(
            number=trial.number,
            state=trial.state,
            value=trial.value,
            datetime_start=trial.datetime_start,
            datetime_complete=trial.datetime_complete,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={},
            system_attrs=trial.system_attrs,
            intermediate_values=trial.intermediate_values,
            trial_id=-1,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Ended":
        """Share params, ranges and values."""
        return copy.copy(self)


class SamplerMirror:
    """The sampler, the pruner, and all that they have seen.

    Args:
        space: Where the sampler chooses.
        config: Direction, sampler, pruner and seed.
        recipe: Its ranges are chosen too, beside the architecture.
        limits: What the sampler is to learn to stay below.
    """

    def __init__(
        self,
        space: SearchSpace,
        config: SearchConfig,
        recipe: SearchedRecipe | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._space = space
        self._ranges = recipe.ranges if recipe else {}
        self._limits = limits or Limits(Constraints())
        self._storage = InMemoryStorage()
        self._study = optuna.create_study(
            storage=self._storage,
            direction=config.direction,
            sampler=make_sampler(config.sampler, config.seed),
            pruner=make_pruner(config.pruner),
        )
        self._study_id = self._storage.get_study_id_from_name(self._study.study_name)

    def absorb(self, trial: FrozenTrial) -> None:
        """Learn a trial that was chosen elsewhere: a design row, or one of a former owner."""
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and trial.params:
            # Not by `Study.add_trial`, which checks the values that a storage has checked.
            self._storage.create_new_trial(self._study_id, _Ended.of(trial))

    def ask(self, fixed: Mapping[str, Any] | None = None) -> Ask:
        """Let the sampler choose an architecture, and the recipe's values where it has ranges.

        Args:
            fixed: Answers that are given already, as by `enqueue_trial`.

        Raises:
            SpaceError: A fixed answer is no choice of its decision, or no decision asks for it.
        """
        left = dict(fixed or {})
        if left:
            self._study.enqueue_trial(left)
        trial = self._study.ask()

        def choose(decision: Decision) -> Value:
            if decision.name in left:
                check_answer(decision, left.pop(decision.name))
            distribution = distribution_of(decision)
            if isinstance(distribution, IntDistribution):
                return trial.suggest_int(decision.name, distribution.low, distribution.high)
            return trial.suggest_categorical(decision.name, distribution.choices)  # type: ignore[return-value]

        try:
            spec = self._space.decide(choose)
            for name, found in self._ranges.items():
                key = f"{PREFIX}{name}"
                if key in left:
                    check_in_range(key, left.pop(key), found)
                trial.suggest_float(key, found.low, found.high, log=True)
            if left:
                raise SpaceError(
                    f"Only decisions that exist may be answered, got {min(left)!r} for a network "
                    f"of {'-'.join(map(str, spec.depths))} blocks per stage. Remove it."
                )
        except SpaceError:
            self._study.tell(trial, state=TrialState.FAIL)
            raise
        excess = self._limits.excess(spec)
        for name, value in excess.items():
            trial.set_constraint(name, value)
        return Ask(trial=trial, spec=spec, excess=excess)

    def report(self, ask: Ask, epoch: int, value: float) -> bool:
        """Tell an epoch's value; say whether the pruner stops the trial."""
        ask.trial.report(value, epoch)
        return ask.trial.should_prune()

    def tell(self, ask: Ask, state: TrialState, value: float | None = None) -> None:
        """Tell how a trial ended; a failed one teaches the sampler nothing."""
        self._study.tell(ask.trial, value if state is TrialState.COMPLETE else None, state=state)

    def refuse(self, ask: Ask) -> None:
        """Tell that a proposal is beyond a constraint, whose values it carries.

        Pruned, not failed: of the trials without a value the sampler forgets those that failed.
        """
        self._study.tell(ask.trial, state=TrialState.PRUNED)


def check_answer(decision: Decision, value: Any) -> None:
    """Check a given answer.

    Raises:
        SpaceError: It is none of the decision's choices.
    """
    if value not in decision.choices:
        raise SpaceError(
            f"{decision.name} must be one of {list(decision.choices)}, got {value!r}."
        )


def check_in_range(key: str, value: Any, found: LogRange) -> None:
    """Check a given value of a range.

    Raises:
        SpaceError: It is no number, or outside the range.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and found.low <= value <= found.high):
        raise SpaceError(f"{key} must be in [{found.low:g}, {found.high:g}], got {value!r}.")


def distribution_of(decision: Decision) -> IntDistribution | CategoricalDistribution:
    """Return Optuna's range of a decision."""
    if decision.is_integer:
        return IntDistribution(int(decision.choices[0]), int(decision.choices[-1]))
    return CategoricalDistribution(decision.choices)


def parameters_of(
    space: SearchSpace, spec: ArchitectureSpec
) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """Return a spec's decisions as Optuna parameters and their ranges.

    Raises:
        SpaceError: The spec is not in the space.
    """
    answers = space.decisions(spec)
    distributions: dict[str, BaseDistribution] = {}

    def choose(decision: Decision) -> Value:
        distributions[decision.name] = distribution_of(decision)
        return answers[decision.name]

    space.decide(choose)
    return dict(answers), distributions


def make_sampler(
    config: Literal["tpe", "mutation", "random"] | ClassPath, seed: int
) -> BaseSampler:
    """Make the sampler.

    Raises:
        ConfigError: The class cannot be found or made.
    """
    if isinstance(config, ClassPath):
        return _instance("search.sampler", config, BaseSampler)
    if config == "random":
        return RandomSampler(seed=seed)
    if config == "mutation":
        return MutationSampler(seed)
    return _tpe(seed)


def _tpe(seed: int) -> BaseSampler:
    """Make the sampler for long studies; Optuna's own where its insides are otherwise."""
    try:
        # Here, not above: it needs Optuna's insides, and the package must not.
        from nas.tpe import LongTPESampler
    except ImportError:
        return TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)
    return LongTPESampler(seed)


def make_pruner(config: ClassPath | None) -> BasePruner:
    """Make Optuna's pruner; one that never prunes for None.

    Raises:
        ConfigError: The class cannot be found or made.
    """
    return NopPruner() if config is None else _instance("search.pruner", config, BasePruner)


def load_class(key: str, path: str) -> Any:
    """Import what a dotted path names.

    Raises:
        ConfigError: There is no such module or name.
    """
    return class_paths.load_class(key, path, ConfigError)


def _instance(key: str, config: ClassPath, base: type) -> Any:
    made = load_class(key, config.class_path)
    if not (isinstance(made, type) and issubclass(made, base)):
        raise ConfigError(
            f"{key}.class_path must name a subclass of optuna's {base.__name__}, got "
            f"{config.class_path!r}."
        )
    try:
        return made(**config.init_args)
    except (TypeError, ValueError, ImportError) as error:
        raise ConfigError(
            f"{key}: {config.class_path} must take init_args={config.init_args!r}, got "
            f"{type(error).__name__}: {error}. Check the arguments."
        ) from error
