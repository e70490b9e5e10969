"""A report from a run folder, from a storage and a name, or from a table; no torch here."""

from pathlib import Path

import optuna

from nas.benefit_of import check_direction
from nas.errors import ConfigError
from nas.open_study import read_repeats, read_trials
from nas.reporting import ReportInputs, WrittenReport, context_of_trials, write_report
from nas.run import open_run
from nas.storage import open_storage
from nas.tables import context_from_rows, read_trials_csv, split_repeats


def check_flags(
    *,
    run: str | None,
    csv: Path | None,
    storage: str | None,
    name: str | None,
    direction: str | None,
    sesoi: float | None,
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
    context = context_of_trials(
        trials, direction=check_direction(direction), name=name, sesoi=sesoi
    )
    return write_report(
        out, ReportInputs(study=name, trials=trials, repeats=repeats, context=context)
    )


def report_csv(csv: Path, direction: str | None, sesoi: float | None, out: Path) -> WrittenReport:
    """Write the report of a table of trials.

    Raises:
        ConfigError: The direction is missing or no direction.
        TableError: The table cannot answer the question.
    """
    checked = check_direction(direction, "--csv needs --direction")
    rows = read_trials_csv(csv)
    trials, repeats = split_repeats(rows)
    context = context_from_rows(rows, direction=checked, name=csv.stem, sesoi=sesoi)
    return write_report(
        out, ReportInputs(study=csv.stem, trials=trials, repeats=repeats, context=context)
    )
