import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from nas.config import StudyConfig, make_config
from nas.errors import ConfigError, StorageError
from nas.planning import PlanOptions, plan_design
from nas.records import to_records
from nas.report_sources import report_csv, report_storage
from nas.tables import read_trials_csv
from search_spaces.complexity import complexity
from search_spaces.spec import Kind

SPACE = {"stages": 2, "max_blocks": 4, "kinds": ["none", "identity"]}
GAINS = {"skip.stage1.block1": 1.0, "skip.stage1.block2": 0.6, "skip.stage2.block4": -0.8}
"""What an identity is worth at these blocks, beyond 0.05 everywhere; higher is better."""


def config(**changes: Any) -> StudyConfig:
    search = {"mode": "effects", "duplicates": "reseed", **changes.pop("search", {})}
    return make_config({"space": SPACE, "search": search, **changes})


def higher(**changes: Any) -> StudyConfig:
    search = {"metric": "val/accuracy", "direction": "maximize", **changes}
    return config(search=search)


def planted(decisions: Mapping[str, Any], rng: np.random.Generator) -> float:
    """A made-up metric: neighbours stand in for each other, besides what skips are worth."""
    have = {name: value == "identity" for name, value in decisions.items() if "skip" in name}
    value = sum(GAINS.get(name, 0.05) for name, has in have.items() if has)
    both = have["skip.stage1.block3"] and have["skip.stage1.block4"]
    return value - 0.3 * both + rng.normal(0, 0.1)


def check_found(benefit: Mapping[str, Any]) -> None:
    blocks = {
        f"skip.stage{row['stage']}.block{row['block']}": row
        for row in benefit["effects"]
        if row["estimand"] == "AMCE" and row["kind"] == "identity"
    }
    assert len(blocks) == 8
    for name, gain in GAINS.items():
        row = blocks[name]
        assert row["estimate"] == pytest.approx(gain, abs=0.15)
        assert row["decision"] == ("benefit" if gain > 0 else "harm")
    for name in ("skip.stage1.block3", "skip.stage1.block4"):
        assert blocks[name]["estimate"] == pytest.approx(0.05 - 0.15, abs=0.15)


def test_plan_to_table_to_map_finds_what_was_planted(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    lines = plan_design(higher(), PlanOptions(num_rows=64, to=str(path)))
    assert lines[0] == (
        f"plan     64 rows in {path}: networks of 18 layers, 8 blocks of none, identity; each row "
        "with its mirror"
    )
    assert lines[-1] == f"report   nas report --csv {path} --direction maximize"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rng = np.random.default_rng(0)
    # The last pair is not trained yet.
    for row in rows[:-2]:
        row["value"] = str(planted(row, rng))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    written = report_csv(path, "maximize", None, tmp_path / "report")
    assert written.benefit["rows"]["used"] == 62
    check_found(written.benefit)


def test_plan_to_study_to_map_finds_what_was_planted(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/mine.db"
    lines = plan_design(higher(), PlanOptions(num_rows=64, to=url, name="mine"))
    assert lines[0].startswith("plan     64 rows enqueued in new study 'mine': networks of 18")
    assert lines[-1] == f"report   nas report --storage {url} --name mine"
    rng = np.random.default_rng(0)
    study = optuna.load_study(storage=url, study_name="mine")
    study.optimize(lambda trial: planted(trial.user_attrs["decisions"], rng), n_trials=64)
    check_found(report_storage(url, "mine", None, tmp_path / "report").benefit)
    more = plan_design(higher(), PlanOptions(num_rows=2, to=url, name="mine"))
    assert more[0].startswith("plan     2 rows enqueued in study 'mine', after 64 of the same des")


def test_rates_that_are_crossed_are_said_and_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    lines = plan_design(higher(lr_factors=[0.333, 1]), PlanOptions(to=str(path)))
    assert lines[1] == "rates    0.0333 and 0.1, crossed with the kinds"
    assert plan_design(higher(), PlanOptions(to=str(tmp_path / "one.csv")))[1] == "rates    0.1"
    with path.open(encoding="utf-8", newline="") as file:
        rates = [row["lr"] for row in csv.DictReader(file)]
    assert rates[::2] == rates[1::2]
    assert len(set(rates)) == 2


def test_what_a_plan_cannot_do_is_said(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    own = config(constraints={"max_latency_ms": 1.0}, space={"stages": 2, "max_blocks": 3})
    lines = plan_design(own, PlanOptions(num_rows=7, to=str(path)))
    assert "balanced at random" in lines[0]
    assert "limits   max_latency_ms is not looked at here" in lines
    said = "\n".join(lines)
    assert "fewer than 26 rows, two for each term, only screen" in said
    assert "2 more would complete the last balanced set of 3" in said


def test_rows_beyond_a_limit_are_counted_up_to_the_map(tmp_path: Path) -> None:
    space = {"stages": 2, "max_blocks": 2}
    smallest = complexity(config(space=space).make_space().uniform((2, 2), Kind.NONE)).params
    # At most one projection, of the first stage or of the second one.
    own = config(constraints={"max_params": smallest + 200}, space=space)
    path = tmp_path / "plan.csv"
    lines = plan_design(own, PlanOptions(num_rows=40, to=str(path)))
    number = int(next(line for line in lines if "were left out" in line).split()[1])
    assert number > 0
    records = read_trials_csv(fill(path))
    assert sum(record.rows_left_out for record in records) == number
    url = f"sqlite:///{tmp_path}/mine.db"
    plan_design(own, PlanOptions(num_rows=len(records), to=url, name="mine"))
    study = optuna.load_study(storage=url, study_name="mine")
    assert sum(record.rows_left_out for record in to_records(study.trials)) == number


def fill(path: Path) -> Path:
    """Write the table again with a value in every row."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    filled = path.with_name("filled.csv")
    with filled.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "value": "0.5"} for row in rows)
    return filled


def test_a_single_row_is_no_rows(tmp_path: Path) -> None:
    lines = plan_design(config(), PlanOptions(num_rows=1, to=str(tmp_path / "plan.csv")))
    assert lines[0].startswith("plan     1 row in ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "sqlite:///x.db"}, r"nas plan: a storage needs --name, got none"),
        ({"to": "x.log"}, r"nas plan: a storage needs --name, got none"),
        ({"to": "plan.csv", "name": "mine"}, r"--name belongs to a storage, got name='mine' with"),
        (
            {"to": "plan.txt"},
            r"--to must be a \*\.csv file, a \*\.log journal or a storage URL, go",
        ),
        ({"to": "old.csv"}, r"--to must be a new file, got 'old\.csv', which is there"),
        ({"to": "plan.csv", "num_rows": 0}, r"--rows must be >= 1, got rows=0"),
    ],
)
def test_flags_that_say_nothing_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.csv").write_text("results")
    with pytest.raises(ConfigError, match=message):
        plan_design(config(), PlanOptions(**options))
    assert (tmp_path / "old.csv").read_text() == "results"
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"]


def test_password_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://ann:s3cret@localhost:1/db"
    with pytest.raises(StorageError) as caught:
        plan_design(config(), PlanOptions(num_rows=2, to=url, name="mine"))
    assert "s3cret" not in str(caught.value)
