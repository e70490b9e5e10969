"""The configuration of a study: typed, complete, checked before anything starts; no torch here."""

import functools
import json
import math
import operator
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
)

from nas.constraints import Constraints
from nas.errors import ConfigError
from nas.recorded_data import check_recorded, with_recorded
from nas.rungs import Rungs
from nas.searched_recipe import SearchedRecipe
from nas.wandb_settings import WandbSettings
from search_spaces.errors import did_you_mean
from search_spaces.field_errors import explain
from search_spaces.registry import make_space, resolve_space
from search_spaces.space import SearchSpace
from trainer.data import DataFacts, data_facts

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_METRIC = re.compile(r"val/[A-Za-z_][A-Za-z0-9_]*")

DIRECTIONS: dict[str, Literal["minimize", "maximize"]] = {
    "val/log_loss": "minimize",
    "val/accuracy": "maximize",
}
"""Metrics that every study measures, and which way they are better."""

REPEATS = ".repeats"
"""Ending of the name of the second study: anchors, finalists, paired retrainings."""

RESUMABLE = (
    "search.trials",
    "search.workers",
    "search.group_size",
    "search.devices",
    "search.until",
    "wandb",
)
"""What may differ between the command that started a study and the one that resumes it."""

_PLACE = ("name", "storage")
"""Where a study is, not what it is."""


def _refuse_truth_values(value: object, section: str, info: ValidationInfo) -> object:
    """Refuse true and false, alone or in a list: True equals 1 to Python."""
    given = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(one, bool) for one in given):
        name = info.field_name
        raise ConfigError(
            f"{section}.{name} must be a number, got {name}={json.dumps(value, default=str)}. "
            "Write the number itself, or leave the key out."
        )
    return value


class ClassPath(BaseModel):
    """A class of the user's, or of a library, with its arguments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    class_path: str
    """Dotted path, such as `optuna.samplers.NSGAIISampler`."""
    init_args: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the class."""


class RungsConfig(BaseModel):
    """Where adaptive trials pause, to go on only if they are among the best."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: int = 2
    """Epochs up to the first rung."""
    reduction_factor: int = 2
    """Each rung has so many times the epochs of the one before, and one of so many trials goes on
    from it."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, value: object, info: ValidationInfo) -> object:
        return _refuse_truth_values(value, "search.rungs", info)

    def make(self, epochs: int, direction: Literal["minimize", "maximize"] = "minimize") -> Rungs:
        """Make the rungs of trainings of so many epochs.

        Raises:
            ConfigError: There is no rung before the last epoch, or all would go on.
        """
        return Rungs(
            epochs,
            first=self.first,
            reduction_factor=self.reduction_factor,
            direction=direction,
        )


