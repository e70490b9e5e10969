import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from nas.errors import ConfigError, RunFolderError, StorageError
from nas.storage import (
    check_journal_is_there,
    folder_lock,
    journal_path,
    open_storage,
    storage_lock,
    without_password,
)
from tests.nas.conftest import PASSWORD, Postgres

# Holds a lock until it is killed.
HOLD = """
import sys, time
from pathlib import Path
from nas.storage import folder_lock, storage_lock
what, where = sys.argv[1:]
with folder_lock(Path(where)) if what == "folder" else storage_lock(where, "digits"):
    print("held", flush=True)
    time.sleep(60)
"""


def held_elsewhere(what: str, where: str) -> subprocess.Popen[str]:
    """Start a process that holds a lock, and wait until it does."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, what, where], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def kill(process: subprocess.Popen[str]) -> None:
    """End a process as a crash would."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def journal_with(path: Path, num_trials: int) -> Path:
    """Write a journal of a study with a few trials."""
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name="digits")
    for value in range(num_trials):
        study.add_trial(optuna.trial.create_trial(value=float(value)))
    return path


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("journal", "journal"),
        ("/tmp/study.log", "/tmp/study.log"),
        ("sqlite:///study.db", "sqlite:///study.db"),
        ("sqlite:////data/study.db", "sqlite:////data/study.db"),
        ("postgresql://db/nas", "postgresql://db/nas"),
        ("postgresql://ann@db/nas", "postgresql://ann@db/nas"),
        ("postgresql://ann:s3@db:5432/nas", "postgresql://ann@db:5432/nas"),
        ("postgresql://ann:@db/nas", "postgresql://ann@db/nas"),
        ("postgresql://:s3@db/nas", "postgresql://@db/nas"),
        ("mysql+pymysql://ann:s%403@db/nas", "mysql+pymysql://ann@db/nas"),
        ("postgresql://ann:s/3?x#y@db/nas", "postgresql://ann@db/nas"),
        ("postgresql://ann:s@3@db/nas", "postgresql://ann@db/nas"),
        ("postgresql://ann:s3@/nas?host=/tmp/a", "postgresql://ann@/nas?host=/tmp/a"),
        ("postgresql://db/nas?password=s3&a=b", "postgresql://db/nas?a=b"),
        ("postgresql://db/nas?PassWord=s3", "postgresql://db/nas"),
        ("postgresql://db/nas?a=%2Ftmp&sslpassword=s3", "postgresql://db/nas?a=%2Ftmp"),
        ("postgresql://db/nas?options=a@b", "postgresql://db/nas?options=a@b"),
    ],
)
def test_url_is_shown_without_its_password_and_otherwise_as_it_was(url: str, shown: str) -> None:
    assert without_password(url) == shown
    assert without_password(shown) == shown


def test_journal_lies_in_the_run_folder_unless_a_path_is_given() -> None:
    assert journal_path("journal", Path("runs/a")) == Path("runs/a/journal.log")
    assert journal_path("/data/j.log", Path("runs/a")) == Path("/data/j.log")
    assert journal_path("sqlite:///a.db", Path("runs/a")) is None


def test_journal_that_does_not_exist_is_made_for_an_owner_only(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=f"journal must exist, got '{tmp_path}/journal.log'"):
        open_storage("journal", tmp_path, create=False)
    assert list(tmp_path.iterdir()) == []
    open_storage("journal", tmp_path)
    assert (tmp_path / "journal.log").is_file()


def test_reading_a_journal_leaves_it_and_its_folder_alone(tmp_path: Path) -> None:
    before = journal_with(tmp_path / "journal.log", 2).read_bytes()
    storage = open_storage("journal", tmp_path, create=False)
    assert len(optuna.load_study(study_name="digits", storage=storage).trials) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["journal.log"]
    assert (tmp_path / "journal.log").read_bytes() == before


