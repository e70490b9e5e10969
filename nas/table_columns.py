"""The columns of a table of trials, and what is wrong with a header."""

import re
from collections.abc import Iterable, Sequence

from nas.errors import TableError

REQUIRED = ("trial", "state", "source", "value")
"""Columns that every table has."""
INTEGERS = (
    "seed",
    "of_trial",
    "replicate",
    "params",
    "macs",
    "epochs_done",
    "rows_left_out",
)
COUNTS = ("replicate", "epochs_done", "rows_left_out")
"""Integers that are 0 where they are empty."""
NUMBERS = ("lr", "weight_decay", "seconds")
WORDS = ("name", "base", "flip", "reason", "spec_id")
METRICS = ("val_log_loss", "val_accuracy", "train_loss", "test_log_loss", "test_accuracy")
KNOWN = (*REQUIRED, *INTEGERS, *NUMBERS, *WORDS, *METRICS, "layers")
"""Columns that are read, beside decisions and metrics of the user's."""
WHOLE_NETWORK = ("width", "block")
"""Decisions about the network as a whole, a number and a word."""
DECISION = re.compile(
    r"^(?:depth\.stage[1-9]\d*|(?:skip|span)\d*\.stage[1-9]\d*\.block[1-9]\d*|width|block)$"
)
"""Names of the columns that hold decisions."""
_LOOKS_LIKE_DECISION = re.compile(r"^(?:depth|(?:skip|span)\d*)\.")
_BLOCK = re.compile(r"^(skip\.stage[1-9]\d*\.block)([1-9]\d*)$")
_MOST_SHOWN = 12
_RENAME = "Where it has another name, say so with --names."
_REMEDIES = {
    "source": "Where all rows are of one source, say so with --source: randomised only if their kinds "
    "were drawn by lot, whatever did well before.",
}


def check_columns(path: str, columns: Sequence[str], optional: Iterable[str] = ()) -> None:
    """Check a header.

    Args:
        path: The table, for messages.
        columns: Its columns.
        optional: Required ones that may be missing all the same.

    Raises:
        TableError: A column is missing, twice there or misspelt.
    """
    if not columns:
        raise TableError(
            f"{path}: must hold a header and trials, got an empty file. Columns: "
            f"{', '.join(REQUIRED)}, and one per decision such as skip.stage1.block1."
        )
    for name in columns:
        if name and columns.count(name) > 1:
            raise TableError(
                f"{path}, line 1: every column must occur once, got {name!r} twice. Remove one."
            )
        if _LOOKS_LIKE_DECISION.match(name) and not DECISION.match(name):
            raise TableError(
                f"{path}, line 1: decisions are named like 'depth.stage1' or 'skip.stage1.block1' "
                f"(from 1), got column {name!r}. Rename it."
            )
    for name in REQUIRED:
        if name not in columns and name not in optional:
            raise TableError(
                f"{path}, line 1: column {name!r} must be there, got {shown(columns)}. Add it; "
                f"needed are {', '.join(REQUIRED)}. {_REMEDIES.get(name, _RENAME)}"
            )
    if not any(name.startswith("skip.") for name in columns):
        raise TableError(
            f"{path}, line 1: at least one decision about a skip must be there, got "
            f"{shown(columns)}. Add columns such as skip.stage1.block1. {_RENAME}"
        )
    _check_gaps(path, columns)


def _check_gaps(path: str, columns: Sequence[str]) -> None:
    """Check that the blocks of a stage follow each other, as a column may have been lost.

    The first block may be missing: where the width changes, spaces often leave no choice.
    """
    there = {name for name in columns if _BLOCK.match(name)}
    for name in columns:
        found = _BLOCK.match(name)
        if found is None:
            continue
        missing = next(
            (f"{found[1]}{b}" for b in range(2, int(found[2])) if f"{found[1]}{b}" not in there),
            None,
        )
        if missing is not None:
            raise TableError(
                f"{path}, line 1: column {missing!r} must be there, as {name!r} is, got none. Add "
                "it, also where its kind is the same in every network, or number the blocks of a "
                "stage without a gap."
            )


def shown(columns: Sequence[str]) -> str:
    """List names; of many the first."""
    left = len(columns) - _MOST_SHOWN
    more = f" and {left} more" if left > 0 else ""
    return ", ".join(columns[:_MOST_SHOWN]) + more