class SearchConfig(BaseModel):
    """How the study searches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trials: int = Field(default=200, ge=1)
    """Complete and pruned trials in all; the same command goes on to this total."""
    workers: Literal["auto"] | int = "auto"
    """Training processes; `auto`: one per core on the CPU, one per device on GPUs."""
    group_size: Literal["auto"] | int = "auto"
    """How many candidates of one width plan a worker trains at once, as one fused network; `auto`:
    as many as its first seconds show to be worth it, 1 where fusing loses."""
    devices: Literal["auto", "cpu"] | int = "auto"
    """GPUs to use: all of them, none, or so many."""
    devices_per_trial: int = Field(default=1, ge=1)
    """Devices that one candidate is trained on."""
    launcher: Literal["local", "ray"] = "local"
    """Where workers run."""
    mode: Literal["search", "effects"] = "search"
    """`search`: design rows and adaptive trials; `effects`: design rows only."""
    goal: Literal["best", "map", "both"] = "both"
    """What the trials are for: the best network, the skip map, or half for each."""
    design: Literal["auto", "random", "mirrored"] = "auto"
    """How design rows are chosen. `random`: balanced random rows; `mirrored`: orthogonal ones, each
    with its mirror, for blocks of two kinds; `auto`: mirrored where it is possible and nothing is
    constrained."""
    lr_factors: tuple[float, ...] = (1.0,)
    """Factors of the recipe's learning rate that design rows are crossed with, such as
    [0.333, 1]: networks without skips often want a lower rate."""
    until: Literal["settled"] | None = None
    """`settled`: end as soon as every answer of the skip map is known to within the smallest effect
    worth having, whatever it says; without anchors (--no-report) that is `sesoi` or the metric's
    floor."""
    metric: str = "val/log_loss"
    """What is optimised, at the last epoch: `val/log_loss`, `val/accuracy`, or `val/<name>` of a
    metric that the task measures."""
    direction: Literal["minimize", "maximize"] = "minimize"
    """Which way the metric is better; must be given for a metric of the task's."""
    sampler: Literal["tpe", "mutation", "random"] | ClassPath = "tpe"
    """Sampler of the adaptive trials. `tpe`: proposes as Optuna's TPE with `group=True` does, in long
    studies by the best and the latest 500 trials; `mutation`: the best architectures with one
    decision changed; or an Optuna sampler by class path."""
    pruner: ClassPath | None = None
    """Optuna's pruner of the adaptive trials; design rows are never pruned."""
    rungs: RungsConfig | None = None
    """Epochs at which adaptive trials pause; the best of them go on (successive halving). Instead
    of a pruner; design rows are never paused."""
    callbacks: tuple[ClassPath, ...] = ()
    """Called with (study, trial) after each finished trial; `study.stop()` ends the search."""
    startup_trials: int = Field(default=10, ge=0)
    """Adaptive trials drawn at random over all depths before the sampler decides."""
    duplicates: Literal["replay", "reseed"] = "replay"
    """When the sampler asks for an architecture again: tell it the known value and ask anew, or
    train it on another seed."""
    max_attempts: int = Field(default=3, ge=1)
    """How often a trial whose worker was lost is started before it counts as failed."""
    anchor_seeds: int = Field(default=5, ge=2)
    """Trainings of each anchor network, each on its own seed."""
    finalists: int = Field(default=8, ge=1)
    """Best architectures that are trained again before one is called best."""
    finalist_seeds: int = Field(default=5, ge=2)
    """Fresh trainings of each finalist."""
    sesoi: float | None = Field(default=None, gt=0)
    """Smallest effect worth having, in the metric's unit; null: 5% of full identity - plain."""
    seed: int = Field(default=0, ge=0)
    """Master seed of the study."""

    @field_validator(
        "trials",
        "workers",
        "group_size",
        "devices",
        "devices_per_trial",
        "lr_factors",
        "startup_trials",
        "max_attempts",
        "anchor_seeds",
        "finalists",
        "finalist_seeds",
        "sesoi",
        "seed",
        mode="before",
    )
    @classmethod
    def _no_truth_value(cls, value: object, info: ValidationInfo) -> object:
        return _refuse_truth_values(value, "search", info)

    @field_validator("metric")
    @classmethod
    def _on_validation(cls, metric: str) -> str:
        if not _METRIC.fullmatch(metric):
            raise ConfigError(
                "search.metric must be 'val/log_loss', 'val/accuracy' or val/<name> of a metric "
                f"that your task measures, got metric={metric!r}. "
                f"{did_you_mean(metric, DIRECTIONS)}"
            )
        return metric

    @field_validator("lr_factors")
    @classmethod
    def _positive_and_distinct(cls, factors: tuple[float, ...]) -> tuple[float, ...]:
        is_usable = all(0 < factor < math.inf for factor in factors)
        if not factors or not is_usable or len(set(factors)) < len(factors):
            raise ConfigError(
                "search.lr_factors must be distinct numbers > 0, at least one, got lr_factors="
                f"{list(factors)}. Write [1], or [0.333, 1] for two rates."
            )
        return factors

    @field_validator("workers", "group_size")
    @classmethod
    def _at_least_one(
        cls, number: Literal["auto"] | int, info: ValidationInfo
    ) -> Literal["auto"] | int:
        if isinstance(number, int) and number < 1:
            name = info.field_name
            raise ConfigError(f"search.{name} must be 'auto' or an int >= 1, got {name}={number}.")
        return number

    @property
    def design_share(self) -> float:
        """Share of the trials that are rows of the balanced design."""
        if self.mode == "effects":
            return 1.0
        return {"best": 0.0, "both": 0.5, "map": 1.0}[self.goal]


