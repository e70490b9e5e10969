import csv
import time
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.benefit import BenefitContext, skip_benefit
from nas.design import design_rows
from nas.errors import TableError
from nas.rows_to_add import RowsToAdd, remove_rows_to_add, rows_to_add
from nas.tables import context_from_rows, read_table, read_trials_csv, write_trials_csv
from nas.trials import Source, State, TrialRecord
from search_spaces.places import Kind, Place
from tests.nas.table_files import design_trials


def made(trials: list[TrialRecord], folder: Path, **more: Any) -> RowsToAdd | None:
    context = context_from_rows(trials, direction="minimize", sesoi=0.001)
    benefit = skip_benefit(trials, [], context)
    return rows_to_add(trials, benefit, replace(context, **more), folder)


@pytest.fixture
def bare() -> list[TrialRecord]:
    """Design rows as a table has them: their networks are not known."""
    return [replace(row, spec=None, spec_id=None) for row in design_trials(24)]


def patterns(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(v for k, v in row.items() if k.startswith("skip.")) for row in rows]


def test_rows_go_on_with_the_design_beside_those_that_are_there(
    bare: list[TrialRecord], tmp_path: Path
) -> None:
    found = made(bare, tmp_path)
    assert found is not None
    assert found.settles == "a first step towards the other 30 answers"
    assert found.rows[0].number == 24
    new = patterns([dict(row.decisions) for row in found.rows])
    assert not set(new) & set(patterns([dict(row.decisions) for row in bare]))
    # Whole sets: every block has each kind equally often.
    for column in zip(*new, strict=True):
        assert len(set(Counter(column).values())) == 1
    assert {row.lr for row in found.rows} == {0.1}
    assert len({row.seed for row in found.rows}) == len(found.rows)


def test_filled_in_they_make_a_table_that_answers_more(
    bare: list[TrialRecord], tmp_path: Path
) -> None:
    found = made(bare, tmp_path)
    assert found is not None
    found.write(tmp_path)
    path = tmp_path / "rows_to_add.csv"
    with pytest.raises(TableError, match=r"got \d+ without \(not trained yet\)\. Fill in column"):
        read_trials_csv(path)
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:30]:
        row["value"] = str(1.0 + 0.01 * sum(v == "none" for v in row.values()))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    read = read_table(path)
    assert len(read.records) == 30
    assert {row.source for row in read.records} == {Source.RANDOMISED}
    assert [rows.reason for rows in read.unused] == ["not trained yet"]
    write_trials_csv(tmp_path / "all.csv", [*bare, *read.records])
    assert len(read_trials_csv(tmp_path / "all.csv")) == 54


def test_what_somebody_has_filled_in_is_neither_overwritten_nor_removed(
    bare: list[TrialRecord], tmp_path: Path
) -> None:
    first = made(bare, tmp_path)
    assert first is not None
    first.write(tmp_path)
    remove_rows_to_add(tmp_path)
    assert not (tmp_path / "rows_to_add.csv").exists()
    (tmp_path / "rows_to_add.csv").write_text("trial,value\n0,0.5\n")
    second = made(bare, tmp_path)
    assert second is not None
    assert second.to_dict()["path"] == "rows_to_add-2.csv"
    assert second.describe(tmp_path).startswith(f"rows     {tmp_path}/rows_to_add-2.csv: ")
    remove_rows_to_add(tmp_path)
    assert (tmp_path / "rows_to_add.csv").exists()
    # What cannot be read may be theirs as well.
    (tmp_path / "rows_to_add.csv").write_bytes(b"\xff\xfe")
    assert made(bare, tmp_path) == second


def test_without_design_rows_there_are_enough_for_all_blocks(
    bare: list[TrialRecord], tmp_path: Path
) -> None:
    adaptive = [replace(row, source=Source.ADAPTIVE) for row in bare]
    found = made(adaptive, tmp_path)
    assert found is not None
    assert len(found.rows) >= 2 * 31
    assert found.settles == "what the skips of 15 blocks are worth"
    assert "depth.stage1" in found.rows[0].decisions


def test_kinds_are_those_that_blocks_have_had(bare: list[TrialRecord], tmp_path: Path) -> None:
    rows = [
        replace(row, decisions={k: v for k, v in row.decisions.items() if "depth" not in k})
        for row in bare
    ]
    name = "skip.stage1.block1"
    for row in rows:
        row.decisions[name] = str(row.decisions[name]).replace("projection", "none")
    found = made(rows, tmp_path)
    assert found is not None
    assert {row.decisions[name] for row in found.rows} == {"none", "identity"}
    assert {row.decisions["skip.stage1.block2"] for row in found.rows} >= {"projection"}
    assert not any("depth" in name for name in found.rows[0].decisions)


