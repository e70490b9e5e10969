"""`nas.skip_benefit`: the skip map of a study or of a table, wherever its trials were trained."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna

from nas.benefit import skip_benefit
from nas.benefit.context import Direction
from nas.errors import ConfigError, TableError
from nas.open_study import read_any_study, read_repeats
from nas.own_names import OwnNames, read_names
from nas.reporting import context_of_trials
from nas.tables import read_rows, read_table, split_repeats


def skip_benefit_of(
    trials: optuna.Study | Path | str | Iterable[Mapping[str, Any]],
    *,
    direction: str | None = None,
    sesoi: float | None = None,
    names: Mapping[str, Any] | Path | str | None = None,
    source: str | None = None,
) -> dict[str, Any]:
    """Estimate where skips help, from the randomised trials.

    Args:
        trials: An Optuna study; the path of a CSV file; or rows, such as a pandas table or its
            `to_dict("records")`, with the columns of `nas report --csv`, or W&B runs that this
            toolkit logged.
        direction: `minimize` or `maximize`; a study knows its own.
        sesoi: Smallest effect worth having, in the metric's unit.
        names: What parameters or columns are called there, our name to yours, and under `kinds`
            what your values mean: `{"skip.stage1.block1": "use_skip_0", "kinds": {True:
            "identity", False: "none"}}`; or a YAML file of that.
        source: Who chose the trials that do not say: `randomised` where kinds were drawn by lot
            whatever did well before, as by a random, grid or quasi-random sampler. A study's
            trials are `adaptive` otherwise.

    Returns:
        The content of `skip_benefit.json`.

    Raises:
        ConfigError: A table comes without its direction, or a name or word is none of ours.
        TableError: A column or a value is missing or wrong.
        StorageError: The study has several objectives.
    """
    known = read_names(names).with_source(source)
    if isinstance(trials, optuna.Study):
        return _of_study(trials, sesoi, known)
    checked = check_direction(direction)
    read = (
        read_table(Path(trials), known)
        if isinstance(trials, str | Path)
        else read_rows(_as_rows(trials), known)
    )
    search, repeats = split_repeats(read.records)
    context = context_of_trials(read.records, direction=checked, name="table", sesoi=sesoi)
    context = replace(context, unused=read.unused_dicts())
    return skip_benefit(search, repeats, context)


def check_direction(
    direction: str | None, needs: str = "A table needs its direction,"
) -> Direction:
    """Return the direction of a table.

    Args:
        direction: What was given.
        needs: How the message begins.

    Raises:
        ConfigError: It is missing, or no direction.
    """
    if direction not in ("minimize", "maximize"):
        raise ConfigError(
            f"{needs} minimize or maximize, got direction={direction!r}. Say which way the column "
            "'value' is better."
        )
    return direction


def _of_study(study: optuna.Study, sesoi: float | None, names: OwnNames) -> dict[str, Any]:
    # The storage is part of a study's public constructor, but not a public attribute.
    storage = study._storage
    read, direction = read_any_study(storage, study.study_name, names)
    repeats = read_repeats(storage, study.study_name)
    context = context_of_trials(
        read.records, direction=check_direction(direction), name=study.study_name, sesoi=sesoi
    )
    context = replace(context, unused=read.unused_dicts())
    return skip_benefit(read.records, repeats, context)


def _as_rows(table: Any) -> Iterable[Mapping[str, Any]]:
    """A pandas table iterates over its columns; its rows are what is meant."""
    if hasattr(table, "columns"):
        return table.to_dict("records")
    if not isinstance(table, Iterable) or isinstance(table, Mapping | bytes):
        raise _no_trials(f"trials={table!r}")
    rows = list(table)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise _no_trials(f"row {number}={row!r}")
    return rows


def _no_trials(got: str) -> TableError:
    return TableError(
        "skip_benefit: trials must be an Optuna study, the path of a CSV file, a pandas table or "
        f"rows that map columns to values, got {got}. Write nas.skip_benefit(study)."
    )
