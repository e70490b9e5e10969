"""Tables of trials: read from CSV or from rows in memory, with what else the map must know."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas.benefit.context import BenefitContext, Direction
from nas.benefit.sample import kinds_of
from nas.errors import TableError
from nas.table_checks import check_together
from nas.table_columns import check_columns
from nas.table_lines import Line
from nas.table_writing import write_trials_csv
from nas.trials import Source, TrialRecord
from search_spaces.places import Kind

__all__ = [
    "context_from_rows",
    "read_trials_csv",
    "records_from_rows",
    "split_repeats",
    "write_trials_csv",
]


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
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            lines = [(reader.line_num, line) for line in reader]
    except FileNotFoundError:
        raise TableError(f"The table of trials must exist, got {str(path)!r}.") from None
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path}: must be readable CSV in UTF-8, got {error}. Save it again as CSV UTF-8."
        ) from error
    except (OSError, csv.Error) as error:
        raise TableError(f"{path}: must be readable CSV in UTF-8, got {error}.") from error
    return _records(str(path), columns, lines)


def records_from_rows(rows: Iterable[Mapping[str, Any]]) -> list[TrialRecord]:
    """Read trials from rows in memory, such as `frame.to_dict("records")` of a pandas table.

    Columns as in `read_trials_csv`; None and NaN are empty cells. Rows count from 1 in messages.

    Raises:
        TableError: A column or a value is missing or wrong; the message names the row.
    """
    listed = [dict(row) for row in rows]
    columns = list(dict.fromkeys(name for row in listed for name in row))
    lines = [
        (number, {name: _cell(row.get(name)) for name in columns})
        for number, row in enumerate(listed, start=1)
    ]
    return _records("table", columns, lines)


def _cell(value: Any) -> str:
    is_missing = value is None or value != value
    return "" if is_missing else str(value)


def _records(
    where: str, columns: Sequence[str], lines: Sequence[tuple[int, Mapping[Any, Any]]]
) -> list[TrialRecord]:
    check_columns(where, columns)
    if not lines:
        raise TableError(
            f"{where}: must hold at least one trial, got only the header. Add one line per trial."
        )
    records = [Line(f"{where}, line {number}", line).record() for number, line in lines]
    check_together(where, [number for number, _ in lines], records, columns)
    return records


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
