"""The cells of a table as text, whatever wrote it: CSV with its dialects, or rows in memory."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from nas.errors import TableError

_SEPARATORS = ",;\t"
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Text by line and column."""

    where: str
    """The table, for messages."""
    columns: Sequence[str]
    lines: Sequence[tuple[int, Mapping[str | None, Any]]]
    """Number and cells of each line; what is beyond the header is under None."""


def read_cells(path: Path) -> Cells:
    """Read a CSV file: separated by commas, semicolons or tabs, with or without byte order mark.

    Empty lines are passed over. Where semicolons separate, numbers may have a decimal comma.

    Raises:
        TableError: The file cannot be read.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        mark, skipped = _separator(text)
        # Quoted cells may hold line breaks, so the reader is given the text as it is.
        reader = csv.reader(StringIO(text, newline=""), delimiter=mark, strict=True)
        rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise TableError(f"The table of trials must exist, got {str(path)!r}.") from None
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path}: must be readable CSV in UTF-8, got {error}. Save it again as CSV UTF-8."
        ) from error
    except (OSError, csv.Error) as error:
        raise TableError(f"{path}: must be readable CSV in UTF-8, got {error}.") from error
    filled = [(number, row) for number, row in rows if any(map(str.strip, row))][skipped:]
    if not filled:
        return Cells(where=str(path), columns=[], lines=[])
    columns = [name.strip() for name in filled[0][1]]
    lines = [(number, _line(columns, row, mark)) for number, row in filled[1:]]
    return Cells(where=str(path), columns=columns, lines=lines)


def _separator(text: str) -> tuple[str, int]:
    """Return what separates the cells, and how many lines come before the header.

    Excel may name the separator in a first line such as `sep=;`.
    """
    first, _, rest = text.lstrip("\r\n").partition("\n")
    named = re.fullmatch(r"sep=(.)\s*", first)
    if named:
        return named[1], 1
    header = re.sub(r'"[^"]*"', "", first if first.strip() else rest.partition("\n")[0])
    # Names of ours hold none of them.
    return max(_SEPARATORS, key=lambda mark: (header.count(mark), mark == ",")), 0


def _line(columns: Sequence[str], row: Sequence[str], mark: str) -> dict[str | None, Any]:
    cells = [text.strip() for text in row]
    if mark == ";":
        cells = [t.replace(",", ".") if _DECIMAL_COMMA.fullmatch(t) else t for t in cells]
    found: dict[str | None, Any] = dict(zip(columns, cells, strict=False))
    if len(cells) > len(columns):
        found[None] = cells[len(columns) :]
    return found


def cells_of_rows(rows: Iterable[Mapping[str, Any]]) -> Cells:
    """Return the cells of rows in memory; None and NaN are empty, mappings are taken apart.

    Rows count from 1. A mapping in a column, such as the config of a W&B run, becomes columns
    `config.lr` and so on.
    """
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    lines: list[tuple[int, dict[str | None, Any]]] = [
        (number, {name: _text(row.get(name)) for name in columns})
        for number, row in enumerate(flat, start=1)
    ]
    return Cells(where="table", columns=columns, lines=lines)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            inner = _flat(value)
            found |= {f"{name}.{key}": own for key, own in inner.items()}
        else:
            found[str(name)] = value
    return found


def _text(value: Any) -> str:
    is_missing = value is None or value != value
    return "" if is_missing else str(value).strip()
