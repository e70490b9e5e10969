import csv
from pathlib import Path

from nas.config import make_config
from nas.plan_rows import PlanRow, make_plan
from nas.plan_writing import write_plan_csv

RESEED = {"search": {"duplicates": "reseed"}}
SMALL = {"stages": 1, "max_blocks": 2}
LONG = {"name": "longskip", "stages": 1, "max_blocks": 3, "max_span": 2}


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_columns_are_those_of_the_report_and_values_wait(tmp_path: Path) -> None:
    plan = make_plan(make_config({"space": SMALL, **RESEED}), 4)
    path = tmp_path / "new" / "plan.csv"
    write_plan_csv(path, plan.rows)
    lines = read(path)
    assert list(lines[0]) == [
        *("trial", "state", "source", "value", "seed", "lr"),
        *("depth.stage1", "skip.stage1.block1", "skip.stage1.block2"),
    ]
    for line, row in zip(lines, plan.rows, strict=True):
        assert (line["trial"], line["state"], line["source"]) == (
            str(row.number),
            "waiting",
            "randomised",
        )
        assert line["value"] == ""
        assert (line["seed"], float(line["lr"])) == (str(row.seed), row.lr)
        assert {k: v for k, v in line.items() if k in row.decisions} == {
            name: str(value) for name, value in row.decisions.items()
        }


def test_decisions_of_some_rows_alone_come_in_network_order(tmp_path: Path) -> None:
    plan = make_plan(make_config({"space": LONG, **RESEED}), 12)
    write_plan_csv(tmp_path / "plan.csv", plan.rows)
    lines = read(tmp_path / "plan.csv")
    names = [name for name in lines[0] if "." in name]
    assert names.index("skip.stage1.block2") + 1 == names.index("span.stage1.block2")
    assert names.index("span.stage1.block2") + 1 == names.index("skip.stage1.block3")
    for line, row in zip(lines, plan.rows, strict=True):
        assert {n: line[n] for n in names if line[n]} == {
            name: str(value) for name, value in row.decisions.items()
        }


def test_rows_without_seed_or_rate_leave_them_empty(tmp_path: Path) -> None:
    row = PlanRow(number=7, decisions={"skip.stage1.block1": "none"})
    write_plan_csv(tmp_path / "plan.csv", [row])
    [line] = read(tmp_path / "plan.csv")
    assert (line["trial"], line["seed"], line["lr"]) == ("7", "", "")
