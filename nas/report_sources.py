"""A report from a run folder, from a storage and a name, or from a table; no torch here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import optuna

from nas.benefit.context import BenefitContext
from nas.benefit_of import check_direction
from nas.errors import ConfigError
from nas.open_study import read_any_study, read_repeats
from nas.own_names import OwnNames, read_names
from nas.reporting import ReportInputs, WrittenReport, context_of_trials, write_report
from nas.run import open_run
from nas.storage import open_storage
from nas.table_problems import far_values
from nas.tables import read_table, split_repeats
from nas.trials import TrialRecord


@dataclass(frozen=True)
class SourcedReport(WrittenReport):
    """A report of trials that were trained elsewhere, where a wrong number may slip in."""

    far_values: str | None = None
    """Names results so far from all others that they may be mistakes."""


def check_flags(
    *,
    run: str | None,
    csv: Path | None,
    storage: str | None,
    name: str | None,
    direction: str | None,
    sesoi: float | None,
    names: Path | None = None,
    source: str | None = None,
) -> None:
    """Refuse flags of `nas report` that would say nothing together.

    Raises:
        ConfigError: Several sources, a flag of another source, or an effect that is none.
    """
    sources = {"RUN": run, "--csv": csv, "--storage": storage}
    given = [flag for flag, value in sources.items() if value is not None]
    if len(given) > 1:
        raise ConfigError(f"nas report takes one source, got {' and '.join(given)}. Leave one.")
    if direction is not None and csv is None:
        raise ConfigError(
            f"--direction belongs to --csv, got direction={direction!r} without. A study knows its "
            "own."
        )
    for flag, value in (("--names", names), ("--source", source)):
        if value is not None and csv is None and storage is None:
            raise ConfigError(
                f"{flag} belongs to --csv or --storage, got {str(value)!r} without. A run folder "
                "needs none."
            )
    if name is not None and storage is None:
        raise ConfigError(
            f"--name belongs to --storage, got name={name!r} without. Write nas report RUN."
        )
    if sesoi is not None and not sesoi > 0:
        raise ConfigError(f"--sesoi must be > 0, got sesoi={sesoi:g}.")


def report_run(folder: Path, sesoi: float | None, out: Path | None) -> WrittenReport:
    """Write the report of a run folder."""
    run = open_run(folder)
    run.set_sesoi(sesoi)
    return run.report(out)


def report_storage(
    storage: str,
    name: str | None,
    sesoi: float | None,
    out: Path,
    names: OwnNames | None = None,
) -> WrittenReport:
    """Write the report of a study in any Optuna storage.

    Args:
        storage: Storage URL, or the path of a journal.
        name: The study in it.
        sesoi: Smallest effect worth having.
        out: The report's folder.
        names: What parameters and kinds are called there.

    Raises:
        ConfigError: No name was given.
        StorageError: The storage cannot be reached, or has no such study.
        TableError: A name is no parameter, or a word for a kind is unknown.
    """
    if name is None:
        raise ConfigError("--storage needs --name, got none. Give the name of the study in it.")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    opened = open_storage(storage, Path.cwd(), create=False)
    read, direction = read_any_study(opened, name, names)
    repeats = read_repeats(opened, name)
    context = context_of_trials(
        read.records, direction=check_direction(direction), name=name, sesoi=sesoi
    )
    return _write(replace(context, unused=read.unused_dicts()), read.records, repeats, out)


def report_csv(
    csv: Path,
    direction: str | None,
    sesoi: float | None,
    out: Path,
    names: OwnNames | None = None,
) -> WrittenReport:
    """Write the report of a table of trials.

    Args:
        csv: The table, also one of W&B runs.
        direction: Which way the value is better.
        sesoi: Smallest effect worth having.
        out: The report's folder.
        names: What columns and kinds are called there.

    Raises:
        ConfigError: The direction is missing or no direction.
        TableError: The table cannot answer the question.
    """
    checked = check_direction(direction, "--csv needs --direction")
    read = read_table(csv, names)
    trials, repeats = split_repeats(read.records)
    context = context_of_trials(read.records, direction=checked, name=csv.stem, sesoi=sesoi)
    return _write(replace(context, unused=read.unused_dicts()), trials, repeats, out)


def names_of(names: Path | None, source: str | None) -> OwnNames:
    """Return the names that the flags say.

    Raises:
        ConfigError: The file cannot be read, or holds what is none of our names or words.
    """
    return read_names(names).with_source(source)


def what_else(written: WrittenReport) -> list[str]:
    """Return what the command says beside the headline: rows left out or odd, and rows to add."""
    notes = [str(rows["words"]) for rows in written.benefit.get("unused_rows") or ()]
    if isinstance(written, SourcedReport) and written.far_values is not None:
        notes.append(written.far_values)
    rows = written.rows_to_add
    return notes + ([rows.describe(written.folder)] if rows else [])


def _write(
    context: BenefitContext,
    trials: Sequence[TrialRecord],
    repeats: Sequence[TrialRecord],
    out: Path,
) -> WrittenReport:
    written = write_report(
        out,
        ReportInputs(study=context.study_name, trials=trials, repeats=repeats, context=context),
    )
    return SourcedReport(
        folder=written.folder,
        benefit=written.benefit,
        headline=written.headline,
        rows_to_add=written.rows_to_add,
        far_values=far_values(trials),
    )
