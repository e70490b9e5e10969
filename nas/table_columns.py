"""The columns of a table of trials, and what is wrong with a header."""

import re
from collections.abc import Sequence

from nas.errors import TableError

REQUIRED = ("trial", "state", "source", "value")
"""Columns that every table has."""
WHOLE_NETWORK = ("width", "block")
"""Decisions about the network as a whole, a number and a word."""
DECISION = re.compile(
    r"^(?:depth\.stage[1-9]\d*|(?:skip|span)\d*\.stage[1-9]\d*\.block[1-9]\d*|width|block)$"
)
"""Names of the columns that hold decisions."""
_LOOKS_LIKE_DECISION = re.compile(r"^(?:depth|(?:skip|span)\d*)\.")


def check_columns(path: str, columns: Sequence[str]) -> None:
    """Check a header.

    Raises:
        TableError: A column is missing, twice there or misspelt, or the cells are not separated
            by commas.
    """
    if not columns:
        raise TableError(
            f"{path}: must hold a header and trials, got an empty file. Columns: "
            f"{', '.join(REQUIRED)}, and one per decision such as skip.stage1.block1."
        )
    _check_separator(path, columns)
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
        if name not in columns:
            raise TableError(
                f"{path}, line 1: column {name!r} must be there, got {', '.join(columns)}. Add "
                f"it; needed are {', '.join(REQUIRED)}."
            )
    if not any(name.startswith("skip.") for name in columns):
        raise TableError(
            f"{path}, line 1: at least one decision about a skip must be there, got "
            f"{', '.join(columns)}. Add columns such as skip.stage1.block1."
        )


def _check_separator(path: str, columns: Sequence[str]) -> None:
    for mark, words in ((";", "';'"), ("\t", "tabs")):
        if len(columns) == 1 and mark in columns[0]:
            raise TableError(
                f"{path}, line 1: commas are needed between columns, got columns separated by "
                f"{words}. Save it again as comma-separated CSV."
            )
