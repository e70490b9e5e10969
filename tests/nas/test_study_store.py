"""What holds for every storage is in the storage contract; here is what the journal shows best."""

import json
from pathlib import Path

from optuna.trial import TrialState

from nas.storage import open_storage
from nas.study_store import StudyStore
from tests.contracts.storage_contract import ATTRIBUTES, DISTRIBUTIONS, PARAMS, RESULT
from tests.nas.fake_pool import as_optuna

FACTS = {"uid": "0a1b2c3d", "data": "digits"}


def store_in(folder: Path) -> StudyStore:
    return StudyStore(open_storage("journal", folder), "digits", "minimize", FACTS)


def operations(folder: Path) -> list[dict[str, object]]:
    lines = (folder / "journal.log").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_trial_starts_with_one_write_and_ends_with_two(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    before = len(operations(tmp_path))
    started = store.start(PARAMS, DISTRIBUTIONS, ATTRIBUTES)
    assert len(operations(tmp_path)) == before + 1
    store.finish(started.trial_id, TrialState.COMPLETE, [0.5], RESULT)
    assert len(operations(tmp_path)) == before + 3


def test_result_is_written_before_the_state_so_that_a_kill_between_loses_nothing(
    tmp_path: Path,
) -> None:
    store = store_in(tmp_path)
    started = store.start(PARAMS, DISTRIBUTIONS, ATTRIBUTES)
    store.finish(started.trial_id, TrialState.COMPLETE, [0.5], RESULT)
    path = tmp_path / "journal.log"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    [trial] = store_in(tmp_path).trials()
    assert trial.state is TrialState.RUNNING
    assert trial.user_attrs["result"] == RESULT


def test_study_whose_first_owner_was_killed_between_two_writes_is_completed(
    tmp_path: Path,
) -> None:
    store_in(tmp_path)
    path = tmp_path / "journal.log"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    store = store_in(tmp_path)
    assert store.uid == "0a1b2c3d"
    assert store_in(tmp_path).facts == {"format": 1, **FACTS}


def test_trials_are_filtered_by_state(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for state, values in ((TrialState.COMPLETE, [1.0]), (TrialState.FAIL, None)):
        started = store.start({}, {}, {})
        store.finish(started.trial_id, state, values, {})
    store.start({}, {}, {})
    assert [trial.number for trial in store.trials()] == [0, 1, 2]
    assert [t.number for t in store.trials(TrialState.FAIL, TrialState.RUNNING)] == [1, 2]
    assert as_optuna(store).best_trial.number == 0


def test_constraints_are_kept_as_optuna_keeps_them_in_the_same_write(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    before = len(operations(tmp_path))
    store.start(PARAMS, DISTRIBUTIONS, ATTRIBUTES, {"max_params": -0.25})
    assert len(operations(tmp_path)) == before + 1
    as_optuna(store).enqueue_trial({})
    [waiting] = store.trials(TrialState.WAITING)
    assert store.claim(waiting, {}, {}, {}, {"max_macs": 0.0}) is not None
    kept = [trial.constraints for trial in as_optuna(store_in(tmp_path)).trials]
    assert kept == [{"max_params": -0.25}, {"max_macs": 0.0}]
