"""Optuna storages: opened with clear errors, named without passwords, owned by one process."""

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage, get_storage

from nas.errors import ConfigError, RunFolderError, StorageError
from nas.garbage import no_collection
from nas.journal import BatchedJournalStorage

_SECRET_QUERY_KEYS = ("password", "passwd", "sslpassword")
_PASSWORD = re.compile(r"(?P<user>[^:/?#]+://[^:/@?#]*):(?P<password>[^@]*)@")
"""As SQLAlchemy reads it: a password may hold any sign but an @."""
_MORE_PASSWORD = re.compile(r"^([^:/?#]+://[^:/@?#]*@)[^/?#]*@")
"""What is left of a password with an @ that should have been written %40."""
_CONNECT_SECONDS = 10


def without_password(url: str) -> str:
    """Return a storage URL without its password, fit for files, logs and messages.

    >>> without_password("postgresql+psycopg://ann:secret@db/nas?password=x&a=b")
    'postgresql+psycopg://ann@db/nas?a=b'
    """
    if "://" not in url:
        return url
    url = _MORE_PASSWORD.sub(r"\1", _PASSWORD.sub(r"\g<user>@", url, count=1), count=1)
    base, mark, query = url.partition("?")
    kept = [pair for pair in query.split("&") if not _is_secret(pair)]
    return base + (mark + "&".join(kept) if any(kept) else "")


def _is_secret(pair: str) -> bool:
    return unquote(pair.partition("=")[0]).lower() in _SECRET_QUERY_KEYS


def journal_path(storage: str, folder: Path) -> Path | None:
    """Return the journal's path, or None for a storage by URL."""
    if storage == "journal":
        return folder / "journal.log"
    if "://" not in storage:
        return Path(storage)
    return None


def open_storage(storage: str, folder: Path, *, create: bool = True) -> BaseStorage:
    """Open the storage of a study.

    Args:
        storage: `journal`, the path of a journal file, or an Optuna storage URL.
        folder: The run folder, where `journal` lies.
        create: Whether a journal, an SQLite file or tables that do not exist are made.

    Raises:
        ConfigError: The URL is none.
        StorageError: The storage cannot be reached, or the journal cannot be read.
    """
    path = journal_path(storage, folder)
    if path is None:
        return _open_url(storage, create=create)
    if not create and not path.is_file():
        raise StorageError(
            f"The journal must exist, got {str(path)!r}. Give the folder of a study, or a storage "
            "URL and a study name."
        )
    return _open_journal(path)


def _open_journal(path: Path) -> BatchedJournalStorage:
    try:
        with no_collection():
            return BatchedJournalStorage(path)
    except OSError as error:
        raise StorageError(
            f"The journal {path} must be a file that can be read and written, got "
            f"{error.strerror or error!s}. Check the folder's permissions and free space."
        ) from error
    except (KeyError, TypeError, AttributeError, ValueError, AssertionError) as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"The journal {path} cannot be replayed ({type(error).__name__}: {error}). It was "
            "damaged or written by another version of Optuna; nothing in it was changed."
        ) from error


def _open_url(url: str, *, create: bool) -> BaseStorage:
    if not create:
        _check_sqlite_file(url)
    options: dict[str, Any] = {}
    if not url.startswith("sqlite"):
        options = {"pool_pre_ping": True, "pool_size": 2, "connect_args": _connect_args(url)}
    with _clear_errors(url):
        storage = RDBStorage(
            _with_password_from_environment(url),
            engine_kwargs=options,
            skip_table_creation=not create,
        )
        if create and url.startswith("sqlite"):
            _write_from_the_start(storage)
        return get_storage(storage)


