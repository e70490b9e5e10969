"""A plan as CSV: the table that `nas report --csv` reads, with values to be filled in."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.plan_rows import PlanRow
from nas.table_columns import REQUIRED
from nas.trials import Source, State


def write_plan_csv(path: Path, rows: Sequence[PlanRow]) -> None:
    """Write rows that wait for their values, one line each.

    Columns: `trial`, `state` (waiting), `source` (randomised), `value` (empty), `seed`, `lr`, and one
    per decision in network order, empty where a row has none. Where constraints left rows out,
    `rows_left_out` counts them.

    Raises:
        OSError: The file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = [*REQUIRED, "seed", "lr", *_decisions(rows)]
    if any(row.rows_left_out for row in rows):
        columns.append("rows_left_out")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            head: dict[str, Any] = {
                "trial": row.number,
                "state": State.WAITING.value,
                "source": Source.RANDOMISED.value,
                "seed": row.seed,
                "lr": row.lr,
            }
            if row.rows_left_out:
                head["rows_left_out"] = row.rows_left_out
            writer.writerow(head | dict(row.decisions))


def _decisions(rows: Sequence[PlanRow]) -> list[str]:
    """Return the names of all decisions, each after those that come before it in a row."""
    names: list[str] = []
    for row in rows:
        place = 0
        for name in row.decisions:
            if name in names:
                place = names.index(name) + 1
            else:
                names.insert(place, name)
                place += 1
    return names
