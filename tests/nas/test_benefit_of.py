from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest

import nas
from nas.errors import ConfigError, TableError
from nas.sampling import parameters_of
from nas.tables import write_trials_csv
from nas.trials import TrialRecord
from tests.nas.benefit.conftest import SPACE, design_trials


@pytest.fixture(scope="module")
def records() -> list[TrialRecord]:
    return design_trials(60)


def effects(benefit: dict[str, Any]) -> list[tuple[str, str, float]]:
    return [(row["estimand"], row["kind"], row["estimate"]) for row in benefit["effects"]]


def test_a_file_its_rows_and_a_pandas_table_give_the_same_effects(
    records: list[TrialRecord], tmp_path: Path
) -> None:
    write_trials_csv(tmp_path / "trials.csv", records)
    from_file = nas.skip_benefit(tmp_path / "trials.csv", direction="minimize")
    rows = [record.to_row() for record in records]
    from_rows = nas.skip_benefit(rows, direction="minimize")
    from_table = nas.skip_benefit(pd.DataFrame(rows), direction="minimize")
    assert effects(from_file) == effects(from_rows) == effects(from_table)
    assert all(estimate is not None for _, _, estimate in effects(from_file))


def test_a_study_knows_its_direction_and_which_trials_are_randomised(
    records: list[TrialRecord],
) -> None:
    study = optuna.create_study(study_name="planted", direction="minimize")
    for record in records:
        params, distributions = parameters_of(SPACE, SPACE.from_decisions(record.decisions))
        study.add_trial(
            optuna.trial.create_trial(
                value=record.value,
                params=params,
                distributions=distributions,
                user_attrs={"source": "randomised"},
            )
        )
    benefit = nas.skip_benefit(study)
    assert benefit["study"]["name"] == "planted"
    rows = [record.to_row() for record in records]
    assert effects(benefit) == effects(nas.skip_benefit(rows, direction="minimize"))


def test_smallest_effect_worth_having_is_the_users(records: list[TrialRecord]) -> None:
    rows = [record.to_row() for record in records]
    benefit = nas.skip_benefit(rows, direction="minimize", sesoi=0.25)
    assert benefit["sesoi"] == 0.25


def test_a_table_without_direction_is_refused(records: list[TrialRecord]) -> None:
    with pytest.raises(
        ConfigError, match=r"needs its direction, minimize or maximize, got direction=None"
    ):
        nas.skip_benefit([records[0].to_row()])


def test_a_wrong_kind_in_a_table_names_its_row(records: list[TrialRecord]) -> None:
    rows = [record.to_row() for record in records]
    rows[3]["skip.stage1.block1"] = "identiy"
    with pytest.raises(TableError, match=r"table, line 4: column 'skip.stage1.block1'.*identiy"):
        nas.skip_benefit(rows, direction="minimize")


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(TableError, match="table: must hold a header and trials"):
        nas.skip_benefit([], direction="minimize")


@pytest.mark.parametrize(
    ("trials", "got"),
    [
        (None, "trials=None"),
        (7, "trials=7"),
        ({"trial": [0]}, r"trials=\{'trial': \[0\]\}"),
        (b"a.csv", "trials=b'a.csv'"),
        ([{"trial": 0}, 1], "row 2=1"),
    ],
)
def test_what_holds_no_trials_is_refused(trials: Any, got: str) -> None:
    with pytest.raises(TableError, match=rf"trials must be an Optuna study, .* got {got}\. Write"):
        nas.skip_benefit(trials, direction="minimize")
