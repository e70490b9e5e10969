"""From trials to the report's files: `report.html`, `skip_benefit.json`, `trials.csv`, pictures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nas.benefit import BenefitContext, skip_benefit
from nas.benefit.context import Direction
from nas.config import StudyConfig
from nas.records import METRICS
from nas.report import NextStep, ReportData, headline, render_report, skip_map_svg
from nas.run_folder import write_whole
from nas.space_kinds import kinds_of
from nas.tables import context_from_rows, write_trials_csv
from nas.trials import State, TrialRecord
from search_spaces.space import SearchSpace
from search_spaces.spec import Kind
from trainer.data import DataFacts

REPORT_FILES = ("report.html", "skip_benefit.json", "skip_map.svg", "trials.csv", "repeats.csv")


@dataclass(frozen=True, kw_only=True)
class ReportInputs:
    """What a report is made from; a bare table has trials and a context only."""

    study: str
    trials: Sequence[TrialRecord]
    repeats: Sequence[TrialRecord]
    context: BenefitContext
    facts: DataFacts | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    """Wall time of the study."""
    versions: Mapping[str, str] = field(default_factory=dict)
    resume_command: str | None = None
    """Command that adds trials, less the number."""
    num_workers: int = 1


@dataclass(frozen=True, kw_only=True)
class WrittenReport:
    """A report on disk."""

    folder: Path
    benefit: Mapping[str, Any]
    """Content of `skip_benefit.json`."""
    headline: str


def study_context(
    config: StudyConfig, space: SearchSpace, environment: Mapping[str, Any], last_utc: str | None
) -> BenefitContext:
    """Return what the estimator must know of a study of ours."""
    facts = config.facts()
    devices = environment.get("devices") or []
    return BenefitContext(
        direction=config.search.direction,
        metric=config.search.metric,
        unit="nats" if config.search.metric == "val/log_loss" else "fraction",
        study_name=config.name,
        tool_version=environment.get("tool"),
        last_trial_utc=last_utc,
        dataset=facts.name,
        num_classes=facts.num_classes,
        split_seed=facts.split_seed,
        num_train=facts.n_train,
        num_val=facts.n_val,
        num_test=facts.n_test,
        recipe=config.recipe.model_dump(mode="json"),
        environment=environment,
        device=devices[0] if devices else None,
        reference_depths=space.deepest,
        reference_spec=space.uniform(space.deepest, Kind.NONE),
        kinds=kinds_of(space),
        sesoi=config.search.sesoi,
    )


def context_of_trials(
    trials: Sequence[TrialRecord], *, direction: Direction, name: str, sesoi: float | None
) -> BenefitContext:
    """Return what the trials of a study say themselves, where no configuration is known."""
    metric = _metric_of(trials) or "value"
    return context_from_rows(trials, direction=direction, metric=metric, name=name, sesoi=sesoi)


def _metric_of(trials: Sequence[TrialRecord]) -> str | None:
    """Say which of our metrics the values are, where every complete trial measured it."""
    complete = [t for t in trials if t.state is State.COMPLETE and t.value is not None]
    for metric, measured in METRICS.items():
        if complete and all(t.metrics.get(measured) == t.value for t in complete):
            return metric
    return None


def write_report(folder: Path, inputs: ReportInputs) -> WrittenReport:
    """Estimate the skip map and write all files of the report; always, even from few trials."""
    benefit = skip_benefit(inputs.trials, inputs.repeats, inputs.context)
    data = ReportData(
        study=inputs.study,
        benefit=benefit,
        trials=inputs.trials,
        repeats=inputs.repeats,
        facts=inputs.facts,
        recipe=inputs.recipe,
        reference_spec=inputs.context.reference_spec,
        seconds=inputs.seconds,
        versions=inputs.versions,
        next_steps=next_steps(benefit, inputs),
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "skip_benefit.json", json.dumps(benefit, indent=1) + "\n")
    write_whole(folder / "report.html", render_report(data))
    write_whole(folder / "skip_map.svg", skip_map_svg(data))
    write_trials_csv(folder / "trials.csv", inputs.trials)
    if inputs.repeats:
        write_trials_csv(folder / "repeats.csv", inputs.repeats)
    return WrittenReport(folder=folder, benefit=benefit, headline=headline(benefit))


def next_steps(benefit: Mapping[str, Any], inputs: ReportInputs) -> list[NextStep]:
    """Say what would settle the rest: trials, minutes and the command."""
    settled = benefit.get("settled") or {}
    more = settled.get("trials_to_rest")
    left = (settled.get("num_answers") or 0) - (settled.get("num_settled") or 0)
    if inputs.resume_command is None or not more or left <= 0:
        return []
    share = _design_share(inputs.trials)
    total = len(inputs.trials) + round(more / share)
    spent = [trial.seconds for trial in inputs.trials if trial.seconds is not None]
    mean = sum(spent) / len(spent) if spent else None
    return [
        NextStep(
            command=f"{inputs.resume_command} --trials {total}",
            settles=f"the other {left} answers, if effects are what they seem",
            trials=total - len(inputs.trials),
            minutes=None if mean is None else more / share * mean / inputs.num_workers / 60,
        )
    ]


def _design_share(trials: Sequence[TrialRecord]) -> float:
    randomised = sum(trial.source.value == "randomised" for trial in trials)
    return max(randomised, 1) / max(len(trials), 1)
