import json
import os
from pathlib import Path

import optuna
import pytest

from nas.errors import RunFolderError, StorageError
from nas.given_up import keep_given_up
from nas.status import describe_status, read_status
from nas.trials import Source
from search_spaces.spec import Kind
from tests.nas.fake_pool import as_optuna
from tests.nas.made_studies import add_trial, make_study


def test_every_key_of_the_interface_is_there(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5, 0.25, None])
    status = read_status(study.folder.path)
    assert set(status) == {
        "name",
        "folder",
        "target",
        "is_running",
        "trials",
        "paused",
        "repeats",
        "refused",
        "rows_left_out",
        "design_given_up",
        "ended_early",
        "best",
        "workers",
        "report",
        "export",
    }
    assert status["trials"] == {
        "complete": 2,
        "pruned": 0,
        "failed": 0,
        "running": 1,
        "waiting": 0,
    }
    assert {"trial", "value", "spec_id"} <= set(status["best"])
    assert (status["best"]["trial"], status["best"]["value"]) == (1, 0.25)
    assert (status["target"], status["is_running"], status["workers"]) == (6, False, [])
    assert json.loads(json.dumps(status)) == status


def test_new_study_has_no_best(tmp_path: Path) -> None:
    status = read_status(make_study(tmp_path).folder.path)
    assert status["best"] is None
    assert "trials   0 of 6 done (none yet)" in describe_status(status)


def test_paused_trials_are_counted_apart(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5, None, None])
    paused = study.search.trials()[1]
    study.search.annotate(paused._trial_id, {"paused": {"history": [{"epoch": 1}]}})
    status = read_status(study.folder.path)
    assert (status["paused"], status["trials"]["running"]) == (1, 2)
    text = describe_status(status)
    assert "trials   1 of 6 done (1 complete, 1 running, 1 paused)" in text
    assert "go on with" in text
    # Promoted, it is in training again.
    study.search.annotate(paused._trial_id, {"promoted_from": 1})
    assert read_status(study.folder.path)["paused"] == 0


def test_trial_enqueued_by_others_is_waiting(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    as_optuna(study.search).enqueue_trial({"depth.stage1": 2})
    assert read_status(study.folder.path)["trials"]["waiting"] == 1


def test_largest_is_best_where_that_is_the_direction(tmp_path: Path) -> None:
    search = {"metric": "val/accuracy", "direction": "maximize", "trials": 6}
    study = make_study(tmp_path, [0.0, 0.5, 0.25], search=search)
    assert read_status(study.folder.path)["best"]["trial"] == 1


def test_reading_changes_nothing(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5])
    before = {path: path.read_bytes() for path in study.folder.path.iterdir()}
    read_status(study.folder.path)
    assert {path: path.read_bytes() for path in study.folder.path.iterdir()} == before


def test_living_owner_is_shown_with_its_workers(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5, None])
    workers = [
        {"pid": 41, "device": "cpu", "trials": ["trial-0001"]},
        {"pid": 42, "device": "cpu", "trials": []},
    ]
    study.folder.workers.write_text(json.dumps({"owner": os.getpid(), "workers": workers}))
    status = read_status(study.folder.path)
    assert status["is_running"]
    assert status["workers"] == workers
    text = describe_status(status)
    assert "worker   41 on cpu: trial-0001\nworker   42 on cpu: idle" in text
    assert "\nowner " not in text


def test_living_owner_without_workers_is_no_finished_search(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5] * 6)
    study.folder.workers.write_text(json.dumps({"owner": os.getpid(), "workers": []}))
    text = describe_status(read_status(study.folder.path))
    assert text.endswith("owner    running; nothing is in training now")


def test_text_says_all_of_a_finished_study(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5, 0.25, 0.3, 0.4, 0.6, 0.7])
    spec = study.space.uniform((2, 2), Kind.IDENTITY)
    add_trial(study, spec, Source.ANCHOR, 0.5)
    for file in (study.folder.report / "report.html", study.folder.export / "card.md"):
        file.parent.mkdir()
        file.touch()
    best = read_status(study.folder.path)["best"]
    assert describe_status(read_status(study.folder.path)).splitlines() == [
        f"study    made in {study.folder.path}",
        "trials   6 of 6 done (6 complete)",
        "repeats  1 complete",
        f"best     trial 1: 0.2500, {best['code']} (spec_id {best['spec_id']})",
        "owner    none; the search is finished",
        f"report   {study.folder.path}/report/report.html",
        f"export   {study.folder.path}/export/card.md",
    ]


@pytest.mark.parametrize("losses", [[0.5], [0.1, 0.2, 0.3, 0.4, 0.5, None]])
def test_unfinished_study_says_how_to_go_on(tmp_path: Path, losses: list[float | None]) -> None:
    study = make_study(tmp_path, losses)
    text = describe_status(read_status(study.folder.path))
    assert "owner    none; go on with: nas search --name made" in text


def test_repeat_that_was_interrupted_is_unfinished_too(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5] * 6)
    add_trial(study, study.space.uniform((1, 1), Kind.NONE), Source.ANCHOR, None)
    text = describe_status(read_status(study.folder.path))
    assert "repeats  1 running" in text
    assert "go on with" in text


def test_best_without_an_architecture_is_said_without_one(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    as_optuna(study.search).add_trial(optuna.trial.create_trial(value=0.0))
    text = describe_status(read_status(study.folder.path))
    assert "best     trial 0: 0.0000\n" in text


def test_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"must hold config\.yaml"):
        read_status(tmp_path)


def test_study_whose_journal_is_gone_is_refused(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    (study.folder.path / "journal.log").unlink()
    with pytest.raises(StorageError, match="The journal must exist"):
        read_status(study.folder.path)


def test_what_the_constraints_have_kept_from_training_is_shown(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    spec = study.space.uniform((1, 1), Kind.IDENTITY)
    for number in (2, 1):
        add_trial(study, spec, Source.ADAPTIVE, 0.5, refused={"max_params": number})
    add_trial(study, spec, Source.RANDOMISED, 0.5, rows_left_out=4)
    status = read_status(study.folder.path)
    assert (status["refused"], status["rows_left_out"]) == ({"max_params": 3}, 4)
    said = describe_status(status)
    assert "limits   3 proposals exceeded max_params and cost no training" in said
    assert "limits   4 design rows left out for the constraints" in said


@pytest.mark.parametrize("goal", ["map", "both"])
def test_design_that_was_given_up_is_shown(tmp_path: Path, goal: str) -> None:
    study = make_study(tmp_path, [0.5], search={"trials": 6, "goal": goal})
    keep_given_up(study.search.storage, study.search.study_id, 300)
    status = read_status(study.folder.path)
    assert (status["rows_left_out"], status["design_given_up"]) == (300, True)
    said = describe_status(status)
    assert "limits   300 design rows left out for the constraints: the design was given up" in said
    # Where only design rows may be trained, the search is over.
    assert status["ended_early"] is (goal == "map")
    assert ("owner    none; the search is finished" in said) is (goal == "map")
