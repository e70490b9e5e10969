"""Tables of trials: read from CSV or from rows in memory, with what else the map must know."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.benefit.context import BenefitContext, Direction
from nas.benefit.sample import kinds_of
from nas.errors import TableError
from nas.own_names import OwnNames, renamed
from nas.table_cells import Cells, cells_of_rows, read_cells
from nas.table_checks import check_together
from nas.table_columns import DECISION, check_columns
from nas.table_lines import Line
from nas.table_problems import Problems, ReadRows, RowError, unused_rows
from nas.table_writing import write_trials_csv
from nas.trials import Source, State, TrialRecord
from nas.wandb_table import from_wandb, is_wandb_table
from search_spaces.places import Kind

__all__ = [
    "context_from_rows",
    "read_rows",
    "read_table",
    "read_trials_csv",
    "records_from_rows",
    "split_repeats",
    "write_trials_csv",
]


_ENQUEUED = "system_attrs_fixed_params"
"""Column of Optuna's own tables: parameters that somebody fixed."""


def read_trials_csv(path: Path) -> list[TrialRecord]:
    """Read trials from a CSV file.

    Columns: `trial`, `state` (complete, pruned, failed), `source` (randomised, adaptive, anchor,
    finalist, paired), `value`, and one per decision (`depth.stage1`, `skip.stage1.block1`, ...),
    empty where the block does not exist. Depth columns may be missing when every stage keeps its
    depth. Optional: `width` (a number) and `block` (a word) where these were decided, `seed`, `lr`,
    `weight_decay`, `val_accuracy`, `layers` (all layers with weights; 2 per block and 2 more where
    it is missing) and what else `write_trials_csv` writes; columns of other names are ignored.

    Raises:
        TableError: A column or a value is missing or wrong; the message names the line.
    """
    return read_table(path).records


def records_from_rows(rows: Iterable[Mapping[str, Any]]) -> list[TrialRecord]:
    """Read trials from rows in memory, such as `frame.to_dict("records")` of a pandas table.

    Columns as in `read_trials_csv`; None and NaN are empty cells. Rows count from 1 in messages.

    Raises:
        TableError: A column or a value is missing or wrong; the message names the row.
    """
    return read_rows(rows).records


def read_table(path: Path, names: OwnNames | None = None) -> ReadRows:
    """Read trials from a CSV file, under any names, or from the CSV of a W&B runs table.

    Args:
        path: The file; columns as in `read_trials_csv`, unless `names` says otherwise.
        names: What columns and kinds are called there.

    Raises:
        TableError: A column or a value is missing or wrong; the message names all such lines.
    """
    return _read(read_cells(Path(path)), names or OwnNames())


def read_rows(rows: Iterable[Mapping[str, Any]], names: OwnNames | None = None) -> ReadRows:
    """Read trials from rows in memory, as `read_table` reads a file.

    Raises:
        TableError: A column or a value is missing or wrong; the message names all such rows.
    """
    return _read(cells_of_rows(rows), names or OwnNames())


def _read(cells: Cells, names: OwnNames) -> ReadRows:
    has_our_names = any(name.startswith("skip.") for name in cells.columns)
    is_wandb = not has_our_names and is_wandb_table(cells)
    if is_wandb:
        cells = from_wandb(cells)
    columns, ours = renamed(cells.columns, names, cells.where)
    is_foreign = is_wandb or bool(names.columns)
    optional = [*(["trial", "state"] if is_foreign else []), *(["source"] if names.source else [])]
    check_columns(cells.where, columns, optional)
    if not cells.lines:
        raise TableError(
            f"{cells.where}: must hold at least one trial, got only the header. Add one line per "
            "trial."
        )
    lines = [(number, _ours(line, ours, names)) for number, line in cells.lines]
    if "trial" not in columns:
        lines = [(n, {**line, "trial": str(index)}) for index, (n, line) in enumerate(lines)]
    return _records(cells.where, columns, lines, is_foreign=is_foreign)


