import json
from pathlib import Path
from typing import Any

import pytest

from nas.errors import ConfigError, StorageError, TableError
from nas.open_study import OpenStudy
from nas.report_sources import (
    check_flags,
    names_of,
    report_csv,
    report_run,
    report_storage,
    what_else,
)
from tests.nas.made_studies import make_study

LOSSES = [0.3 + 0.01 * (7 * n % 24) for n in range(24)]


@pytest.fixture
def study(tmp_path: Path) -> OpenStudy:
    return make_study(tmp_path / "runs", LOSSES, search={"trials": 24})


def benefit(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "skip_benefit.json").read_text())


def test_folder_storage_and_table_say_the_same(study: OpenStudy, tmp_path: Path) -> None:
    by_folder = report_run(study.folder.path, None, None)
    assert by_folder.folder == study.folder.report
    journal = str(study.folder.path / "journal.log")
    by_storage = report_storage(journal, "made", None, tmp_path / "storage")
    table = study.folder.report / "trials.csv"
    by_table = report_csv(table, "minimize", None, tmp_path / "table")
    found = [benefit(report.folder) for report in (by_folder, by_storage, by_table)]
    effects = [json.dumps(one["effects"], sort_keys=True) for one in found]
    assert effects[0] == effects[1]
    # Numbers are written to the table in full.
    assert len({len(one["effects"]) for one in found}) == 1


def test_report_may_go_elsewhere_with_another_smallest_effect(
    study: OpenStudy, tmp_path: Path
) -> None:
    written = report_run(study.folder.path, 0.5, tmp_path / "out")
    assert written.folder == tmp_path / "out"
    assert not study.folder.report.exists()
    assert "0.5" in json.dumps(benefit(tmp_path / "out")["sesoi"])


class TestErrors:
    def test_storage_needs_a_name(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="--storage needs --name, got none"):
            report_storage("journal", None, None, tmp_path)

    def test_study_must_be_in_the_storage(self, study: OpenStudy, tmp_path: Path) -> None:
        journal = str(study.folder.path / "journal.log")
        with pytest.raises(StorageError, match="must hold study 'other', got 'made'"):
            report_storage(journal, "other", None, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("direction", [None, "up"])
    def test_table_needs_a_direction(self, tmp_path: Path, direction: str | None) -> None:
        match = f"minimize or maximize, got direction={direction!r}. Say which way"
        with pytest.raises(ConfigError, match=match):
            report_csv(tmp_path / "a.csv", direction, None, tmp_path)

    def test_table_must_exist(self, tmp_path: Path) -> None:
        with pytest.raises(TableError, match=r"must exist, got '.*a.csv'"):
            report_csv(tmp_path / "a.csv", "minimize", None, tmp_path)


class TestFlags:
    NONE: dict[str, Any] = dict.fromkeys(("run", "csv", "storage", "name", "direction", "sesoi"))

    @pytest.mark.parametrize(
        "flags",
        [
            {},
            {"run": "made", "sesoi": 0.1},
            {"csv": Path("a.csv"), "direction": "minimize"},
            {"storage": "sqlite:///a.db", "name": "made", "names": Path("n.yaml")},
            {"csv": Path("a.csv"), "source": "randomised"},
        ],
    )
    def test_one_source_with_its_flags(self, flags: dict[str, Any]) -> None:
        check_flags(**self.NONE | flags)

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            ({"run": "a", "csv": Path("b")}, "takes one source, got RUN and --csv. Leave one"),
            ({"csv": Path("b"), "storage": "c"}, "takes one source, got --csv and --storage"),
            ({"direction": "minimize"}, "belongs to --csv, got direction='minimize' without"),
            ({"name": "made"}, "--name belongs to --storage, got name='made' without"),
            (
                {"names": Path("n.yaml")},
                "--names belongs to --csv or --storage, got 'n.yaml' with",
            ),
            (
                {"run": "a", "source": "adaptive"},
                "--source belongs to --csv or --storage, got 'ada",
            ),
            ({"sesoi": 0.0}, "--sesoi must be > 0, got sesoi=0"),
            ({"sesoi": float("nan")}, "--sesoi must be > 0, got sesoi=nan"),
        ],
    )
    def test_flags_that_say_nothing_together(self, flags: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            check_flags(**self.NONE | flags)


HEADER = "trial,state,source,value,skip.stage1.block1,skip.stage1.block2"
KINDS = ("none", "identity", "projection")


def write_table(path: Path, state: str, source: str, values: list[str]) -> Path:
    lines = [
        f"{n},{state},{source},{value},{KINDS[n % 3]},{KINDS[n // 3 % 3]}"
        for n, value in enumerate(values)
    ]
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    ("state", "source", "value", "reason"),
    [
        ("failed", "randomised", "", "100 of 100 random networks failed"),
        ("failed", "randomised", "2.3", "100 of 100 random networks failed"),
        ("complete", "adaptive", "2.3", "no trial has source=randomised"),
    ],
)
def test_a_table_without_evidence_says_why(
    tmp_path: Path, state: str, source: str, value: str, reason: str
) -> None:
    table = write_table(tmp_path / "a.csv", state, source, [value] * 100)
    written = report_csv(table, "minimize", None, tmp_path / "out")
    assert written.headline.startswith("No answer")
    assert written.headline.endswith(f": {reason}.")
    assert written.benefit["settled"]["num_settled"] == 0


