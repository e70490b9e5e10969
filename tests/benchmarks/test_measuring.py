import json
from pathlib import Path

import pytest

from benchmarks.measuring import (
    about_this_run,
    format_table,
    interleave,
    ratios,
    spread_of,
    write_result,
)


def test_arms_run_in_turn_and_each_turn_begins_with_another() -> None:
    order: list[tuple[str, int]] = []

    def arm(name: str):
        def run(turn: int) -> str:
            order.append((name, turn))
            return f"{name}{turn}"

        return run

    found = interleave({"a": arm("a"), "b": arm("b")}, repeats=2)

    assert order == [("a", 0), ("b", 0), ("b", 1), ("a", 1)]
    assert found == {"a": ["a0", "a1"], "b": ["b0", "b1"]}


def test_a_ratio_is_the_median_over_turns() -> None:
    assert ratios([1.0, 10.0, 30.0], [1.0, 5.0, 10.0]) == spread_of([1.0, 2.0, 3.0])


def test_a_result_names_machine_versions_and_commit(tmp_path: Path) -> None:
    path = write_result("made", {"rate": spread_of([1.0, 2.0, 3.0])}, folder=tmp_path)

    found = json.loads(path.read_text())

    assert found["rate"] == {"median": 2.0, "low": 1.0, "high": 3.0, "count": 3}
    assert found["machine"]["cores"] >= 1
    assert {"python", "torch", "optuna", "wandb"} <= found["versions"].keys()
    assert found.keys() == {*about_this_run(), "rate"}


def test_what_is_not_finite_is_written_as_a_word(tmp_path: Path) -> None:
    path = write_result("made", {"half_width": [float("inf")]}, folder=tmp_path)

    assert json.loads(path.read_text())["half_width"] == ["inf"]


def test_other_objects_are_no_result(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="must be JSON values, got object"):
        write_result("made", {"thing": object()}, folder=tmp_path)


def test_a_table_is_markdown_with_aligned_columns() -> None:
    table = format_table(["arm", "seconds"], [["stock", 2], ["nas", 10]])

    assert table.splitlines()[-1] == "| nas   | 10      |"
