"""`nas.skip_benefit`: the skip map of a study or of a table, wherever its trials were trained."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import optuna

from nas.benefit import skip_benefit
from nas.benefit.context import Direction
from nas.errors import ConfigError
from nas.open_study import read_repeats, read_trials
from nas.reporting import context_of_trials
from nas.tables import context_from_rows, read_trials_csv, records_from_rows, split_repeats


def skip_benefit_of(
    source: optuna.Study | Path | str | Iterable[Mapping[str, Any]],
    *,
    direction: str | None = None,
    sesoi: float | None = None,
) -> dict[str, Any]:
    """Estimate where skips help, from the randomised trials.

    Args:
        source: An Optuna study; the path of a CSV file; or rows, such as a pandas table or its
            `to_dict("records")`, with the columns of `nas report --csv`.
        direction: `minimize` or `maximize`; a study knows its own.
        sesoi: Smallest effect worth having, in the metric's unit.

    Returns:
        The content of `skip_benefit.json`.

    Raises:
        ConfigError: A table comes without its direction.
        TableError: A column or a value is missing or wrong.
        StorageError: The study has several objectives.
    """
    if isinstance(source, optuna.Study):
        return _of_study(source, sesoi)
    checked = check_direction(direction)
    rows = (
        read_trials_csv(Path(source))
        if isinstance(source, str | Path)
        else records_from_rows(_as_rows(source))
    )
    trials, repeats = split_repeats(rows)
    return skip_benefit(trials, repeats, context_from_rows(rows, direction=checked, sesoi=sesoi))


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


def _of_study(study: optuna.Study, sesoi: float | None) -> dict[str, Any]:
    # The storage is part of a study's public constructor, but not a public attribute.
    storage = study._storage
    trials, direction = read_trials(storage, study.study_name)
    repeats = read_repeats(storage, study.study_name)
    context = context_of_trials(
        trials, direction=check_direction(direction), name=study.study_name, sesoi=sesoi
    )
    return skip_benefit(trials, repeats, context)


def _as_rows(table: Any) -> Iterable[Mapping[str, Any]]:
    """A pandas table iterates over its columns; its rows are what is meant."""
    return table.to_dict("records") if hasattr(table, "columns") else table
