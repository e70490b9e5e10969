"""Optuna storages: opened with clear errors, named without passwords, owned by one process."""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend

from nas.errors import RunFolderError, StorageError

_SECRET_QUERY_KEYS = ("password", "passwd", "sslpassword")


def without_password(url: str) -> str:
    """Return a storage URL without its password, fit for files, logs and messages.

    >>> without_password("postgresql+psycopg://ann:secret@db/nas?password=x&a=b")
    'postgresql+psycopg://ann@db/nas?a=b'
    """
    if "://" not in url:
        return url
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    user = userinfo.partition(":")[0]
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = urlencode([(k, v) for k, v in pairs if k.lower() not in _SECRET_QUERY_KEYS])
    netloc = f"{user}{at}{host}" if user else host
    cleaned = urlunsplit((parts.scheme, netloc, parts.path, query, parts.fragment))
    # urlunsplit drops the empty authority that `sqlite:///file` needs.
    if url.startswith(f"{parts.scheme}:///") and not cleaned.startswith(f"{parts.scheme}:///"):
        cleaned = cleaned.replace(f"{parts.scheme}:/", f"{parts.scheme}:///", 1)
    return cleaned


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
        create: Whether a journal that does not exist is made.

    Raises:
        StorageError: The storage cannot be reached, or the journal cannot be read.
    """
    path = journal_path(storage, folder)
    if path is None:
        return _open_url(storage)
    if not create and not path.is_file():
        raise StorageError(
            f"The journal must exist, got {str(path)!r}. Give the folder of a study, or a storage "
            "URL and a study name."
        )
    return _open_journal(path)


def _open_journal(path: Path) -> JournalStorage:
    try:
        check_journal(path)
        return JournalStorage(JournalFileBackend(str(path)))
    except OSError as error:
        raise StorageError(
            f"The journal {path} cannot be opened: {error.strerror or error}. Check the folder's "
            "permissions and free space."
        ) from error
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"The journal {path} cannot be replayed ({type(error).__name__}: {error}). It was "
            "damaged or written by another version of Optuna; nothing in it was changed."
        ) from error


def check_journal(path: Path) -> None:
    """Check that every line of a journal is an operation.

    Raises:
        StorageError: A line is damaged; the message names it.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                is_operation = "op_code" in json.loads(line)
            except (ValueError, TypeError):
                is_operation = False
            # A line without its end is being written, or was cut off by a kill.
            if not is_operation and line.endswith(b"\n"):
                raise StorageError(
                    f"Line {number} of {path} must be one JSON operation of Optuna's journal, got "
                    f"{line[:40]!r}. Nothing was changed: restore that line from a copy, or delete "
                    "it to go on without that one operation."
                )


def mend_journal(path: Path) -> bool:
    """Cut off a last line that a killed writer left unfinished; say whether there was one.

    Only the owner of the study may call it, since another writer may be in the midst of a line.
    """
    if not path.is_file():
        return False
    with path.open("rb+") as file:
        data = file.read()
        if not data or data.endswith(b"\n"):
            return False
        file.truncate(data.rfind(b"\n") + 1)
        file.flush()
        os.fsync(file.fileno())
    return True


def _open_url(url: str) -> BaseStorage:
    # Imported here: SQLAlchemy costs a third of a second that journals need not pay.
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    shown = without_password(url)
    options: dict[str, Any] = {}
    if not url.startswith("sqlite"):
        options = {"pool_pre_ping": True, "pool_size": 2}
    try:
        storage = RDBStorage(_with_password_from_environment(url), engine_kwargs=options)
        return get_storage(storage)
    except ImportError as error:
        raise StorageError(
            f"Storage {shown} needs a driver that is not installed ({error}). For PostgreSQL "
            "install the extra: pip install 'skip-nas[postgres]', and use postgresql+psycopg://."
        ) from None
    except ArgumentError:
        raise StorageError(
            f"storage must be 'journal' or an SQLAlchemy URL, got {shown!r}. Write "
            "sqlite:///study.db or postgresql+psycopg://user@host/database."
        ) from None
    except (SQLAlchemyError, OSError, RuntimeError) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        raise StorageError(
            f"Storage {shown} cannot be reached: {_hide(url, reason)}. Check host, port, database "
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
    """Remove the URL's password from a driver's message."""
    password = urlsplit(url).password if "://" in url else None
    return text.replace(password, "***") if password else text


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
        except OSError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise RunFolderError(
                f"A study may have one owner, got {str(folder)!r} owned by process {owner}. Wait "
                "for it, stop it with Ctrl-C, or choose another --name."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


@contextlib.contextmanager
def storage_lock(url: str, study: str) -> Iterator[None]:
    """Hold a study of a database server, so that owners on two machines exclude each other.

    Journals and SQLite files are held by the lock of their run folder.

    Raises:
        StorageError: Another owner holds the study.
    """
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
    from sqlalchemy.pool import NullPool

    statement, values = statements[dialect]
    # A connection of its own: the lock lives as long as the session that took it.
    engine = create_engine(_with_password_from_environment(url), poolclass=NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(text(statement), values).scalar():
            raise StorageError(
                f"A study may have one owner, got study {study!r} of this storage owned by "
                "another process. Wait for it, or choose another --name."
            )
        yield