def _ours(
    line: Mapping[str | None, Any], ours: Mapping[str, str], names: OwnNames
) -> dict[str | None, Any]:
    found: dict[str | None, Any] = {name: line.get(theirs) or "" for theirs, name in ours.items()}
    if names.has_words:
        found = {name: names.value(str(name), text) for name, text in found.items()}
    if names.source and not found.get("source"):
        is_enqueued = bool(line.get(_ENQUEUED))
        found["source"] = Source.ADAPTIVE.value if is_enqueued else names.source
    if None in line:
        found[None] = line[None]
    return found


def _records(
    where: str,
    columns: Sequence[str],
    lines: Sequence[tuple[int, Mapping[str | None, Any]]],
    *,
    is_foreign: bool,
) -> ReadRows:
    problems, numbers, records = Problems(), [], []
    unused: list[tuple[int, str]] = []
    skips = [name for name in columns if DECISION.match(name) and name.startswith("skip")]
    for number, line in lines:
        cells, reason = _with_state(line)
        if is_foreign and not any(cells.get(name) for name in skips):
            reason = "no decision about a skip, as in runs that are no trials"
        if reason is not None:
            unused.append((number, reason))
            continue
        try:
            records.append(Line(f"{where}, line {number}", cells).record())
            numbers.append(number)
        except RowError as error:
            problems.add(number, error)
    problems.check()
    if not records:
        raise TableError(_nothing(where, unused))
    check_together(where, numbers, records, columns)
    return ReadRows(records=records, unused=unused_rows(unused, "line"))


def _with_state(
    cells: Mapping[str | None, Any],
) -> tuple[Mapping[str | None, Any], str | None]:
    """Return the row with its state, and why it cannot be used, if so.

    Rows of a plan wait until somebody has filled in their value.
    """
    word, has_value = (cells.get("state") or "").lower(), bool(cells.get("value"))
    if word in ("", State.WAITING):
        return {**cells, "state": State.COMPLETE.value}, None if has_value else "not trained yet"
    return cells, "not finished" if word == State.RUNNING else None


def _nothing(where: str, unused: Sequence[tuple[int, str]]) -> str:
    reasons = dict.fromkeys(reason for _, reason in unused)
    return (
        f"{where}: some row must be a trial with a result, got {len(unused)} without "
        f"({'; '.join(reasons)}). Fill in column 'value' of those that were trained."
    )


def context_from_rows(
    rows: Sequence[TrialRecord],
    *,
    direction: Direction,
    metric: str = "value",
    name: str = "table",
    sesoi: float | None = None,
) -> BenefitContext:
    """Return the context of trials that nothing else is known about.

    Kinds are those that occur; the reference depth is left to the map, which takes the most
    frequent among the design rows.

    Args:
        rows: The trials.
        direction: Which way the value is better.
        metric: Name of the value; `val/log_loss` and `val/accuracy` have a known unit and a
            smallest effect that can be worth having.
        name: Shown as the study's name.
        sesoi: Smallest effect of interest, in the value's unit.
    """
    kinds = {kind for row in rows for kind in kinds_of(row).values()}
    specs = [row.spec for row in rows if row.spec is not None]
    deepest = max(specs, key=lambda spec: (spec.num_blocks, spec.depths), default=None)
    if deepest is not None:
        deepest = deepest.with_skips([])
    return BenefitContext(
        direction=direction,
        metric=metric,
        study_name=name,
        num_classes=deepest.num_classes if deepest is not None else None,
        kinds=tuple(kind for kind in Kind if kind in kinds) or None,
        reference_spec=deepest,
        sesoi=sesoi,
    )


def split_repeats(
    records: Iterable[TrialRecord],
) -> tuple[list[TrialRecord], list[TrialRecord]]:
    """Part a mixed table into search trials and repeats (anchors, finalists, paired)."""
    search, repeats = [], []
    for record in records:
        is_search = record.source in (Source.RANDOMISED, Source.ADAPTIVE)
        (search if is_search else repeats).append(record)
    return search, repeats
