import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

import nas
from nas.errors import StorageError, TableError
from nas.foreign_study import read_study
from nas.journal import BatchedJournalStorage
from nas.open_study import read_any_study, read_trials
from nas.own_names import OwnNames, read_names
from nas.report_sources import report_storage
from nas.storage import open_storage
from nas.trials import Source, State
from tests.nas.made_studies import make_study

NAMES = {
    "depth.stage1": "n_blocks",
    **{f"skip.stage1.block{number + 1}": f"use_skip_{number}" for number in range(6)},
    "lr": "learning_rate",
    "kinds": {True: "identity", False: "none", "conv": "projection"},
}


def objective(trial: optuna.Trial) -> float:
    """Networks of 6 blocks, now and then 5; every skip is worth 0.1."""
    num_blocks = 5 if trial.number % 10 == 9 else 6
    trial.suggest_int("n_blocks", num_blocks, num_blocks)
    trial.suggest_float("learning_rate", 0.1, 0.1)
    loss = 1.0 + 0.001 * (trial.number * 7 % 11)
    for block in range(num_blocks):
        choices = [True, False] if block < 5 else ["conv", False]
        loss -= 0.1 * bool(trial.suggest_categorical(f"use_skip_{block}", choices))
    if trial.number == 7:
        raise RuntimeError
    if trial.number == 8:
        return float("inf")
    return loss


@pytest.fixture(scope="module")
def theirs() -> optuna.Study:
    """A study of a random sampler with a trial that somebody enqueued and one that still runs."""
    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(study_name="theirs", sampler=sampler)
    study.enqueue_trial({"use_skip_0": True, "use_skip_1": True})
    study.optimize(objective, n_trials=80, catch=(RuntimeError,))
    study.ask()
    return study


