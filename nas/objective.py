"""Door 2: our candidates inside a user's own `study.optimize`, with any storage and pruner."""

import math
from collections.abc import Mapping
from typing import Any

import optuna

from nas.config import make_config
from nas.design_sampler import DesignSampler
from nas.errors import TrainingError
from nas.records import METRICS, result_attribute, start_attributes
from nas.trials import Source
from search_spaces.errors import UserError
from search_spaces.registry import make_space
from search_spaces.space import SearchSpace, Value
from trainer.measurement import Candidate, EpochMetrics, Failure, Reason
from trainer.progress import Verdict
from trainer.recipe import Recipe
from trainer.seeding import child_seed


class Objective:
    """A callable for `study.optimize`: one candidate per trial, trained in this process.

    It asks the trial for an architecture, reports every epoch, obeys the study's pruner, and keeps
    on the trial what `nas report` needs. Rows of the design (see `DesignSampler`) are never pruned.

    Args:
        space: A search space, or the configuration of a shipped one.
        data: Name of a shipped data set.
        recipe: How to train; fields of `Recipe`, or one.
        metric: What is returned: `val/log_loss` (minimize) or `val/accuracy` (maximize).
        seed: Master seed; each trial's own is derived from it and the trial's number.
        device: torch's name of the device.

    Raises:
        UserError: A name or field is wrong.
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
    ) -> None:
        if metric not in METRICS:
            raise UserError(
                f"Objective: metric must be one of {', '.join(METRICS)}, got metric={metric!r}."
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
        # Checked as a study's would be, with the same messages.
        checked = make_config(
            {
                "data": data,
                "recipe": recipe.model_dump() if isinstance(recipe, Recipe) else recipe or {},
                "search": {"duplicates": "reseed"},
            }
        )
        facts = checked.facts()
        self.space = (
            space
            if isinstance(space, SearchSpace)
            else make_space(space or {}, facts.input, facts.num_classes)
        )
        self.recipe = checked.recipe
        self._data_name = data
        self._metric = metric
        self._seed = seed
        self._device = device
        self._data: Any = None

    def __call__(self, trial: optuna.Trial) -> float:
        """Train the trial's candidate and return the metric of its last epoch.

        Returns:
            The metric; NaN, which Optuna records as failed, where training diverged or memory ran
            out, so that the study goes on.

        Raises:
            optuna.TrialPruned: The study's pruner stopped it.
            TrainingError: The training failed for another reason.
        """
        # Imported here: torch and Lightning take seconds.
        from trainer.datasets import load_data
        from trainer.train import train

        self._check_direction(trial)
        if self._data is None:
            self._data = load_data(self._data_name)
        spec = self.space.suggest(trial)
        source = _source(trial, self.space.decisions(spec))
        seed = child_seed(self._seed, "objective", trial.number)
        for key, value in start_attributes(spec, source, seed, self.recipe.lr).items():
            trial.set_user_attr(key, value)
        candidate = Candidate(key=f"trial-{trial.number:04d}", spec=spec, seed=seed)
        watch = _ReportToTrial(trial, METRICS[self._metric], prunes=source is Source.ADAPTIVE)
        [outcome] = train([candidate], self.recipe, self._data, watch, device=self._device)
        trial.set_user_attr("result", result_attribute(outcome, 0.0))
        if isinstance(outcome, Failure):
            if outcome.reason in (Reason.DIVERGED, Reason.OOM):
                return math.nan
            raise TrainingError(
                f"Trial {trial.number} must train, got {outcome.message} for {spec.code}."
            )
        if outcome.stopped:
            raise optuna.TrialPruned
        return float(getattr(outcome.last, METRICS[self._metric]))

    def _check_direction(self, trial: optuna.Trial) -> None:
        wanted = "minimize" if self._metric == "val/log_loss" else "maximize"
        given = trial.study.direction.name.lower()
        if given != wanted:
            raise UserError(
                f"Objective: a study of {self._metric} must have direction={wanted!r}, got "
                f"direction={given!r}. Make it with optuna.create_study(direction={wanted!r})."
            )


class _ReportToTrial:
    """Progress that reports to Optuna and asks its pruner."""

    def __init__(self, trial: optuna.Trial, field: str, *, prunes: bool) -> None:
        self._trial = trial
        self._field = field
        self._prunes = prunes

    def epoch_done(self, key: str, metrics: EpochMetrics) -> Verdict:
        """Report the epoch; STOP where the pruner says so."""
        self._trial.report(getattr(metrics, self._field), metrics.epoch)
        stop = self._prunes and self._trial.should_prune()
        return Verdict.STOP if stop else Verdict.CONTINUE


def _source(trial: optuna.Trial, answers: dict[str, Value]) -> Source:
    """Say who chose: the design only where its row was taken as it is."""
    sampler = trial.study.sampler
    is_row = isinstance(sampler, DesignSampler) and sampler.row(trial.number) == answers
    return Source.RANDOMISED if is_row else Source.ADAPTIVE
