"""The configuration of a study: typed, complete, checked before anything starts; no torch here."""

import functools
import json
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
    """A shipped data set."""
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
        if data["search"]["rungs"] is None:
            # As in studies that were begun before there were any.
            del data["search"]["rungs"]
        return data


def make_config(data: Mapping[str, Any]) -> StudyConfig:
    """Check a configuration as a whole and fill in the defaults.

    Raises:
        ConfigError: A key is unknown or a value wrong; the message names the nearest valid key.
    """
    try:
        config = StudyConfig.model_validate(_without_empty_sections(data))
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
    size = config.make_space().size
    # With ranges an architecture may be trained again by another recipe.
    may_repeat = search.duplicates == "reseed" or config.recipe.ranges
    if not may_repeat and search.trials > size:
        raise ConfigError(
            f"search.trials must be at most the number of architectures in the space, got trials="
            f"{search.trials} for {size} architectures. Ask for fewer, widen the space, or set "
            "search.duplicates=reseed to train equal architectures on several seeds."
        )
