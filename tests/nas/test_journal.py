"""Optuna's journal as we write it: readable by Optuna, in batches, safe from kills and damage."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from nas.errors import StorageError
from nas.journal import BatchedJournalStorage, JournalFile, check_journal, mend_journal
from nas.storage import open_storage


def journal_with(path: Path, num_trials: int) -> Path:
    """Write a journal of a study with a few trials."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name="digits")
    for value in range(num_trials):
        study.add_trial(optuna.trial.create_trial(value=float(value)))
    return path


def as_optuna_reads(path: Path) -> list[FrozenTrial]:
    """Read the trials of a journal with Optuna's own backend."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    return optuna.load_study(study_name="digits", storage=storage).trials


def running() -> FrozenTrial:
    """Return a trial to be created."""
    return optuna.trial.create_trial(state=TrialState.RUNNING)


class TestBatch:
    def test_nothing_is_on_disk_before_its_end_and_all_after(self, tmp_path: Path) -> None:
        path = journal_with(tmp_path / "journal.log", 1)
        before = path.read_bytes()
        storage = BatchedJournalStorage(path)
        with storage.batch():
            first = storage.create_new_trial(0, running())
            storage.set_trial_user_attr(first, "result", {"seconds": 1.5, "3": (1, 2)})
            storage.set_trial_state_values(first, TrialState.COMPLETE, [0.25])
            second = storage.create_new_trial(0, running())
            assert storage.get_trial(first).user_attrs == {"result": {"seconds": 1.5, "3": [1, 2]}}
            assert storage.get_trial_number_from_id(second) == 2
            assert path.read_bytes() == before
        assert len(path.read_bytes().splitlines()) == len(before.splitlines()) + 4
        found = as_optuna_reads(path)
        assert [trial.state.name for trial in found] == ["COMPLETE", "COMPLETE", "RUNNING"]
        assert found == storage.get_all_trials(0)

    def test_costs_one_confirmation_of_the_disk(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        storage = BatchedJournalStorage(journal_with(tmp_path / "journal.log", 0))
        confirmed: list[int] = []
        monkeypatch.setattr(os, "fsync", confirmed.append)
        with storage.batch(), storage.batch():
            for _ in range(5):
                storage.create_new_trial(0, running())
        assert len(confirmed) == 1
        with storage.batch():
            storage.get_all_trials(0)
        assert len(confirmed) == 1

    def test_trials_of_other_writers_come_before_or_after_it(self, tmp_path: Path) -> None:
        path = journal_with(tmp_path / "journal.log", 0)
        storage = BatchedJournalStorage(path)
        others = optuna.load_study(
            study_name="digits", storage=JournalStorage(JournalFileBackend(str(path)))
        )
        for _ in range(3):
            others.enqueue_trial({"x": 1})
            with storage.batch():
                ours = [storage.create_new_trial(0, running()) for _ in range(2)]
                storage.set_trial_state_values(ours[0], TrialState.FAIL)
            others.enqueue_trial({"x": 2})
        assert [trial.state.name for trial in storage.get_all_trials(0)] == 3 * [
            "WAITING",
            "FAIL",
            "RUNNING",
            "WAITING",
        ]
        assert as_optuna_reads(path) == storage.get_all_trials(0)

    def test_other_writers_wait_for_its_end(self, tmp_path: Path) -> None:
        path = journal_with(tmp_path / "journal.log", 0)
        storage = BatchedJournalStorage(path)
        script = (
            "import sys, optuna\n"
            "from optuna.storages import JournalStorage\n"
            "from optuna.storages.journal import JournalFileBackend\n"
            "storage = JournalStorage(JournalFileBackend(sys.argv[1]))\n"
            "study = optuna.load_study(study_name='digits', storage=storage)\n"
            "print('ready', flush=True)\n"
            "study.enqueue_trial({'x': 1})\n"
        )
        other = subprocess.Popen(
            [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
        )
        with storage.batch():
            storage.create_new_trial(0, running())
            assert other.stdout is not None
            assert other.stdout.readline() == "ready\n"
            time.sleep(0.3)
            storage.create_new_trial(0, running())
        assert other.communicate(timeout=30) == ("", None)
        states = [trial.state.name for trial in storage.get_all_trials(0)]
        assert states == ["RUNNING", "RUNNING", "WAITING"]

    def test_error_within_it_loses_nothing_that_came_before(self, tmp_path: Path) -> None:
        path = journal_with(tmp_path / "journal.log", 1)
        storage = BatchedJournalStorage(path)

        def write() -> None:
            with storage.batch():
                storage.create_new_trial(0, running())
                storage.set_trial_user_attr(0, "name", "too late")

        with pytest.raises(UpdateFinishedTrialError):
            write()
        storage.create_new_trial(0, running())
        assert len(as_optuna_reads(path)) == 3
        assert as_optuna_reads(path) == storage.get_all_trials(0)
        assert not (tmp_path / "journal.log.lock").is_symlink()

    def test_kill_within_one_leaves_whole_batches(self, tmp_path: Path) -> None:
        path = journal_with(tmp_path / "journal.log", 0)
        script = (
            "import sys\n"
            "from pathlib import Path\n"
            "from optuna.trial import TrialState, create_trial\n"
            "from nas.journal import BatchedJournalStorage\n"
            "storage = BatchedJournalStorage(Path(sys.argv[1]))\n"
            "while True:\n"
            "    with storage.batch():\n"
            "        for _ in range(8):\n"
            "            made = storage.create_new_trial(\n"
            "                0, create_trial(state=TrialState.RUNNING)\n"
            "            )\n"
            "            storage.set_trial_user_attr(made, 'result', {'seconds': 1.0})\n"
            "            storage.set_trial_state_values(made, TrialState.COMPLETE, [1.0])\n"
            "    print(made, flush=True)\n"
        )
        for patience in (0.02, 0.05):
            # Only what was told after a batch counts as promised.
            writer = subprocess.Popen(
                [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
            )
            assert writer.stdout is not None
            told = [writer.stdout.readline()]
            time.sleep(patience)
            writer.send_signal(signal.SIGKILL)
            told += writer.communicate()[0].splitlines()
            mend_journal(path)
            (tmp_path / "journal.log.lock").unlink(missing_ok=True)
            trials = BatchedJournalStorage(path).get_all_trials(0)
            promised = int(next(line for line in reversed(told) if line.strip()))
            assert all(t.state is TrialState.COMPLETE for t in trials[: promised + 1])
            assert len(trials) > promised


def test_optuna_reads_what_we_write_and_we_what_optuna_writes(tmp_path: Path) -> None:
    path = journal_with(tmp_path / "journal.log", 2)
    ours = optuna.load_study(study_name="digits", storage=BatchedJournalStorage(path))

    def objective(trial: optuna.Trial) -> float:
        trial.report(0.5, 1)
        return trial.suggest_float("x", 0, 1) + len(trial.suggest_categorical("y", ["a", "bb"]))

    ours.optimize(objective, n_trials=3)
    theirs = optuna.load_study(
        study_name="digits", storage=JournalStorage(JournalFileBackend(str(path)))
    )
    theirs.optimize(objective, n_trials=2)
    assert len(ours.trials) == 7
    assert ours.trials == theirs.trials == as_optuna_reads(path)


def test_ranges_are_read_as_optuna_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = journal_with(tmp_path / "journal.log", 0)
    study = optuna.load_study(study_name="digits", storage=BatchedJournalStorage(path))
    study.optimize(
        lambda trial: trial.suggest_float("x", 0.1, 1, log=True) + trial.suggest_int("n", 1, 5),
        n_trials=3,
    )
    found = BatchedJournalStorage(path).get_all_trials(0)
    assert found == as_optuna_reads(path)
    # Another Optuna may have no such name.
    monkeypatch.setattr("nas.journal._PARSE", "no_such_name")
    assert BatchedJournalStorage(path).get_all_trials(0) == found
    monkeypatch.setattr("nas.journal.replay", None)
    assert BatchedJournalStorage(path).get_all_trials(0) == found


def test_numbers_before_those_that_were_read_are_read_again(tmp_path: Path) -> None:
    file = JournalFile(journal_with(tmp_path / "journal.log", 2))
    everything = list(file.read_logs(0))
    assert [operation["op_code"] for operation in everything] == [0, 4, 4]
    assert list(file.read_logs(1)) == everything[1:]
    assert list(file.read_logs(3)) == []


def test_end_of_a_long_journal_is_found_from_its_end(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    line = b'{"op_code": 4, "long": "' + 200_000 * b"x" + b'"}\n'
    path.write_bytes(line + line[:-5])
    assert mend_journal(path)
    assert path.read_bytes() == line


class TestDamagedJournal:
    @pytest.mark.parametrize("cut", [1, 20])
    def test_torn_last_line_is_read_over(self, tmp_path: Path, cut: int) -> None:
        path = journal_with(tmp_path / "journal.log", 3)
        path.write_bytes(path.read_bytes()[:-cut])
        storage = open_storage("journal", tmp_path, create=False)
        study = optuna.load_study(study_name="digits", storage=storage)
        assert len(study.trials) == 2

    def test_torn_last_line_is_cut_off_by_the_owner(self, tmp_path: Path) -> None:
        path = journal_with(tmp_path / "journal.log", 3)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines)[:-20])
        assert mend_journal(path)
        assert path.read_bytes() == b"".join(lines[:-1])
        study = optuna.load_study(
            study_name="digits", storage=open_storage("journal", tmp_path, create=True)
        )
        study.add_trial(optuna.trial.create_trial(value=9.0))
        check_journal(path)
        assert [trial.value for trial in study.trials] == [0.0, 1.0, 9.0]

    def test_whole_and_missing_journals_need_no_mending(self, tmp_path: Path) -> None:
        path = journal_with(tmp_path / "journal.log", 1)
        before = path.read_bytes()
        assert not mend_journal(path)
        assert path.read_bytes() == before
        assert not mend_journal(tmp_path / "none.log")
        (tmp_path / "empty.log").touch()
        assert not mend_journal(tmp_path / "empty.log")

    @pytest.mark.parametrize("damage", [b'{"op_co', b"\x00\xff\x00", b"[1]", b'"op_code"', b"{}"])
    def test_damaged_line_is_named_and_nothing_is_changed(
        self, tmp_path: Path, damage: bytes
    ) -> None:
        path = journal_with(tmp_path / "journal.log", 3)
        lines = path.read_bytes().splitlines(keepends=True)
        lines[2] = damage + b"\n"
        path.write_bytes(b"".join(lines))
        before = path.read_bytes()
        with pytest.raises(StorageError, match=r"Line 3 of .*journal\.log .* first 2 lines alone"):
            open_storage("journal", tmp_path)
        assert path.read_bytes() == before

    def test_lines_before_the_damage_open_again(self, tmp_path: Path) -> None:
        path = journal_with(tmp_path / "journal.log", 3)
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
        storage = open_storage("journal", tmp_path)
        assert len(optuna.load_study(study_name="digits", storage=storage).trials) == 2

    def test_journal_of_other_operations_is_refused(self, tmp_path: Path) -> None:
        operation = {"op_code": 0, "worker_id": "a"}
        (tmp_path / "journal.log").write_text(json.dumps(operation) + "\n")
        with pytest.raises(StorageError, match=r"cannot be replayed .KeyError: 'study_name'"):
            open_storage("journal", tmp_path)

    def test_folder_in_the_place_of_the_journal_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "journal.log").mkdir()
        with pytest.raises(StorageError, match="can be read and written, got Is a directory"):
            open_storage("journal", tmp_path)

    def test_missing_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="read and written, got No such file or directory"):
            open_storage(str(tmp_path / "none" / "study.log"), tmp_path)


def test_lock_left_by_a_killed_writer_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.journal._LOCK_GRACE_SECONDS", 3)
    # A relative path, as runs/ is: the lock is a link to the journal and must not dangle.
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    storage = open_storage("journal", Path("runs"))
    study = optuna.create_study(storage=storage, study_name="digits")
    (tmp_path / "runs/journal.log.lock").symlink_to(tmp_path / "runs/journal.log")
    optuna.logging.disable_default_handler()
    start = time.monotonic()
    study.add_trial(optuna.trial.create_trial(value=1.0))
    optuna.logging.enable_default_handler()
    assert 2 < time.monotonic() - start < 15
    assert not (tmp_path / "runs/journal.log.lock").is_symlink()
    assert len(study.trials) == 1


def test_lock_that_optuna_takes_points_to_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    targets: list[str] = []
    monkeypatch.setattr(os, "symlink", lambda target, link: targets.append(target))
    monkeypatch.setattr(
        "optuna.storages.journal.JournalFileSymlinkLock.release", lambda self: None
    )
    optuna.create_study(storage=open_storage("journal", Path()), study_name="digits")
    assert set(targets) == {str(tmp_path / "journal.log")}


def test_full_disk_stops_a_write_and_loses_nothing(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys\n"
        "import optuna\n"
        "from pathlib import Path\n"
        "from nas.storage import open_storage\n"
        "study = optuna.create_study(storage=open_storage('journal', Path(sys.argv[1])))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    for value in range(100):\n"
        "        study.add_trial(optuna.trial.create_trial(value=float(value)))\n"
        "except OSError as error:\n"
        "    print(value)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    kept = int(done.stdout)
    assert kept > 0
    mend_journal(tmp_path / "journal.log")
    [study] = open_storage("journal", tmp_path).get_all_studies()
    storage = open_storage("journal", tmp_path)
    assert len(storage.get_all_trials(study._study_id)) == kept
    assert not (tmp_path / "journal.log.lock").is_symlink()
