"""Trials as CSV for other tools, such as `nas report --csv` reads it."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nas.table_columns import DECISION, REQUIRED, WHOLE_NETWORK
from nas.trials import TrialRecord


def write_trials_csv(path: Path, records: Iterable[TrialRecord]) -> None:
    """Write trials so that `read_trials_csv` reads them back; decisions in network order.

    Trials that wait or train are left out: they are no results, and tables hold none.
    """
    rows = [_row(record) for record in records if record.state.is_finished]
    names = dict.fromkeys(name for row in rows for name in row)
    decisions = sorted((name for name in names if DECISION.match(name)), key=_order)
    rest = [name for name in names if name not in decisions]
    head = [*REQUIRED, "seed", "lr", "weight_decay"]
    columns = [*head, *decisions, *(name for name in rest if name not in head)]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _row(record: TrialRecord) -> dict[str, Any]:
    """Return the cells; where constraints left rows out, their number tells that map from others."""
    left_out = {"rows_left_out": record.rows_left_out} if record.rows_left_out else {}
    return record.to_row() | left_out


def _order(name: str) -> tuple[int, int, str, int]:
    """The whole network first, then depths, then the blocks in network order."""
    if name in WHOLE_NETWORK:
        return (0, WHOLE_NETWORK.index(name), name, 0)
    word, place = name.split(".", 1)
    stage, _, block = place.removeprefix("stage").partition(".block")
    return (1 if word == "depth" else 2, int(stage), word, int(block or 0))