class StudyConfig(BaseModel):
    """Everything that defines a study."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "digits"
    """Name of the study and of its folder `runs/<name>`."""
    data: str = "digits"
    """A shipped data set: `digits`; `skipbench`, whose trainings are looked up in a table."""
    space: dict[str, Any] = Field(default_factory=lambda: resolve_space({}))
    """The search space: `name` and its fields."""
    task: ClassPath | None = None
    """A subclass of `trainer.module.CandidateModule` with a loss, metrics or a head of its own, by
    class path with its arguments; null: cross-entropy, log-loss and accuracy."""
    recipe: SearchedRecipe = Field(default_factory=SearchedRecipe)
    """How candidates are trained; `lr` and `weight_decay` may be ranges."""
    constraints: Constraints = Field(default_factory=Constraints)
    """What a network must not exceed to be trained."""
    search: SearchConfig = Field(default_factory=SearchConfig)
    """How the study searches."""
    storage: str = "journal"
    """`journal`: a file in the run folder; the path of such a file; or an Optuna storage URL."""
    wandb: WandbSettings = Field(default_factory=WandbSettings)
    """How runs are logged to W&B."""

    @field_validator("name")
    @classmethod
    def _usable_as_folder(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"name must be letters, digits, '.', '_' or '-', starting with a letter or digit, "
                f"at most 100 of them, got name={name!r}."
            )
        if name.endswith(REPEATS):
            raise ConfigError(
                f"name must not end in {REPEATS!r}, got name={name!r}. That is the study of a "
                "study's repeats; choose another name."
            )
        return name

    @field_validator("storage")
    @classmethod
    def _journal_or_url(cls, storage: str) -> str:
        is_path = "/" in storage or storage.endswith(".log")
        if storage != "journal" and not is_path:
            raise ConfigError(
                "storage must be 'journal', the path of a journal (*.log) or a URL such as "
                f"sqlite:///study.db, got storage={storage!r}."
            )
        return storage

    @field_serializer("recipe")
    def _with_ranges(self, recipe: SearchedRecipe) -> dict[str, Any]:
        return recipe.to_config()

    @field_validator("task")
    @classmethod
    def _plain_task(cls, task: ClassPath | None) -> ClassPath | None:
        # Workers get the arguments as JSON, and a resumed study compares them.
        try:
            json.dumps(task.init_args if task else {}, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"task.init_args must be JSON values, got init_args={task and task.init_args!r} "
                f"({error}). Put other values between quotes."
            ) from None
        return task

    @field_validator("space")
    @classmethod
    def _complete_space(cls, space: dict[str, Any]) -> dict[str, Any]:
        return resolve_space(space)

    @property
    def design(self) -> Literal["auto", "random", "mirrored"]:
        """`search.design`, and random where limits would take rows from their mirrors."""
        is_free = self.search.design != "auto" or not self.constraints.limits
        return self.search.design if is_free else "random"

    @property
    def own_recipe_fields(self) -> tuple[str, ...]:
        """Fields of the recipe of which trials may have values of their own."""
        has_rates = self.search.lr_factors != (1.0,)
        return tuple(dict.fromkeys([*self.recipe.ranges, *(["lr"] if has_rates else [])]))

    def facts(self) -> DataFacts:
        """Shape, classes and split sizes of the data."""
        return data_facts(self.data)

    def make_space(self) -> SearchSpace:
        """Make the search space for this data."""
        facts = self.facts()
        return make_space(self.space, facts.input, facts.num_classes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for YAML and JSON."""
        return self.model_dump(mode="json")

    def fixed(self) -> dict[str, Any]:
        """Return what makes the study what it is, as JSON data: all but its place and `RESUMABLE`.

        Trials of other settings must not be mixed with its own, from whatever folder they come.
        """
        # Through JSON, so that it equals what a storage gives back.
        data = json.loads(json.dumps(self.to_dict()))
        for path in (*_PLACE, *RESUMABLE):
            *sections, key = path.split(".")
            functools.reduce(operator.getitem, sections, data).pop(key)
        # As in studies that were begun before there were any.
        unset: dict[str, Any] = {"rungs": None, "lr_factors": [1.0], "design": "random"}
        data["search"]["design"] = self._chosen_design()
        for key, value in unset.items():
            if data["search"][key] == value:
                del data["search"][key]
        return data

    def _chosen_design(self) -> str:
        """Say what `search.design` comes to."""
        from nas.design_plan import DesignPlan

        # What trains no rows has no design.
        if not self.search.design_share:
            return "random"
        return DesignPlan(self.make_space(), self.search.seed, design=self.design).design


