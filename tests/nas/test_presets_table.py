import json

from typer.testing import CliRunner

from nas.cli import app
from nas.presets_table import PresetRow, count_built, describe_row, preset_rows
from search_spaces import complexity, preset
from search_spaces.complexity import Complexity


def row(built: Complexity | None) -> PresetRow:
    size = Complexity(params=10, macs=20)
    return PresetRow(name="x-8", layers=8, published=size, arithmetic=size, built=built)


def test_all_rows_are_equal_by_arithmetic() -> None:
    rows = list(preset_rows(build=False))
    assert len(rows) == 29
    assert all(row.is_equal for row in rows)


def test_built_network_is_counted_by_torch() -> None:
    assert count_built(preset("resnet-20-b")) == complexity(preset("resnet-20-b"))


def test_row_that_differs_in_the_built_network_is_not_equal() -> None:
    differing = row(Complexity(params=10, macs=21))
    assert not differing.is_equal
    assert "21" in describe_row(differing)
    assert row(None).is_equal


def test_command_prints_the_table() -> None:
    result = CliRunner().invoke(app, ["presets"])
    assert result.exit_code == 0
    assert "29 of 29 rows equal" in result.output
    assert "resnet-110-c" in result.output


def test_command_gives_json() -> None:
    result = CliRunner().invoke(app, ["presets", "--json"])
    rows = json.loads(result.output)
    assert {row["equal"] for row in rows} == {True}
    assert rows[0]["published"] == {"params": 269722, "macs": 40551040}
