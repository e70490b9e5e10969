from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from nas.config import StudyConfig, make_config
from nas.errors import StorageError
from nas.plan_enqueue import Enqueued, enqueue_plan
from nas.plan_rows import make_plan
from nas.records import to_records
from nas.trials import Source, State
from tests.nas.made_studies import make_study

SPACE = {"stages": 2, "max_blocks": 2, "kinds": ["none", "identity"]}


def config(**changes: Any) -> StudyConfig:
    search = {"mode": "effects", "duplicates": "reseed", **changes.pop("search", {})}
    return make_config({"space": SPACE, "search": search, **changes})


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/mine.db"


def enqueue(url: str, number: int, name: str = "mine", **changes: Any) -> Enqueued:
    own = config(**changes)
    direction = own.search.direction
    return enqueue_plan(url, name, direction, lambda first: make_plan(own, number, first))


def load(url: str) -> optuna.Study:
    return optuna.load_study(storage=url, study_name="mine")


def test_rows_wait_with_their_decisions_and_what_they_are(url: str) -> None:
    found = enqueue(url, 4)
    assert (found.is_new_study, found.num_before) == (True, 0)
    study = load(url)
    assert study.direction.name == "MINIMIZE"
    for trial, row in zip(study.trials, found.plan.rows, strict=True):
        assert trial.state is TrialState.WAITING
        assert trial.system_attrs["fixed_params"] == row.decisions
        assert trial.user_attrs["decisions"] == row.decisions
        assert trial.user_attrs["source"] == "randomised"
        assert (trial.user_attrs["seed"], trial.user_attrs["lr"]) == (row.seed, row.lr)
        assert trial.user_attrs["plan_row"] == row.number


@pytest.mark.parametrize("names", ["ours", "none"])
def test_ones_own_objective_takes_them_up_first_and_they_are_read_as_rows(
    url: str, names: str
) -> None:
    enqueue(url, 8)

    def objective(trial: optuna.Trial) -> float:
        decisions = trial.user_attrs["decisions"]
        if names == "ours":
            kinds = SPACE["kinds"]
            decisions = {
                f"skip.stage{i}.block{j}": trial.suggest_categorical(
                    f"skip.stage{i}.block{j}", kinds
                )
                for i in (1, 2)
                for j in (1, 2)
            }
        return sum(value == "identity" for value in decisions.values())

    study = load(url)
    study.optimize(objective, n_trials=8)
    records = to_records(study.trials)
    assert [(r.source, r.state) for r in records] == [(Source.RANDOMISED, State.COMPLETE)] * 8
    for record in records:
        kinds = [v for k, v in record.decisions.items() if k.startswith("skip.")]
        assert len(kinds) == 4
        assert record.value == kinds.count("identity")


def test_more_rows_of_the_same_plan_come_after_those_before(url: str) -> None:
    enqueue(url, 3)
    more = enqueue(url, 5)
    assert (more.is_new_study, more.num_before) == (False, 3)
    whole = make_plan(config(), 8)
    assert [t.user_attrs["decisions"] for t in load(url).trials] == [
        row.decisions for row in whole.rows
    ]
    assert [t.user_attrs["plan_row"] for t in load(url).trials] == list(range(8))
    # Another seed is another plan, from its first row on.
    other = enqueue(url, 2, search={"seed": 9})
    assert (other.num_before, other.plan.rows[0].number) == (0, 0)


def test_rows_join_the_trials_of_a_study_of_ones_own(url: str) -> None:
    study = optuna.create_study(storage=url, study_name="mine")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert enqueue(url, 2).is_new_study is False
    states = [trial.state for trial in load(url).trials]
    assert states == [TrialState.COMPLETE] * 2 + [TrialState.WAITING] * 2


def test_journal_takes_them_too(tmp_path: Path) -> None:
    enqueue(str(tmp_path / "mine.log"), 2)
    assert enqueue(str(tmp_path / "mine.log"), 2).num_before == 2


def test_study_of_the_other_direction_is_refused_before_anything_is_written(url: str) -> None:
    optuna.create_study(storage=url, study_name="mine", direction="maximize")
    with pytest.raises(
        StorageError,
        match=r"nas plan: study 'mine' must have the direction of the plan, got "
        r"direction=maximize for minimize\. Add --set search\.direction=maximize",
    ):
        enqueue(url, 2)
    assert load(url).trials == []


def test_study_of_several_objectives_is_refused(url: str) -> None:
    optuna.create_study(storage=url, study_name="mine", directions=["minimize", "maximize"])
    with pytest.raises(StorageError, match=r"'mine' must have one objective, got 2\. Give"):
        enqueue(url, 2)


def test_study_of_a_search_is_refused(tmp_path: Path) -> None:
    made = make_study(tmp_path, [0.5])
    journal = str(made.folder.path / "journal.log")
    with pytest.raises(
        StorageError, match=r"must be one of your own, got one of nas search, which trains a des"
    ):
        enqueue(journal, 2, name=made.config.name)


def test_rows_of_another_space_are_refused(url: str) -> None:
    enqueue(url, 2)
    with pytest.raises(
        StorageError, match=r"must have the rows of one space, got rows of another since trial 0"
    ):
        enqueue(url, 2, space={**SPACE, "max_blocks": 1})


def test_storage_that_cannot_be_reached_is_refused() -> None:
    with pytest.raises(StorageError, match=r"/nowhere/at/all"):
        enqueue("sqlite:////nowhere/at/all/x.db", 2)