def make_config(data: Mapping[str, Any]) -> StudyConfig:
    """Check a configuration as a whole and fill in the defaults.

    Raises:
        ConfigError: A key is unknown or a value wrong; the message names the nearest valid key.
    """
    try:
        config = StudyConfig.model_validate(with_recorded(_without_empty_sections(data)))
    except ValidationError as error:
        raise explain(error, StudyConfig, ConfigError) from error
    _check_together(config)
    return config


def _without_empty_sections(data: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out sections whose keys are all commented out, which YAML reads as null."""
    sections = ("space", "recipe", "constraints", "search", "wandb")
    return {key: value for key, value in data.items() if value is not None or key not in sections}


def _check_metric(config: StudyConfig) -> None:
    """Check that the metric can be measured, and that its direction is known."""
    search = config.search
    wanted = DIRECTIONS.get(search.metric)
    if wanted is not None and search.direction != wanted:
        raise ConfigError(
            f"search.direction must be {wanted!r} for metric {search.metric!r}, got direction="
            f"{search.direction!r}."
        )
    if wanted is None and config.task is None:
        raise ConfigError(
            f"search.metric must be one of {', '.join(DIRECTIONS)} without a task of your own, "
            f"got metric={search.metric!r}. Name the module that measures it in task.class_path. "
            f"{did_you_mean(search.metric, DIRECTIONS)}"
        )
    if wanted is None and "direction" not in search.model_fields_set:
        raise ConfigError(
            f"search.direction must be given for metric {search.metric!r} of your task, got none. "
            "Write direction: minimize or direction: maximize."
        )


def _check_rungs(config: StudyConfig) -> None:
    """Check that rungs have epochs to save, and no rival."""
    search = config.search
    if search.rungs is None:
        return
    if search.pruner is not None:
        raise ConfigError(
            "search.rungs and search.pruner must not both be given, got pruner="
            f"{search.pruner.class_path}. Both end trials early; leave one of them out."
        )
    search.rungs.make(config.recipe.epochs)


def _check_design(config: StudyConfig) -> None:
    """Check that a mirrored design keeps its mirrors."""
    if config.search.design == "mirrored" and config.constraints.limits:
        raise ConfigError(
            "search.design=mirrored and constraints must not both be given, got constraints."
            f"{min(config.constraints.limits)}: rows beyond a limit would leave others without "
            "their mirror. Set search.design=random, or leave the limit out."
        )


def _check_together(config: StudyConfig) -> None:
    """Check what no field can check alone."""
    search = config.search
    config.recipe.check_fits(config.facts())
    if search.devices_per_trial != 1:
        raise ConfigError(
            f"search.devices_per_trial must be 1, got devices_per_trial="
            f"{search.devices_per_trial}. One trial on several devices is not supported yet; "
            "several trials at once are (--workers)."
        )
    if search.launcher != "local":
        raise ConfigError(
            f"search.launcher must be 'local', got launcher={search.launcher!r}. Workers on a "
            "Ray cluster are not supported yet; use nas.Objective on a shared storage."
        )
    _check_metric(config)
    _check_rungs(config)
    _check_design(config)
    if config.facts().is_recorded:
        check_recorded(
            config.space,
            config.recipe,
            has_ranges=bool(config.own_recipe_fields),
            has_task=config.task is not None,
        )
    size = config.make_space().size
    # With ranges an architecture may be trained again by another recipe.
    may_repeat = search.duplicates == "reseed" or config.own_recipe_fields
    if not may_repeat and search.trials > size:
        raise ConfigError(
            f"search.trials must be at most the number of architectures in the space, got trials="
            f"{search.trials} for {size} architectures. Ask for fewer, widen the space, or set "
            "search.duplicates=reseed to train equal architectures on several seeds."
        )