class TestFolderLock:
    def test_second_owner_is_refused_until_the_first_ends(self, tmp_path: Path) -> None:
        with folder_lock(tmp_path):
            match = f"one owner, got '{tmp_path}' owned by process {os.getpid()}. Wait"
            with pytest.raises(RunFolderError, match=match), folder_lock(tmp_path):
                pass
        with folder_lock(tmp_path):
            pass

    def test_lock_of_a_killed_owner_is_free(self, tmp_path: Path) -> None:
        holder = held_elsewhere("folder", str(tmp_path))
        match = f"owned by process {holder.pid}"
        with pytest.raises(RunFolderError, match=match), folder_lock(tmp_path):
            pass
        kill(holder)
        with folder_lock(tmp_path):
            assert (tmp_path / "owner.lock").read_text() == f"{os.getpid()}\n"

    def test_file_system_without_locks_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(file: object, operation: int) -> None:
            raise OSError(37, "No locks available")

        monkeypatch.setattr("fcntl.flock", refuse)
        match = "with locks, got 'No locks available'. Run nas in a folder on a local disk"
        with pytest.raises(RunFolderError, match=match), folder_lock(tmp_path):
            pass


class TestSqlite:
    def test_file_that_does_not_exist_is_made_for_an_owner_only(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/none.db"
        with pytest.raises(StorageError, match=f"file must exist, got '{tmp_path}/none.db'"):
            open_storage(url, tmp_path, create=False)
        assert list(tmp_path.iterdir()) == []

    def test_file_of_something_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.db").write_text("no database " * 100)
        with pytest.raises(StorageError, match=r"a\.db cannot be used: file is not a database"):
            open_storage(f"sqlite:///{tmp_path}/a.db", tmp_path)

    def test_database_without_tables_is_not_filled_by_reading(self, tmp_path: Path) -> None:
        (tmp_path / "a.db").touch()
        with pytest.raises(StorageError, match=r"a\.db cannot be used: no such table"):
            open_storage(f"sqlite:///{tmp_path}/a.db", tmp_path, create=False)
        assert (tmp_path / "a.db").stat().st_size == 0

    def test_no_server_lock_is_taken_for_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with storage_lock("sqlite:///a.db", "digits"), storage_lock("journal", "digits"):
            pass


@pytest.mark.parametrize("opens", ["open_storage", "storage_lock"])
class TestUnreachable:
    """The lock is what an owner asks first, so both must say it clearly."""

    @staticmethod
    def open(how: str, url: str) -> None:
        if how == "open_storage":
            open_storage(url, Path())
        else:
            with storage_lock(url, "digits"):
                pass

    def test_server_that_is_not_there(self, opens: str) -> None:
        url = "postgresql+psycopg://ann:s3cret@127.0.0.1:1/nas"
        match = r"Storage postgresql\+psycopg://ann@127.0.0.1:1/nas cannot be used: .*refused"
        with pytest.raises(StorageError, match=match) as caught:
            self.open(opens, url)
        assert "s3cret" not in str(caught.value)
        assert "NAS_STORAGE_PASSWORD" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_driver_that_is_not_installed(
        self, opens: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "psycopg", None)
        url = "postgresql+psycopg://ann:s3cret@h/nas"
        match = r"Storage postgresql\+psycopg://ann@h/nas needs a driver .*skip-nas\[postgres\]"
        with pytest.raises(StorageError, match=match) as caught:
            self.open(opens, url)
        assert "s3cret" not in str(caught.value)


def test_url_of_no_database_is_a_wrong_value() -> None:
    match = "'journal' or an SQLAlchemy URL, got storage='oracel://ann@h/db'"
    with pytest.raises(ConfigError, match=match):
        open_storage("oracel://ann:s3cret@h/db", Path())


class TestPostgres:
    def test_wrong_password_is_said_without_any_password(
        self, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = postgres.url(password="wr0ng")
        with pytest.raises(
            StorageError, match=r"cannot be used: .*password authentication failed"
        ):
            open_storage(url, Path())
        monkeypatch.setenv("NAS_STORAGE_PASSWORD", "al$o-wr0ng")
        with pytest.raises(StorageError, match="password authentication failed") as caught:
            open_storage(postgres.url(password=None), Path())
        assert "wr0ng" not in str(caught.value)
        assert "al$o" not in str(caught.value)

    def test_password_in_a_drivers_message_is_hidden(
        self, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: object, **options: object) -> None:
            raise OSError("login with 's3cret/word' or 's3cret%2Fword' or 'from-env' failed")

        monkeypatch.setenv("NAS_STORAGE_PASSWORD", "from-env")
        monkeypatch.setattr("nas.storage.RDBStorage", fail)
        with pytest.raises(StorageError, match=r"login with '\*\*\*' or '\*\*\*' or '\*\*\*'"):
            open_storage(postgres.url(password="s3cret%2Fword"), Path())

    def test_password_of_the_environment_is_used_with_the_url_as_it_is_stored(
        self, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NAS_STORAGE_PASSWORD", PASSWORD)
        stored = without_password(postgres.url())
        assert PASSWORD not in stored
        with storage_lock(stored, "digits"):
            storage = open_storage(stored, Path())
            assert storage.get_all_studies() is not None
            dispose(storage)

    def test_second_owner_is_refused_until_the_first_ends(self, postgres: Postgres) -> None:
        holder = held_elsewhere("storage", postgres.url())
        match = "one owner, got study 'digits' of this storage owned by another process. Wait"
        with pytest.raises(StorageError, match=match), storage_lock(postgres.url(), "digits"):
            pass
        with storage_lock(postgres.url(), "another study"):
            pass
        kill(holder)
        deadline = time.monotonic() + 10
        while True:
            try:
                with storage_lock(postgres.url(), "digits"):
                    break
            except StorageError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        with storage_lock(postgres.url(), "digits"):
            pass

    def test_what_goes_wrong_under_the_lock_passes_through(self, postgres: Postgres) -> None:
        with pytest.raises(RuntimeError, match="inside"), storage_lock(postgres.url(), "digits"):
            raise RuntimeError("inside")

    def test_server_that_goes_away_lets_go_of_the_lock(self, postgres: Postgres) -> None:
        with storage_lock(postgres.url(), "digits"):
            postgres.server.psql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ann';"
            )
        with storage_lock(postgres.url(), "digits"):
            pass


def dispose(storage: object) -> None:
    backend = getattr(storage, "_backend", SimpleNamespace())
    assert isinstance(backend, RDBStorage)
    backend.scoped_session.remove()
    backend.engine.dispose()


@pytest.mark.parametrize("url", ["sqlite:///{}/s.db", "{}/shared.log"])
def test_a_file_that_two_folders_share_has_one_owner_per_study(tmp_path: Path, url: str) -> None:
    shared = url.format(tmp_path)
    with storage_lock(shared, "digits"):
        with (
            pytest.raises(StorageError, match="may have one owner, got study 'digits' of"),
            storage_lock(shared, "digits"),
        ):
            pass
        with storage_lock(shared, "another"):
            pass
    with storage_lock(shared, "digits"):
        pass


def test_the_lock_of_a_file_in_no_folder_says_what_to_check(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match=r"folder of storage '.*nowhere/s\.db' must be writable"),
        storage_lock(f"sqlite:///{tmp_path}/nowhere/s.db", "digits"),
    ):
        pass


@pytest.mark.parametrize("content", [None, b""])
def test_a_study_that_has_trained_is_not_begun_anew_without_its_journal(
    tmp_path: Path, content: bytes | None
) -> None:
    journal = tmp_path / "journal.log"
    if content is not None:
        journal.write_bytes(content)
    check_journal_is_there(journal, tmp_path)
    (tmp_path / "epochs.jsonl").write_text('{"event": "end", "trial": 0}\n')
    with pytest.raises(StorageError, match=r"must have its journal, got none in '.*journal\.log'"):
        check_journal_is_there(journal, tmp_path)
    journal.write_bytes(b'{"op_code": 0}\n')
    check_journal_is_there(journal, tmp_path)
