"""Tables of W&B runs: the CSV of the runs table, or rows of `wandb.Api().runs`; no wandb here."""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nas.errors import TableError
from nas.own_names import ABSENT
from nas.table_cells import Cells
from nas.trials import State
from nas.wandb_keys import to_parameter

_SKIP = re.compile(r"^skip_s[1-9]\d*_b\d{2,}$")
_DECISION = re.compile(r"^(?:depth_s[1-9]\d*|(?:skip|span)\d*_s[1-9]\d*_b\d{2,})$")
_PREFIX = re.compile(r"^(config|summary|summary_metrics)[./]")
_VALUE = re.compile(r"[./]value$")
"""Raw configs keep each value under this key."""
_RENAMED = {"anchor": "name"}
_STATES = {
    "finished": State.COMPLETE,
    "crashed": State.FAILED,
    "failed": State.FAILED,
    "killed": State.FAILED,
}
_REASONS = {"crashed": "lost", "killed": "lost", "failed": "error"}
"""Why a run failed that does not say so itself: W&B knows how the process ended, and not that the
training diverged."""
_NO_NUMBERS = ("nan", "infinity", "-infinity", "null")
"""How W&B writes values that are none."""
_RUN_NAME = "run name"
"""W&B calls its runs by names of their own, which are none of ours."""
_RUN_STATE = "State"
"""W&B's own word for how a run ended, a column of the runs table."""


def is_wandb_table(cells: Cells) -> bool:
    """Say whether the columns are those of runs that this toolkit logged."""
    return any(_SKIP.match(_bare(name)) for name in _flat_columns(cells))


def from_wandb(cells: Cells) -> Cells:
    """Return the table by the names that decisions have here.

    `skip_s2_b03`, also with `config/` or `config.` before it, becomes `skip.stage2.block3`, and
    `absent` an empty cell. Columns that a table of trials does not have stay and are ignored.

    Raises:
        TableError: The runs are those of several studies.
    """
    opened = [(number, _opened(line)) for number, line in cells.lines]
    names = list(dict.fromkeys([*cells.columns, *(n for _, line in opened for n in line if n)]))
    # A name without prefix is W&B's or the user's choice and wins, then config, then summary.
    order = sorted(names, key=lambda name: (bool(_PREFIX.match(name)), name.startswith("summary")))
    targets: dict[str, list[str]] = {}
    for name in order:
        targets.setdefault(_target(name), []).append(name)
    columns = list(dict.fromkeys(_target(name) for name in names))
    lines = [(number, _line(line, targets)) for number, line in opened]
    _check_one_study(cells.where, lines)
    if _RUN_STATE in columns:
        columns += [name for name in ("state", "reason") if name not in columns]
    elif "state" in columns and "reason" not in columns:
        columns.append("reason")
    return Cells(where=cells.where, columns=columns, lines=lines)


def _check_one_study(where: str, lines: Sequence[tuple[int, Mapping[Any, Any]]]) -> None:
    studies = dict.fromkeys(line["study"] for _, line in lines if line.get("study"))
    if len(studies) > 1:
        raise TableError(
            f"{where}: the runs must be those of one study, got {' and '.join(studies)}. Filter the "
            "runs by config key study, and export them again."
        )


def _line(line: Mapping[str | None, Any], targets: Mapping[str, list[str]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for target, names in targets.items():
        texts = [line[name] for name in names if line.get(name)]
        text = texts[0] if texts and texts[0].lower() not in _NO_NUMBERS else ""
        is_span = target.startswith("span")
        found[target] = "" if text == ABSENT or (is_span and text in ("0", "0.0")) else text
    found["state"], reason = _state(line, targets.get("state", []))
    found["reason"] = found.get("reason") or reason
    if None in line:
        found[None] = line[None]
    return found


def _state(line: Mapping[str | None, Any], names: Sequence[str]) -> tuple[str, str]:
    """Return how the training ended, in our words where they are there, and why if it failed."""
    words = [str(line[name]).lower() for name in (*names, _RUN_STATE) if line.get(name)]
    ours = next((word for word in words if word in set(State)), None)
    mapped = next((_STATES[word].value for word in words if word in _STATES), "")
    state = ours or mapped
    known = (_REASONS[word] for word in words if word in _REASONS)
    return state, next(known, "") if state == State.FAILED else ""


def _bare(name: str) -> str:
    """Return a key without the part of the run that it comes from."""
    without = _PREFIX.sub("", name)
    return _VALUE.sub("", without) if without != name else name


def _target(name: str) -> str:
    bare = _bare(name)
    if name == "name":
        return _RUN_NAME
    return to_parameter(bare) if _DECISION.match(bare) else _RENAMED.get(bare, bare)


def _flat_columns(cells: Cells) -> Iterator[str]:
    yield from cells.columns
    if cells.lines and any(name in cells.columns for name in ("config", "summary")):
        yield from (name for name in _opened(cells.lines[0][1]) if name)


def _opened(line: Mapping[str | None, Any]) -> dict[str | None, Any]:
    """Take apart columns that hold a whole config or summary as text, as exported frames do."""
    found = dict(line)
    for column in ("config", "summary"):
        text = found.get(column)
        inner = _mapping(text) if isinstance(text, str) and text.startswith("{") else None
        if inner is not None:
            del found[column]
            for key, value in inner.items():
                own = value.get("value") if isinstance(value, Mapping) else value
                found[f"{column}.{key}"] = "" if own is None else str(own)
    return found


def _mapping(text: str) -> Mapping[str, Any] | None:
    """Read JSON or what Python prints of a dictionary; None where it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            # Python prints numbers that are none as words, which are no literals.
            text = re.sub(r"\b(?:nan|-?inf)\b", "None", text) if read is json.loads else text
            continue
        if isinstance(found, Mapping):
            return found
    return None
