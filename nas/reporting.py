"""From trials to the report's files: `report.html`, `skip_benefit.json`, `trials.csv`, pictures."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nas.benefit import BenefitContext, skip_benefit
from nas.benefit.context import Direction, unit_of
from nas.config import StudyConfig
from nas.design_plan import DesignPlan
from nas.errors import RunFolderError
from nas.records import METRICS
from nas.report import NextStep, ReportData, headline, render_report, skip_map_svg
from nas.rows_to_add import RowsToAdd, remove_rows_to_add, rows_to_add
from nas.run_folder import write_whole
from nas.space_kinds import kinds_of
from nas.tables import context_from_rows, write_trials_csv
from nas.trials import State, TrialRecord
from search_spaces.space import SearchSpace
from trainer.data import DataFacts

CLAIMS = "claims"
"""Folder of `nas claims` in a run folder."""
_MOST_FOR_IMPORTANCES = 5_000
"""Trials up to which Optuna's importances are computed."""


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
    num_workers: int = 1


@dataclass(frozen=True, kw_only=True)
class WrittenReport:
    """A report on disk."""

    folder: Path
    benefit: Mapping[str, Any]
    """Content of `skip_benefit.json`."""
    headline: str
    rows_to_add: RowsToAdd | None = None
    """Design rows that would let the data answer more, where no command trains them."""


def study_context(
    config: StudyConfig,
    space: SearchSpace,
    environment: Mapping[str, Any],
    folder: Path | None = None,
) -> BenefitContext:
    """Return what the estimator must know of a study of ours.

    Args:
        config: The study's configuration.
        space: Its search space.
        environment: Versions and devices of its last owner.
        folder: Its run folder, for commands that go on with it.
    """
    facts = config.facts()
    devices = environment.get("devices") or []
    plan = DesignPlan(space, config.search.seed)
    return BenefitContext(
        direction=config.search.direction,
        metric=config.search.metric,
        unit=unit_of(config.search.metric),
        study_name=config.name,
        tool_version=environment.get("tool"),
        dataset=facts.name,
        num_classes=facts.num_classes,
        split_seed=facts.split_seed,
        num_train=facts.n_train,
        num_val=facts.n_val,
        num_test=facts.n_test,
        recipe=config.recipe.model_dump(mode="json"),
        environment=environment,
        device=devices[0] if devices else None,
        reference_depths=plan.reference.depths,
        reference_spec=plan.reference,
        kinds=kinds_of(space),
        choices=plan.choices,
        run_folder=_typed(folder, config.name),
        trials_asked=config.search.trials,
        space_size=space.size,
        limits=config.constraints.limits,
        sesoi=config.search.sesoi,
        claims=read_claims(folder),
    )


def _typed(folder: Path | None, name: str) -> str | None:
    """Return the run folder as commands find it; None where `--name` would not lead to it."""
    if folder is None or folder.absolute().parts[-2:] != ("runs", name):
        return None
    return f"runs/{name}"


def context_of_trials(
    trials: Sequence[TrialRecord], *, direction: Direction, name: str, sesoi: float | None
) -> BenefitContext:
    """Return what the trials of a study say themselves, where no configuration is known."""
    metric = _metric_of(trials) or "value"
    return context_from_rows(trials, direction=direction, metric=metric, name=name, sesoi=sesoi)


def _metric_of(trials: Sequence[TrialRecord]) -> str | None:
    """Say which validation metric the values are, where every complete trial measured it."""
    complete = [t for t in trials if t.state is State.COMPLETE and t.value is not None]
    if not complete:
        return None
    own = (name for name in complete[0].metrics if name.startswith("val_"))
    names = METRICS | {f"val/{name.removeprefix('val_')}": name for name in own}
    for metric, name in names.items():
        if all(t.metrics.get(name) == t.value for t in complete):
            return metric
    return None


