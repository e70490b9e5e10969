"""`workers.json`: who trains what at the moment, for `nas status`; there while an owner lives."""

import json
import os
import time
from pathlib import Path
from typing import Any

from nas.pool import WorkerPool
from nas.run_folder import write_whole

_SECONDS = 1.0
_STALE_SECONDS = 60.0


class WorkerBoard:
    """Writes what the workers do, at most once per second.

    Args:
        path: The file.
        pool: The workers.
    """

    def __init__(self, path: Path, pool: WorkerPool) -> None:
        self._path = path
        self._pool = pool
        self._last = 0.0

    def tick(self) -> None:
        """Write where it is time to."""
        now = time.monotonic()
        if now - self._last >= _SECONDS:
            self._last = now
            self.write()

    def write(self) -> None:
        """Write now, as before something that takes long."""
        data = {"owner": os.getpid(), "workers": self._pool.describe()}
        write_whole(self._path, json.dumps(data) + "\n")

    def remove(self) -> None:
        """Remove the file, since there is no owner any more."""
        self._path.unlink(missing_ok=True)


def read_board(path: Path) -> dict[str, Any] | None:
    """Return what was written, or None where no living owner has written it lately."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        # A number alone may by now belong to another process, as after a restart of the machine.
        is_fresh = time.time() - path.stat().st_mtime <= _STALE_SECONDS
        is_alive = _is_alive(int(data["owner"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return data if is_fresh and is_alive else None


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:
        # Another user's, and so alive.
        return True
    except ProcessLookupError:
        return False
    return True
