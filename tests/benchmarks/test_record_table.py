"""Recording a table: what is kept, and what is never mixed or lost."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import record_table
from benchmarks.record_table import begin, header_of, read_begun
from benchmarks.recorded_table import DEFAULT, load_table
from trainer.errors import DataError

HEADER = {"space": {"width": 4}, "recipe": {"epochs": 8}}
TRAINED = {"architecture": 0, "seed": 1, "log_loss": [], "accuracy": [], "seconds": 1.0}


def flags(folder: Path, more: str = "") -> list[str]:
    given = f"--name tiny --stages 1 --blocks 2 --epochs 1 --workers 1 --group 5 {more}"
    return [*given.split(), "--folder", str(folder)]


def options(folder: Path, *, seeds: int = 3, overwrite: bool = False) -> argparse.Namespace:
    space = {"stages": 1, "blocks": 2, "width": 4, "epochs": 1}
    return argparse.Namespace(
        name="tiny", folder=folder, seeds=seeds, overwrite=overwrite, **space
    )


def refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        record_table.main(given)
    assert caught.value.code == 2
    return capsys.readouterr().err


def write_lines(path: Path, *lines: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.slow
def test_recording_that_was_interrupted_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_table.main(flags(tmp_path, "--seeds 1 --limit 1"))
    with (tmp_path / "tiny.jsonl").open("a") as file:
        file.write('{"architecture": 5, "se')
    message = "goes on with its own space and recipe, width=4, got width=2. Give the former value"
    assert message in refused(flags(tmp_path, "--seeds 1 --width 2"), capsys)

    record_table.main(flags(tmp_path, "--seeds 1"))

    table = load_table(tmp_path / "tiny.npz")
    assert table.log_loss.shape == table.accuracy.shape == (9, 1, 1)
    assert np.isfinite(table.log_loss).all()
    assert table.space().size == 9
    assert table.about["recipe"]["epochs"] == 1
    assert not (tmp_path / "tiny.jsonl").exists()


def test_whole_recording_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = DEFAULT.read_bytes()
    assert "a whole recording is not replaced, got name=digits_half_stages" in refused([], capsys)
    assert "--seeds: must be an int >= 1, got seeds=0" in refused(["--seeds", "0"], capsys)
    assert DEFAULT.read_bytes() == before

    whole = tmp_path / "tiny.npz"
    whole.write_text("whole")
    error = refused(flags(tmp_path), capsys)
    assert "Give another --name, or --overwrite to replace it." in error
    assert whole.read_text() == "whole"
    assert not (tmp_path / "tiny.jsonl").exists()


def test_whole_recording_is_replaced_where_that_is_wanted(tmp_path: Path) -> None:
    whole = tmp_path / "tiny.npz"
    whole.write_text("whole")
    assert begin(options(tmp_path, overwrite=True)) == []
    # Not before the other one is whole.
    assert whole.read_text() == "whole"
    assert (tmp_path / "tiny.jsonl").exists()


def test_fewer_seeds_than_are_trained_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.jsonl"
    write_lines(path, header_of(options(tmp_path)), TRAINED)
    before = path.read_bytes()
    message = "has trainings on 2 seeds, which would be lost, got seeds=1. Give --seeds 2 or more"
    with pytest.raises(DataError, match=message):
        begin(options(tmp_path, seeds=1))
    assert begin(options(tmp_path, seeds=2)) == [TRAINED]
    assert path.read_bytes() == before


def test_space_and_recipe_are_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "tiny.jsonl"
    assert read_begun(path, HEADER) == []
    assert json.loads(path.read_text()) == HEADER
    write_lines(path, HEADER, TRAINED)
    assert read_begun(path, HEADER) == [TRAINED]


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (HEADER | {"space": {"width": 2}}, "width=2, got width=4. Give the former value"),
        (HEADER | {"recipe": {"epochs": 1}}, "epochs=1, got epochs=8. Give the former value"),
        (TRAINED, "first line must tell space and recipe, got architecture, seed, .* remove the"),
    ],
)
def test_trainings_of_others_are_not_mixed_in(
    tmp_path: Path, first: dict[str, Any], message: str
) -> None:
    path = tmp_path / "tiny.jsonl"
    write_lines(path, first, TRAINED)
    before = path.read_bytes()
    with pytest.raises(DataError, match=message):
        read_begun(path, HEADER)
    assert path.read_bytes() == before


def test_networks_that_there_are_none_of_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "error: space.stages must be <= 8, got stages=9" in refused(
        ["--stages", "9", "--folder", str(tmp_path), "--name", "other"], capsys
    )
    assert list(tmp_path.iterdir()) == []