def write_report(folder: Path, inputs: ReportInputs) -> WrittenReport:
    """Estimate the skip map and write all files of the report; always, even from few trials.

    The map is no file of its own where no network is known, as for a bare table.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    benefit = estimate(inputs)
    rows = rows_to_add(inputs.trials, benefit, inputs.context, folder)
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
        rows_to_add=rows.to_dict() if rows else None,
        run=inputs.context.run_folder,
        claims_page=_claims_page(folder),
    )
    try:
        _write_files(folder, data)
        if rows:
            rows.write(folder)
        else:
            remove_rows_to_add(folder)
    except OSError as error:
        raise RunFolderError(
            f"{folder}: the report's folder must be writable, got {error}. Give another one with "
            "--out DIR."
        ) from error
    return WrittenReport(
        folder=folder, benefit=benefit, headline=headline(benefit), rows_to_add=rows
    )


def estimate(inputs: ReportInputs) -> dict[str, Any]:
    """Return the content of `skip_benefit.json`: the map, and beside it what others say of it.

    Importances are those of Optuna's evaluators, as associations; on data whose networks are all
    recorded the truth stands beside the estimates.
    """
    # Takes time to import, which commands that write no report need not spend.
    from nas.known_truth import known_truth

    context = inputs.context
    found = _importances(inputs)
    benefit = skip_benefit(inputs.trials, inputs.repeats, replace(context, importances=found))
    truth = known_truth(benefit)
    return benefit if truth is None else {**benefit, "truth": truth}


def _importances(inputs: ReportInputs) -> dict[str, dict[str, float]]:
    """Return Optuna's importances; of very long studies none, whose report has 5 s for the map."""
    if len(inputs.trials) > _MOST_FOR_IMPORTANCES:
        return {}
    # scikit-learn alone takes a second to import.
    from nas.importances import importances

    return importances(inputs.trials, inputs.context.direction)


def read_claims(folder: Path | None) -> list[dict[str, Any]]:
    """Return what `nas claims` found in a run folder; nothing where it has not ended."""
    if folder is None:
        return []
    try:
        found = json.loads((folder / CLAIMS / "claims.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _claims_page(report: Path) -> str | None:
    """Return the path of the page of claims beside a report in its run folder."""
    page = report.parent / CLAIMS / "claims.html"
    return f"../{CLAIMS}/{page.name}" if page.is_file() else None


def _write_files(folder: Path, data: ReportData) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "skip_benefit.json", json.dumps(data.benefit, indent=1) + "\n")
    write_whole(folder / "report.html", render_report(data))
    picture = skip_map_svg(data)
    if picture:
        write_whole(folder / "skip_map.svg", picture)
    else:
        # One of a former report would show other trials.
        (folder / "skip_map.svg").unlink(missing_ok=True)
    write_trials_csv(folder / "trials.csv", data.trials)
    if data.repeats:
        write_trials_csv(folder / "repeats.csv", data.repeats)


def next_steps(benefit: Mapping[str, Any], inputs: ReportInputs) -> list[NextStep]:
    """Say what would settle the rest: trials, minutes and the command, or words without one."""
    settled = benefit.get("settled") or {}
    step = settled.get("next")
    left = (settled.get("num_answers") or 0) - (settled.get("num_settled") or 0)
    if not step or left <= 0:
        return []
    hope = "as a first step" if step["is_first_step"] else "if effects are what they seem"
    settles = f"the other {left} answers, {hope}" if left > 1 else f"the last answer, {hope}"
    if step["total"] is None:
        rows = step["design_rows"]
        return [NextStep(words=f"Train about *{rows} more design rows* for {settles}.")]
    spent = [trial.seconds for trial in inputs.trials if trial.seconds is not None]
    minutes = step["trials"] * sum(spent) / len(spent) / inputs.num_workers / 60 if spent else None
    name = shlex.quote(inputs.study)
    return [
        NextStep(
            command=f"nas search --name {name} --trials {step['total']}",
            settles=settles,
            trials=step["trials"],
            minutes=minutes,
        )
    ]