def _write_from_the_start(storage: RDBStorage) -> None:
    """Let SQLite transactions hold the file from their first read on.

    Optuna claims a waiting trial by reading its state and then setting it; with SQLite's usual
    transactions another process may claim it in between.
    """
    from sqlalchemy import Connection, event

    @event.listens_for(storage.engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check_sqlite_file(url: str) -> None:
    """Refuse a file that does not exist, which SQLite would make."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", url)
    if match and not match[1].startswith((":memory:", "file:")) and not Path(match[1]).is_file():
        raise StorageError(f"The SQLite file must exist, got {match[1]!r}. Check the path.")


def _connect_args(url: str) -> dict[str, Any]:
    """Bound the wait for a server that does not answer, where the URL does not say otherwise."""
    if url.startswith(("postgresql", "mysql")) and "connect_timeout" not in url:
        return {"connect_timeout": _CONNECT_SECONDS}
    return {}


@contextlib.contextmanager
def _clear_errors(url: str) -> Iterator[None]:
    """Turn what SQLAlchemy and drivers raise into one sentence without a password."""
    # Imported here: SQLAlchemy costs a third of a second that journals need not pay.
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    shown = without_password(url)
    try:
        yield
    except ImportError as error:
        raise StorageError(
            f"Storage {shown} needs a driver that is not installed ({error}). For PostgreSQL "
            "install the extra: pip install 'skip-nas[postgres]', and use postgresql+psycopg://."
        ) from None
    except ArgumentError:
        raise ConfigError(
            f"storage must be 'journal' or an SQLAlchemy URL, got storage={shown!r}. Write "
            "sqlite:///study.db or postgresql+psycopg://user@host/database."
        ) from None
    except (SQLAlchemyError, StorageInternalError, OSError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split())
        raise StorageError(
            f"Storage {shown} cannot be used: {_hide(url, reason)}. Check host, port, database "
            "and credentials (the password may be given in NAS_STORAGE_PASSWORD)."
        ) from None


def _with_password_from_environment(url: str) -> str:
    password = os.environ.get("NAS_STORAGE_PASSWORD")
    if password is None or url.startswith("sqlite"):
        return url
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    if parsed.password is not None:
        return url
    return parsed.set(password=password).render_as_string(hide_password=False)


def _hide(url: str, text: str) -> str:
    """Remove every password that was used from a driver's message."""
    match = _PASSWORD.match(url)
    secrets = {os.environ.get("NAS_STORAGE_PASSWORD") or "", match["password"] if match else ""}
    pairs = url.partition("?")[2].split("&")
    secrets |= {pair.partition("=")[2] for pair in pairs if _is_secret(pair)}
    secrets |= {unquote(secret) for secret in secrets}
    for secret in sorted(secrets - {""}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a run folder for one owner; the system lets go of it when the process ends.

    Raises:
        RunFolderError: Another process owns the study.
    """
    path = folder / "owner.lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise RunFolderError(
                f"A study may have one owner, got {str(folder)!r} owned by process {owner}. Wait "
                "for it, stop it with Ctrl-C, or choose another --name."
            ) from None
        except OSError as error:
            raise RunFolderError(
                f"The run folder {str(folder)!r} must be on a file system with locks, got "
                f"{error.strerror!r}. Run nas in a folder on a local disk."
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


@contextlib.contextmanager
def storage_lock(url: str, study: str) -> Iterator[None]:
    """Hold a study of a storage that other run folders may share.

    A database server holds it for owners on all machines; beside an SQLite file or a journal of
    its own lies a lock file, which the system lets go of when the process ends. The journal of a
    run folder is held by the folder's lock.

    Raises:
        StorageError: Another owner holds the study.
    """
    path = _shared_file(url)
    if path is not None:
        with _file_lock(path, study):
            yield
        return
    key = int.from_bytes(hashlib.sha256(f"nas:{study}".encode()).digest()[:7], "big")
    statements = {
        "postgresql": ("SELECT pg_try_advisory_lock(:key)", {"key": key}),
        "mysql": ("SELECT GET_LOCK(:key, 0)", {"key": f"nas-{key}"}),
    }
    dialect = url.partition("://")[0].partition("+")[0]
    if dialect not in statements:
        yield
        return
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    statement, values = statements[dialect]
    with _clear_errors(url):
        # A connection of its own: the lock lives as long as the session that took it.
        engine = create_engine(
            _with_password_from_environment(url),
            poolclass=NullPool,
            connect_args=_connect_args(url),
        )
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        with _clear_errors(url):
            is_free = connection.execute(text(statement), values).scalar()
        if not is_free:
            raise StorageError(
                f"A study may have one owner, got study {study!r} of this storage owned by "
                "another process. Wait for it, or choose another --name."
            )
        yield
    finally:
        # A server that has gone away has let go of the lock by itself.
        with contextlib.suppress(SQLAlchemyError):
            connection.close()


def _shared_file(url: str) -> Path | None:
    """Return the file of a storage outside of run folders; None for servers and `journal`."""
    if url == "journal":
        return None
    if "://" not in url:
        return Path(url)
    if url.partition("://")[0].partition("+")[0] != "sqlite":
        return None
    name = url.partition("://")[2].partition("?")[0].removeprefix("/")
    return Path(name) if name and name != ":memory:" else None


@contextlib.contextmanager
def _file_lock(path: Path, study: str) -> Iterator[None]:
    digest = hashlib.sha256(study.encode()).hexdigest()[:8]
    lock = path.absolute().with_name(f"{path.name}.{digest}.owner.lock")
    try:
        file = lock.open("a", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"The folder of storage {str(path)!r} must be writable: {error.strerror}. Check that it "
            "exists, and its permissions."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StorageError(
                f"A study may have one owner, got study {study!r} of {str(path)!r} owned by "
                "another process. Wait for it, or choose another --name."
            ) from None
        yield


def check_journal_is_there(path: Path, logs: Path) -> None:
    """Refuse to start anew where a study has trained already and its journal is gone.

    Args:
        path: The journal.
        logs: Folder of the study's logs, which say what was trained.

    Raises:
        StorageError: Trials have ended, and the journal is missing or empty.
    """
    if path.is_file() and path.stat().st_size > 0:
        return
    try:
        has_trained = '"event": "end"' in (logs / "epochs.jsonl").read_text(encoding="utf-8")
    except OSError:
        has_trained = False
    if has_trained:
        raise StorageError(
            f"A study that has trained must have its journal, got none in {str(path)!r}. Bring it "
            "back from a copy, or choose another --name."
        )
