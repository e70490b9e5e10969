"""Door 2: our candidates inside a user's own `study.optimize`, with any storage and pruner."""

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.trial import FixedTrial, FrozenTrial

from nas.allowed_rows import check_feasible
from nas.config import DIRECTIONS, StudyConfig, make_config
from nas.constraints import Constraints, Limits, broken
from nas.design_sampler import DesignSampler, as_constraints
from nas.errors import ResumeError, TrainingError
from nas.latencies import limits_of
from nas.own_task import check_task, load_task
from nas.plan_rows import PLAN_ROW
from nas.records import METRICS, measured, result_attribute, start_attributes
from nas.searched_recipe import PREFIX
from nas.trials import Source
from search_spaces.errors import UserError
from search_spaces.registry import make_space
from search_spaces.space import SearchSpace, Value
from search_spaces.spec import ArchitectureSpec, Kind
from trainer.measurement import Candidate, EpochMetrics, Failure, Reason
from trainer.progress import Verdict
from trainer.recipe import Recipe
from trainer.seeding import child_seed

if TYPE_CHECKING:
    from trainer.module import CandidateModule


_SETTINGS = "nas_objective"
"""User attribute of a study: the settings that all its trials share."""


class Objective:
    """A callable for `study.optimize`: one candidate per trial, trained in this process.

    It asks the trial for an architecture, reports every epoch, obeys the study's pruner, and keeps
    on the trial what `nas report` needs. Rows of the design (see `DesignSampler`) are never pruned.

    Args:
        space: A search space, or the configuration of a shipped one.
        data: Name of a shipped data set.
        recipe: How to train; fields of `Recipe`, or one. `lr` and `weight_decay` may be ranges
            (`{"low": 0.03, "high": 0.3}`), which trials are asked for unless they are rows.
        metric: What is returned: `val/log_loss` (minimize), `val/accuracy` (maximize), or
            `val/<name>` of a metric that the task measures.
        seed: Master seed; each trial's own is derived from it and the trial's number.
        device: torch's name of the device.
        constraints: What a network must not exceed, such as `{"max_params": 50_000}`; a trial
            beyond it is pruned before any training, and the sampler is told how far it is beyond.
            Give them to `DesignSampler` too, so that it takes allowed rows only.
        task: A subclass of `CandidateModule`, or `{"class_path": ..., "init_args": {...}}`.

    Raises:
        UserError: A name or field is wrong, or no network of the space is within the constraints.
    """

    def __init__(
        self,
        space: SearchSpace | dict[str, Any] | None = None,
        data: str = "digits",
        recipe: Recipe | dict[str, Any] | None = None,
        *,
        metric: str = "val/log_loss",
        seed: int = 0,
        device: str = "cpu",
        constraints: Constraints | Mapping[str, Any] | None = None,
        task: "type[CandidateModule] | Mapping[str, Any] | None" = None,
    ) -> None:
        _check_arguments(space, metric, device, has_task=task is not None)
        self.constraints = as_constraints(constraints)
        # Checked as a study's would be, with the same messages.
        checked = make_config(
            {
                "data": data,
                "recipe": recipe or {},
                "constraints": self.constraints.model_dump(),
                "task": None if isinstance(task, type) else task,
                # Which trials are design rows is the sampler's to say.
                "search": {"duplicates": "reseed", "goal": "best"},
            }
        )
        facts = checked.facts()
        self.space = (
            space
            if isinstance(space, SearchSpace)
            else make_space(space or checked.space, facts.input, facts.num_classes)
        )
        self.recipe = checked.recipe
        self._limits = limits_of(checked, device)
        # By arithmetic: latencies are measured once there are trials.
        check_feasible(checked, self.space, Limits(_without_latency(self.constraints)))
        self._settings = _settings(checked, self.space, metric, task)
        self._data_name = data
        self._metric = metric
        self._seed = seed
        self._device = device
        self._data: Any = None
        self._module: dict[str, Any] = {}
        if isinstance(task, type):
            self._take_task(task, {})
        elif checked.task is not None:
            self._take_task(load_task(checked.task.class_path), checked.task.init_args)

    def __call__(self, trial: optuna.Trial) -> float:
        """Train the trial's candidate and return the metric of its last epoch.

        Returns:
            The metric; NaN, which Optuna records as failed, where training diverged or memory ran
            out, so that the study goes on.

        Raises:
            optuna.TrialPruned: The study's pruner stopped it, or it is beyond a constraint.
            TrainingError: The training failed for another reason.
            UserError: The study or the trial is none that can be trained by this objective.
        """
        # Imported here: torch and Lightning take seconds.
        from trainer.datasets import load_data
        from trainer.train import train

        self._check_study(trial)
        if self._data is None:
            self._data = load_data(self._data_name)
        spec = self.space.suggest(trial)
        source = _source(trial, self.space.decisions(spec))
        seed = _seed(trial, self._seed)
        recipe = self._ask_recipe(trial, source)
        left_out = _rows_left_out(trial)
        more = {"rows_left_out": left_out} if left_out else {}
        attributes = start_attributes(
            spec, source, seed, recipe.lr, weight_decay=recipe.weight_decay, **more
        )
        for key, value in attributes.items():
            trial.set_user_attr(key, value)
        self._check_limits(trial, spec, source)
        candidate = Candidate(key=f"trial-{trial.number:04d}", spec=spec, seed=seed)
        watch = _ReportToTrial(trial, self._metric, prunes=source is Source.ADAPTIVE)
        [outcome] = train(
            [candidate], recipe, self._data, watch, device=self._device, **self._module
        )
        trial.set_user_attr("result", result_attribute(outcome, 0.0))
        if isinstance(outcome, Failure):
            if outcome.reason in (Reason.DIVERGED, Reason.OOM):
                return math.nan
            raise TrainingError(
                f"Trial {trial.number} must train, got {outcome.message} for {spec.code}."
            )
        if outcome.stopped:
            raise optuna.TrialPruned
        value = measured(outcome.last, self._metric)
        return math.nan if value is None else value

    def _take_task(self, task: "type[CandidateModule]", arguments: dict[str, Any]) -> None:
        """Try the task out and keep what `train` takes of it."""
        check_task(
            task,
            arguments,
            spec=self.space.uniform(self.space.anchor_depths[0], Kind.IDENTITY),
            recipe=self.recipe.reference(),
            metric=self._metric,
        )
        self._module = {"module_class": task, "module_args": arguments}

    def _ask_recipe(self, trial: optuna.Trial, source: Source) -> Recipe:
        """Ask for the recipe's values where it has ranges; design rows have their rate."""
        if source is Source.RANDOMISED:
            rate = self.recipe.reference().lr * _lr_factor(trial)
            planned = trial.user_attrs.get("lr") if _is_planned(trial) else None
            return self.recipe.resolve({"lr": rate if planned is None else float(planned)})
        return self.recipe.resolve(
            {
                name: trial.suggest_float(f"{PREFIX}{name}", found.low, found.high, log=True)
                for name, found in self.recipe.ranges.items()
            }
        )

    def _check_limits(self, trial: optuna.Trial, spec: ArchitectureSpec, source: Source) -> None:
        """Tell the constraints; prune the trial where one is broken."""
        for name, value in self._limits.excess(spec).items():
            trial.set_constraint(name, value)
        reason = self._limits.explain(spec)
        if reason is None:
            return
        trial.set_user_attr("reason", f"constraint {broken(self._limits.excess(spec))}")
        if source is Source.RANDOMISED:
            # A row that is left out says nothing about skips, and was not pruned for its result.
            trial.set_user_attr("source", Source.ADAPTIVE.value)
            trial.set_user_attr("rows_left_out", _rows_left_out(trial) + 1)
        raise optuna.TrialPruned(reason)

    def _check_study(self, trial: optuna.Trial) -> None:
        """Refuse what this objective cannot train, before anything is asked of the trial."""
        if isinstance(trial, FixedTrial | FrozenTrial):
            raise UserError(
                "Objective: a trial must belong to a study that runs, got "
                f"trial={type(trial).__name__}. Enqueue its parameters with study.enqueue_trial "
                "and call study.optimize."
            )
        study, sampler = trial.study, trial.study.sampler
        if len(study.directions) != 1:
            raise UserError(
                "Objective: a study must have one objective, got "
                f"directions={[found.name.lower() for found in study.directions]}. Make it with "
                "optuna.create_study(direction=...) of one metric; others are kept on every trial."
            )
        self._check_direction(trial)
        allowed = (self.constraints, Constraints())
        if isinstance(sampler, DesignSampler) and sampler.constraints not in allowed:
            raise UserError(
                "Objective: its constraints and those of DesignSampler must be equal, got "
                f"{self.constraints.limits} and {sampler.constraints.limits}. Give both the same."
            )
        self._check_settings(study)

    def _check_settings(self, study: optuna.Study) -> None:
        """Keep the settings on the study once; refuse a study of others.

        Trials of other settings would be mixed in one map.
        """
        stored = study.user_attrs.get(_SETTINGS)
        if stored is None:
            study.set_user_attr(_SETTINGS, self._settings)
        elif stored != self._settings:
            where, old, new = _first_difference("", stored, self._settings)
            raise ResumeError(
                f"Objective: study {study.study_name!r} must keep the settings of its first trial, "
                f"{where}={old!r}, got {where}={new!r}. Make another study, or go on with the "
                "first settings."
            )

    def _check_direction(self, trial: optuna.Trial) -> None:
        wanted = DIRECTIONS.get(self._metric)
        given = trial.study.direction.name.lower()
        if wanted is not None and given != wanted:
            raise UserError(
                f"Objective: a study of {self._metric} must have direction={wanted!r}, got "
                f"direction={given!r}. Make it with optuna.create_study(direction={wanted!r})."
            )