@pytest.mark.parametrize("more", [{"run_folder": "runs/made"}, {"recipe": {"lr": 0.1}}])
def test_studies_of_ours_train_their_rows_themselves(
    bare: list[TrialRecord], tmp_path: Path, more: dict[str, Any]
) -> None:
    assert made(bare, tmp_path, **more) is None


def test_nothing_is_added_where_nothing_is_known_or_would_help(tmp_path: Path) -> None:
    empty = BenefitContext(direction="minimize")
    assert rows_to_add([], skip_benefit([], [], empty), empty, tmp_path) is None
    small = [
        replace(row, spec=None, spec_id=None, decisions={"skip.stage1.block1": kind})
        for row, kind in zip(design_trials(4), ["none", "identity"] * 2, strict=True)
    ]
    assert made(small, tmp_path) is None


def test_where_all_is_settled_there_is_nothing_to_add(tmp_path: Path) -> None:
    rows = [replace(row, spec=None, spec_id=None) for row in design_trials(120)]
    context = context_from_rows(rows, direction="minimize", sesoi=0.09)
    benefit = skip_benefit(rows, [], context)
    assert benefit["settled"]["num_settled"] == benefit["settled"]["num_answers"]
    assert rows_to_add(rows, benefit, context, tmp_path) is None


def planned(number: int) -> list[TrialRecord]:
    """Twelve blocks of two kinds, drawn by lot, with a value that has noise."""
    rng = np.random.default_rng(3)
    rows = []
    for index in range(number):
        codes = rng.integers(2, size=12)
        rows.append(
            TrialRecord(
                number=index,
                state=State.COMPLETE,
                source=Source.RANDOMISED,
                decisions={
                    f"skip.stage{block // 4 + 1}.block{block % 4 + 1}": ("none", "identity")[code]
                    for block, code in enumerate(codes)
                },
                value=float(1.0 - 0.02 * codes[0] + 0.1 * rng.standard_normal()),
            )
        )
    return rows


@pytest.mark.parametrize("num_trials", [300, 10_000])
def test_of_a_great_many_rows_a_first_part_is_written_in_a_short_time(
    tmp_path: Path, num_trials: int
) -> None:
    rows = planned(num_trials)
    context = context_from_rows(rows, direction="minimize")
    step = {"design_rows": 6000, "is_first_step": False}
    benefit = {"settled": {"num_answers": 13, "num_settled": 1, "next": step}}
    started = time.process_time()
    found = rows_to_add(rows, benefit, context, tmp_path)
    assert time.process_time() - started < 10
    assert found is not None
    assert len(found.rows) == 512
    assert found.settles == (
        "the other 12 answers, the first of about 6,000 if effects are what they seem"
    )
    new = patterns([dict(row.decisions) for row in found.rows])
    assert len(set(new)) == 512


def test_rows_that_go_on_from_many_are_not_those_that_are_there(tmp_path: Path) -> None:
    places = [Place(stage, block) for stage in (1, 2, 3) for block in (1, 2, 3, 4)]
    designs = islice(design_rows(places, (Kind.NONE, Kind.IDENTITY), 0), 600)
    rows = [
        replace(row, decisions={f"skip.{place}": kind.value for place, kind in design.items()})
        for row, design in zip(planned(600), designs, strict=True)
    ]
    context = context_from_rows(rows, direction="minimize")
    step = {"design_rows": 64, "is_first_step": True}
    benefit = {"settled": {"num_answers": 13, "num_settled": 12, "next": step}}
    found = rows_to_add(rows, benefit, context, tmp_path)
    assert found is not None
    assert found.settles == "a first step towards the last answer"
    new = patterns([dict(row.decisions) for row in found.rows])
    assert not set(new) & set(patterns([dict(row.decisions) for row in rows]))


def test_of_a_tiny_table_it_is_said_how_many_rows_it_takes(tmp_path: Path) -> None:
    rows = planned(3)
    context = context_from_rows(rows, direction="minimize")
    step = {"design_rows": 9, "is_first_step": True}
    benefit = {"settled": {"num_answers": 12, "num_settled": 0, "next": step}}
    found = rows_to_add(rows, benefit, context, tmp_path)
    assert found is not None
    assert found.describe(tmp_path).endswith(
        "rows_to_add.csv: 16 to train for a first step: the other 12 answers need at least 26 rows "
        "in all"
    )