@pytest.fixture(scope="module", params=["sqlite", "journal"])
def url(
    request: pytest.FixtureRequest, theirs: optuna.Study, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The study in a real storage."""
    folder = tmp_path_factory.mktemp("theirs")
    url = f"sqlite:///{folder}/a.db" if request.param == "sqlite" else f"{folder}/a.log"
    storage = open_storage(url, folder)
    study = optuna.create_study(storage=storage, study_name="theirs")
    study.add_trials(theirs.get_trials())
    return url


def test_a_study_of_somebody_else_gives_a_map_once_its_names_are_known(
    url: str, tmp_path: Path
) -> None:
    names = read_names(NAMES).with_source("randomised")
    read, direction = read_any_study(open_storage(url, tmp_path, create=False), "theirs", names)
    assert direction == "minimize"
    by_source = {record.number: record.source for record in read.records}
    # Its skips were not drawn, but chosen by whoever enqueued it.
    assert [n for n, source in by_source.items() if source is Source.ADAPTIVE] == [0]
    assert {record.lr for record in read.records} == {0.1}
    assert read.records[8].state is State.FAILED
    assert read.records[8].reason == "diverged"
    assert [(rows.reason, rows.rows) for rows in read.unused] == [("not finished", (80,))]
    written = report_storage(url, "theirs", None, tmp_path / "out", names)
    assert written.benefit["reference_depth"]["depth_plan"] == [6]
    effects = {row["estimand"]: row for row in written.benefit["effects"]}
    assert effects["AMCE_ALL"]["estimate"] == pytest.approx(0.1, abs=0.01)
    assert written.benefit["unused_rows"][0]["n"] == 1
    blocks = [r for r in written.benefit["effects"] if r["estimand"] == "AMCE"]
    assert {(r["block"], r["kind"]) for r in blocks if r["estimate"] is not None} == {
        *((block, "identity") for block in range(1, 6)),
        (6, "projection"),
    }


def test_trials_of_a_sampler_that_is_not_known_are_adaptive_and_rows_are_named(
    url: str, tmp_path: Path
) -> None:
    written = report_storage(url, "theirs", None, tmp_path / "out", read_names(NAMES))
    assert written.benefit["study"]["by_source"] == {"adaptive": 80}
    assert "W_TPE_ONLY" in written.benefit["warnings"]
    assert written.rows_to_add is not None
    assert "what the skips of 6 blocks are worth" in written.rows_to_add.settles


def test_a_study_in_memory_is_read_by_the_same_names(theirs: optuna.Study) -> None:
    names = NAMES | {"source": "randomised"}
    assert nas.skip_benefit(theirs, names=names)["rows"]["randomised"] == 71
    by_word = nas.skip_benefit(theirs, names=NAMES, source="randomised")
    assert by_word["rows"]["randomised"] == 71


def test_without_names_the_parameters_are_told(url: str, tmp_path: Path) -> None:
    match = (
        r"study 'theirs': some parameter must decide about a skip, .* got n_blocks, "
        r"learning_rate, use_skip_0, .* use_skip_5\. Say with --names"
    )
    with pytest.raises(TableError, match=match):
        report_storage(url, "theirs", None, tmp_path / "out")


def made(**fields: Any) -> optuna.trial.FrozenTrial:
    params = fields.pop("params", {"skip.stage1.block1": "identity", "skip.stage1.block2": "none"})
    distributions = {
        name: IntDistribution(1, 99)
        if isinstance(value, int) and not isinstance(value, bool)
        else CategoricalDistribution([value])
        for name, value in params.items()
    }
    known = {"value": 1.0} | fields
    trial = create_trial(params=params, distributions=distributions, **known)
    trial.number = fields.get("number", 0)
    return trial


def numbered(*trials: optuna.trial.FrozenTrial) -> list[optuna.trial.FrozenTrial]:
    for number, trial in enumerate(trials):
        trial.number = number
    return list(trials)


class TestTrials:
    def test_all_unknown_words_are_named(self) -> None:
        trials = numbered(*[made(params={"skip.stage1.block1": word}) for word in ("on", "none")])
        trials += [made(params={"skip.stage1.block1": "off"})]
        trials[2].number = 2
        match = (
            r"study 'x', trial 0: parameter 'skip.stage1.block1': Unknown kind of shortcut 'on'.*"
            r"kinds: \{on: identity\}\. The same in trial 2\."
        )
        with pytest.raises(TableError, match=match):
            read_study(trials, OwnNames(), "study 'x'")

    def test_a_depth_that_is_no_number_is_refused(self) -> None:
        trial = made(params={"depth.stage1": "deep", "skip.stage1.block1": "none"})
        match = r"parameter 'depth.stage1' must be an integer >= 1, got depth.stage1='deep'\. Name"
        with pytest.raises(TableError, match=match):
            read_study([trial], OwnNames(), "study 'x'")

    def test_a_name_that_no_trial_has_is_told_with_the_nearest(self) -> None:
        names = read_names({"skip.stage1.block1": "use_skp"})
        trial = made(params={"use_skip": True})
        with pytest.raises(TableError, match=r"parameter 'use_skp' must be there.* mean 'use_sk"):
            read_study([trial], names, "study 'x'")

    def test_what_does_not_fit_together_is_left_out_and_said(self) -> None:
        hole = {"skip.stage1.block1": "none", "skip.stage1.block3": "none"}
        shallow = {"depth.stage1": 1, "skip.stage1.block1": "none", "skip.stage1.block2": "none"}
        source = {"source": "randomised"}
        whole = {f"skip.stage1.block{block}": "none" for block in (1, 2, 3)}
        trials = numbered(
            made(params=whole, user_attrs=source),
            made(params=hole, user_attrs=source),
            made(params=shallow, user_attrs=source),
            made(params={}, user_attrs=source),
        )
        read = read_study(trials, OwnNames(), "study 'x'")
        assert [record.number for record in read.records] == [0]
        assert {rows.reason: rows.rows for rows in read.unused} == {
            "no parameter about a skip": (3,),
            "does not fit together (empty block)": (1,),
            "does not fit together (absent block)": (2,),
        }

    def test_an_exception_is_no_divergence_and_a_last_report_that_is_no_number_is(self) -> None:
        failed = {"state": TrialState.FAIL, "value": None}
        trials = numbered(
            made(**failed),
            made(**failed, intermediate_values={1: math.nan, 2: 0.5}),
            made(**failed, intermediate_values={1: 0.5, 2: math.nan}),
            made(**failed, user_attrs={"reason": "oom"}),
        )
        read = read_study(trials, OwnNames(), "study 'x'").records
        assert [record.reason for record in read] == ["error", "error", "diverged", "oom"]

    def test_enqueued_design_rows_count_where_they_were_trained_as_planned(self) -> None:
        plan = {"skip.stage1.block1": "identity", "skip.stage1.block2": "none"}
        attributes = {"source": "randomised", "decisions": plan, "lr": 0.2}
        other = {"skip.stage1.block1": "none", "skip.stage1.block2": "none"}
        trials = numbered(
            made(params=plan, user_attrs=attributes),
            made(params={"my_own": 3}, user_attrs=attributes),
            made(params=other, user_attrs=attributes),
        )
        first, second, third = read_study(trials, OwnNames(), "study 'x'").records
        assert first.source is second.source is Source.RANDOMISED
        assert first.decisions == second.decisions == {"depth.stage1": 2, **plan}
        assert second.lr == 0.2
        assert third.source is Source.ADAPTIVE
        assert third.decisions["skip.stage1.block1"] == "none"

    def test_waiting_trials_and_own_words_for_absent_blocks(self) -> None:
        names = read_names({"skip.stage1.block1": "a", "skip.stage1.block2": "b", "kinds": {
            "x": "absent", "y": "identity"}})  # fmt: skip
        waiting = made(params={"a": "y", "b": "y"}, state=TrialState.WAITING, value=None)
        trials = numbered(made(params={"a": "y", "b": "x"}), waiting)
        read = read_study(trials, names, "study 'x'")
        assert read.records[0].decisions == {"depth.stage1": 1, "skip.stage1.block1": "identity"}
        assert [rows.reason for rows in read.unused] == ["not trained yet"]

    def test_a_parameter_of_our_name_makes_way(self) -> None:
        names = read_names({"skip.stage1.block1": "real"})
        params = {"skip.stage1.block1": "none", "real": "identity"}
        [record] = read_study([made(params=params)], names, "study 'x'").records
        assert record.decisions["skip.stage1.block1"] == "identity"


def test_trials_of_ours_are_read_as_ever(tmp_path: Path) -> None:
    study = make_study(tmp_path / "runs", [0.5, 0.4, None])
    storage = open_storage("journal", study.folder.path)
    assert isinstance(storage, BatchedJournalStorage)
    ours, _ = read_trials(storage, "made")
    read, _ = read_any_study(storage, "made")
    assert read.records == ours
    assert read.unused == ()


def test_a_study_of_several_objectives_is_told_what_to_do(tmp_path: Path) -> None:
    storage = open_storage("journal", tmp_path)
    optuna.create_study(storage=storage, study_name="two", directions=["minimize", "maximize"])
    with pytest.raises(StorageError, match=r"got 2 in 'two'\. Write its trials to a table with o"):
        read_any_study(storage, "two")