def test_columns_of_other_names_are_read_and_rows_to_add_are_written(tmp_path: Path) -> None:
    lines = ["id;a;b;loss"]
    lines += [
        f"{n};{n % 2};{n // 2 % 2};{1.5 - 0.1 * (n % 2)}".replace(".", ",") for n in range(12)
    ]
    table = tmp_path / "a.csv"
    table.write_text("\n".join([*lines, "12;1;0;", "13;;;"]) + "\n")
    names = tmp_path / "names.yaml"
    names.write_text(
        "trial: id\nvalue: loss\nskip.stage1.block1: a\nskip.stage1.block2: b\n"
        "kinds: {true: identity, false: none}\n"
    )
    theirs = names_of(names, "adaptive")
    written = report_csv(table, "minimize", None, tmp_path / "out", theirs)
    assert written.benefit["study"]["by_source"] == {"adaptive": 12}
    # Two blocks of two kinds are four networks: too few to tell their noise.
    assert what_else(written) == [
        "1 not used, not trained yet: line 14",
        "1 not used, no decision about a skip, as in runs that are no trials: line 15",
    ]
    with pytest.raises(ConfigError, match=r"names\.yaml: names must be readable YAML, got"):
        names_of(tmp_path / "none" / "names.yaml", None)


def test_rows_to_add_are_named_beside_the_page(tmp_path: Path) -> None:
    table = write_table(tmp_path / "a.csv", "complete", "randomised", ["1.0", "1.1", "0.9"])
    written = report_csv(table, "minimize", None, tmp_path / "out")
    [line] = what_else(written)
    assert line.startswith(f"rows     {tmp_path / 'out' / 'rows_to_add.csv'}: ")
    assert "W_UNDERPOWERED" in written.benefit["warnings"]
    assert "W_FEW_CLUSTERS" in written.benefit["warnings"]
    assert {row["decision"] for row in written.benefit["effects"]} == {"inconclusive"}


def test_values_near_the_largest_overflow_nowhere(tmp_path: Path) -> None:
    values = [f"{(-1) ** (n // 2) * (1 + n % 7)}e49" for n in range(60)]
    table = write_table(tmp_path / "a.csv", "complete", "randomised", values)
    written = report_csv(table, "minimize", None, tmp_path / "out")
    assert "e+4" in written.headline
    assert len(written.headline) < 300


def test_a_value_far_from_all_others_is_named(tmp_path: Path) -> None:
    values = [str(1 + 0.01 * (number % 7)) for number in range(40)]
    usual = write_table(tmp_path / "a.csv", "complete", "randomised", values)
    assert not any(
        "far from" in line
        for line in what_else(report_csv(usual, "minimize", None, tmp_path / "o"))
    )
    values[4] = "1e6"
    odd = write_table(tmp_path / "b.csv", "complete", "randomised", values)
    written = report_csv(odd, "minimize", None, tmp_path / "out")
    assert what_else(written)[0] == (
        "1 with a value far from all others: trial 4. Check it; a training that went astray is "
        "state=failed"
    )