def _check_arguments(space: object, metric: str, device: str, *, has_task: bool) -> None:
    if metric not in METRICS and not (has_task and metric.startswith("val/")):
        raise UserError(
            f"Objective: metric must be one of {', '.join(METRICS)}, or val/<name> of "
            f"what a task measures, got metric={metric!r}."
        )
    if not (space is None or isinstance(space, SearchSpace | Mapping)):
        raise UserError(
            f"Objective: space must be a SearchSpace, its configuration or None, got "
            f"space={space!r}. Write {{'name': 'residual'}}."
        )
    if device != "cpu" and not device.startswith("cuda"):
        raise UserError(
            f"Objective: device must be 'cpu' or 'cuda:<number>', got device={device!r}."
        )


def _without_latency(constraints: Constraints) -> Constraints:
    return constraints.model_copy(update={"max_latency_ms": None, "latency_batch": 1})


def _settings(
    config: StudyConfig, space: SearchSpace, metric: str, task: object
) -> dict[str, Any]:
    """Return what all trials of a study share, as JSON data; seeds and devices may differ."""
    plain = config.model_dump(mode="json", include={"data", "recipe", "constraints", "task"})
    if isinstance(task, type):
        plain["task"] = f"{task.__module__}.{task.__qualname__}"
    example = space.sample(np.random.default_rng(0)).spec_id
    facts = {"name": type(space).__name__, "size": space.size, "random_network": example}
    # Through JSON, so that it equals what a storage gives back.
    return json.loads(json.dumps({**plain, "metric": metric, "space": facts}))


