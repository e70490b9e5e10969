"""A report from a run folder, from a storage and a name, or from a table; no torch here."""

import dataclasses
from pathlib import Path
from typing import Literal, cast

import optuna

from nas.errors import ConfigError
from nas.open_study import read_repeats, read_trials
from nas.records import METRICS
from nas.reporting import ReportInputs, WrittenReport, write_report
from nas.run import open_run
from nas.skip_benefit import BenefitContext
from nas.storage import open_storage
from nas.tables import context_from_rows, read_trials_csv
from nas.trials import State, TrialRecord
from search_spaces.spec import ArchitectureSpec, Kind

Direction = Literal["minimize", "maximize"]


def report_run(folder: Path, sesoi: float | None, out: Path | None) -> WrittenReport:
    """Write the report of a run folder."""
    run = open_run(folder)
    run.set_sesoi(sesoi)
    return run.report(out)


def report_storage(
    storage: str, name: str | None, sesoi: float | None, out: Path
) -> WrittenReport:
    """Write the report of a study in any Optuna storage.

    Raises:
        ConfigError: No name was given.
        StorageError: The storage cannot be reached, or has no such study.
    """
    if name is None:
        raise ConfigError("--storage needs --name, got none. Give the name of the study in it.")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    opened = open_storage(storage, Path.cwd(), create=False)
    trials, direction = read_trials(opened, name)
    repeats = read_repeats(opened, name)
    context = _context_of(trials, cast("Direction", direction), name, sesoi)
    return write_report(
        out, ReportInputs(study=name, trials=trials, repeats=repeats, context=context)
    )


def report_csv(
    csv: Path, direction: str | None, sesoi: float | None, out: Path
) -> WrittenReport:
    """Write the report of a table of trials.

    Raises:
        ConfigError: The direction is missing or no direction.
        TableError: The table cannot answer the question.
    """
    if direction not in ("minimize", "maximize"):
        raise ConfigError(
            f"--csv needs --direction minimize or maximize, got direction={direction!r}. Say which "
            "way the column 'value' is better."
        )
    rows = read_trials_csv(csv)
    trials = [row for row in rows if row.source.value in ("randomised", "adaptive")]
    repeats = [row for row in rows if row.source.value in ("anchor", "finalist", "paired")]
    context = context_from_rows(rows, direction=direction, name=csv.stem, sesoi=sesoi)
    return write_report(
        out, ReportInputs(study=csv.stem, trials=trials, repeats=repeats, context=context)
    )


def _context_of(
    trials: list[TrialRecord], direction: Direction, name: str, sesoi: float | None
) -> BenefitContext:
    """Return what the trials themselves say: the metric, and the deepest network's blocks."""
    context = context_from_rows(trials, direction=direction, name=name, sesoi=sesoi)
    metric = _metric_of(trials)
    if metric is not None:
        context = dataclasses.replace(context, metric=metric)
    specs = [trial.spec for trial in trials if trial.spec is not None]
    if not specs:
        return context
    deepest: ArchitectureSpec = max(specs, key=lambda spec: spec.num_blocks)
    plain = deepest.with_kinds(dict.fromkeys(deepest.places(), Kind.NONE))
    return dataclasses.replace(context, reference_spec=plain, num_classes=plain.num_classes)


def _metric_of(trials: list[TrialRecord]) -> str | None:
    """Say which of our metrics the values are, where every complete trial measured it."""
    complete = [t for t in trials if t.state is State.COMPLETE and t.value is not None]
    for metric, field in METRICS.items():
        if complete and all(t.metrics.get(field) == t.value for t in complete):
            return metric
    return None
