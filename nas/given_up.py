"""A design that was given up: kept on the study, so that the next owner and all readers know."""

from collections.abc import Sequence
from dataclasses import replace

from optuna.storages import BaseStorage

from nas.trials import TrialRecord

_KEY = "design_given_up"
"""User attribute of the study."""


def keep_given_up(storage: BaseStorage, study_id: int, rows_left_out: int) -> None:
    """Keep that the design was given up after so many rows beyond a constraint.

    On the study, since no trial need come after it, and ended ones can be changed no more.
    """
    storage.set_study_user_attr(study_id, _KEY, {"rows_left_out": rows_left_out})


def read_given_up(storage: BaseStorage, study_id: int) -> int | None:
    """Return after how many left-out rows the design was given up; None where it was not."""
    found = storage.get_study_user_attrs(study_id).get(_KEY)
    return int(found["rows_left_out"]) if isinstance(found, dict) else None


def with_rows_left_out(records: Sequence[TrialRecord], number: int | None) -> list[TrialRecord]:
    """Return the trials of a study whose design was given up, with the rows that no trial counts.

    They go to the last trial; the number is their sum over all trials that counts.
    """
    if not records or not number:
        return list(records)
    *others, last = records
    return [*others, replace(last, rows_left_out=last.rows_left_out + number)]
