import math
from pathlib import Path

import pytest

from nas.errors import TableError
from nas.table_cells import cells_of_rows, read_cells
from nas.tables import read_trials_csv
from tests.nas.table_files import GOOD, HEADER


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("mark", [";", "\t"])
def test_semicolons_and_tabs_separate_too(tmp_path: Path, mark: str) -> None:
    text = f"{HEADER}\n{GOOD}\n".replace(",", mark)
    [row] = read_trials_csv(write(tmp_path / "a.csv", text))
    assert row.value == 0.5
    assert row.decisions == {
        "depth.stage1": 2,
        "skip.stage1.block1": "none",
        "skip.stage1.block2": "none",
    }


def test_a_spreadsheet_with_decimal_commas_its_mark_and_empty_lines_is_read(
    tmp_path: Path,
) -> None:
    header = HEADER.replace(",", ";")
    text = f"\r\nsep=;\r\n{header}\r\n\r\n0;complete;randomised;0,5;2;none;none\r\n;;;;;;\r\n"
    cells = read_cells(write(tmp_path / "a.csv", text, "utf-8-sig"))
    assert cells.columns[:4] == ["trial", "state", "source", "value"]
    assert [(number, line["value"]) for number, line in cells.lines] == [(5, "0.5")]


def test_quoted_cells_keep_their_commas_and_line_breaks(tmp_path: Path) -> None:
    text = f'"{HEADER.replace(",", chr(34) + "," + chr(34))}",note\n{GOOD},"a, b\nc;d;e;f;g;h;i"\n'
    cells = read_cells(write(tmp_path / "a.csv", text))
    assert [number for number, _ in cells.lines] == [3]
    assert cells.lines[0][1]["note"] == "a, b\nc;d;e;f;g;h;i"


def test_a_quote_that_does_not_end_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f'{HEADER}\n0,complete,"randomised,0.5,2,none,none\n')
    with pytest.raises(TableError, match=r"a\.csv: must be readable CSV in UTF-8, got unexpected"):
        read_cells(path)


def test_mappings_in_rows_become_columns_and_missing_values_empty_cells() -> None:
    rows = [
        {"config": {"lr": 0.1, "net": {"depth": 2}}, "value": math.nan},
        {"config": {"lr": None}, "value": True},
    ]
    cells = cells_of_rows(rows)
    assert cells.columns == ["config.lr", "config.net.depth", "value"]
    assert [line for _, line in cells.lines] == [
        {"config.lr": "0.1", "config.net.depth": "2", "value": ""},
        {"config.lr": "", "config.net.depth": "", "value": "True"},
    ]