def _first_difference(where: str, old: Any, new: Any) -> tuple[str, Any, Any]:
    """Say where two values differ, as deep as both are mappings."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return where, old, new
    key = min(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return _first_difference(f"{where}.{key}".lstrip("."), old.get(key), new.get(key))


def _rows_left_out(trial: optuna.Trial) -> int:
    sampler = trial.study.sampler
    return sampler.rows_left_out(trial.number) if isinstance(sampler, DesignSampler) else 0


class _ReportToTrial:
    """Progress that reports to Optuna and asks its pruner."""

    def __init__(self, trial: optuna.Trial, metric: str, *, prunes: bool) -> None:
        self._trial = trial
        self._metric = metric
        self._prunes = prunes

    def epoch_done(self, key: str, metrics: EpochMetrics) -> Verdict:
        """Report the epoch; STOP where the pruner says so."""
        value = measured(metrics, self._metric)
        if value is None:
            return Verdict.CONTINUE
        self._trial.report(value, metrics.epoch)
        stop = self._prunes and self._trial.should_prune()
        return Verdict.STOP if stop else Verdict.CONTINUE


def _source(trial: optuna.Trial, answers: dict[str, Value]) -> Source:
    """Say who chose: the design only where its row was taken as it is."""
    if _is_planned(trial):
        is_row = trial.user_attrs.get("decisions") == answers
        return Source.RANDOMISED if is_row else Source.ADAPTIVE
    sampler = trial.study.sampler
    is_row = isinstance(sampler, DesignSampler) and sampler.row(trial.number) == answers
    return Source.RANDOMISED if is_row else Source.ADAPTIVE


def _lr_factor(trial: optuna.Trial) -> float:
    """Return the rate of a row of the sampler's design, in units of the recipe's."""
    sampler = trial.study.sampler
    return sampler.lr_factor(trial.number) if isinstance(sampler, DesignSampler) else 1.0


def _is_planned(trial: optuna.Trial) -> bool:
    """Say whether `nas plan` has enqueued the trial."""
    return PLAN_ROW in trial.user_attrs


def _seed(trial: optuna.Trial, master: int) -> int:
    """Return the seed that the plan has drawn, or one that follows from the trial's number."""
    if _is_planned(trial) and isinstance(seed := trial.user_attrs.get("seed"), int):
        return seed
    return child_seed(master, "objective", trial.number)
