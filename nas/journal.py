"""The journal of a study: Optuna's own format, with many operations in one write where that helps.

Optuna's file backend writes, and has the disk confirm, one operation at a time, and reads every line
twice when damage is to be named. Whoever reads the file with Optuna's backend sees no difference.
"""

import contextlib
import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileSymlinkLock

from nas.errors import StorageError

try:
    from optuna.storages.journal import _storage as replay
except ImportError:
    replay = None

_PARSE = "json_to_distribution"
"""Name of what reads a range in Optuna's replay."""
_LOCK_GRACE_SECONDS = 5
"""After so long a journal's lock that nobody uses is that of a killed process."""


class JournalFile(BaseJournalBackend):
    """A journal in a file, one JSON operation per line.

    Args:
        path: The file; it is made where it is missing.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        # The whole path: Optuna's lock is a link to it, which from the folder would lead nowhere,
        # and then a lock left by a killed process is waited for in vain.
        self._path = path.resolve()
        self._lock = JournalFileSymlinkLock(str(self._path), grace_period=_LOCK_GRACE_SECONDS)
        if not self._path.exists():
            self._path.open("ab").close()
        self._num_read = 0
        """Operations that were read from the file."""
        self._offset = 0
        """Where the next one begins, bytes."""
        self._depth = 0
        """How many batches are open, one within the other."""
        self._pending: list[bytes] = []
        """Operations of the open batch; while there are any, the lock is ours."""

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the operations from a number on, those of an open batch last.

        Raises:
            StorageError: A line is damaged.
        """
        if log_number_from < self._num_read:
            self._num_read = self._offset = 0
        yield from self._read_file(log_number_from)
        # Nobody else can write before these, so they have the numbers that follow.
        for line in self._pending[max(log_number_from - self._num_read, 0) :]:
            yield json.loads(line)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write operations, confirmed by the disk; in a batch at its end."""
        lines = [json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs]
        if not self._depth:
            self._lock.acquire()
            try:
                self._write(lines)
            finally:
                self._lock.release()
            return
        if not self._pending:
            self._lock.acquire()
        self._pending += lines

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Write what is appended in a `with` at its end, at once; also where it ends by an error.

        Nothing is on disk before. Other writers wait from the first operation on.
        """
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._pending and not self._depth:
                try:
                    self._write(self._pending)
                finally:
                    self._pending = []
                    self._lock.release()

    def _read_file(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        # Not more than there is now: others may write meanwhile.
        left = self._path.stat().st_size - self._offset
        if left <= 0:
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                left -= len(line)
                # A line without its end is being written, or was cut off by a kill.
                if left < 0 or not line.endswith(b"\n"):
                    return
                operation = None
                if self._num_read >= log_number_from:
                    operation = self._parse(line)
                self._num_read += 1
                self._offset += len(line)
                if operation is not None:
                    yield operation

    def _parse(self, line: bytes) -> dict[str, Any]:
        try:
            operation = json.loads(line)
        except ValueError:
            operation = None
        if not (isinstance(operation, dict) and "op_code" in operation):
            raise StorageError(
                f"Line {self._num_read + 1} of {self._path} must be one JSON operation of Optuna's "
                f"journal, got {line[:40]!r}. Nothing was changed: restore that line from a copy, "
                f"or go on from before it with the first {self._num_read} lines alone (not without "
                "that line: Optuna counts trials by the lines before them)."
            )
        return operation

    def _write(self, lines: list[bytes]) -> None:
        # Without a buffer, which would write what is left of it when the file is closed.
        with self._path.open("ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            left = memoryview(b"".join(lines))
            try:
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError:
                # Half an operation would make the next one unreadable.
                with contextlib.suppress(OSError):
                    file.truncate(size)
                raise


class BatchedJournalStorage(JournalStorage):
    """Optuna's journal storage, in which several operations may be written as one.

    Args:
        path: The journal.
    """

    def __init__(self, path: Path) -> None:
        self._file = JournalFile(path)
        with _shared_distributions():
            super().__init__(self._file)

    def batch(self) -> contextlib.AbstractContextManager[None]:
        """Let all operations of a `with` be written together at its end.

        Reading within it already tells of them. For one thread.
        """
        return self._file.batch()


@contextlib.contextmanager
def _shared_distributions() -> Iterator[None]:
    """Let equal ranges of parameters be read once, while a journal is replayed in a `with`.

    Optuna parses the range of every parameter of every trial anew, which is a third of the time.
    It has no public place for this; where its insides are otherwise, all is as it was.
    """
    parse = getattr(replay, _PARSE, None)
    if parse is None:
        yield
        return
    setattr(replay, _PARSE, functools.lru_cache(maxsize=10_000)(parse))
    try:
        yield
    finally:
        setattr(replay, _PARSE, parse)


def check_journal(path: Path) -> None:
    """Check that every line of a journal is an operation.

    Raises:
        StorageError: A line is damaged; the message names it.
    """
    if path.is_file():
        for _ in JournalFile(path).read_logs(0):
            pass


def mend_journal(path: Path) -> bool:
    """Cut off a last line that a killed writer left unfinished; say whether there was one.

    Only the owner of the study may call it, since another writer may be in the midst of a line.
    """
    if not path.is_file():
        return False
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        end = _end_of_last_line(file.fileno(), size)
        if end == size:
            return False
        file.truncate(end)
        file.flush()
        os.fsync(file.fileno())
    return True


def _end_of_last_line(file: int, size: int, step: int = 1 << 16) -> int:
    """Return where the last whole line ends; a journal may be long, so from the end."""
    start = size
    while start > 0:
        start = max(start - step, 0)
        found = os.pread(file, step, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
    return 0
