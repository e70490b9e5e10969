"""The child process that writes W&B runs, as the owner holds it; imports no wandb."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import nas
from nas.wandb_runs.content import StudyInfo
from nas.wandb_runs.files import temporary_folder, writer_environment
from nas.wandb_settings import WandbSettings

WRITER_LOG = "wandb_writer.log"
"""File in the run folder's `logs/` that holds what the writer and W&B print."""

# Some 300 trials; the 64 KiB that a pipe has by default are 20.
_PIPE_BYTES = 1 << 20


class WriterProcess:
    """The child process; not in our process group, so that Ctrl-C does not reach it.

    Args:
        folder: The run folder, absolute.
        settings: Resolved settings.
        study: What all runs share.

    Raises:
        OSError: The process or the log cannot be started.
    """

    def __init__(self, folder: Path, settings: WandbSettings, study: StudyInfo) -> None:
        self._listener: threading.Thread | None = None
        logs = folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        temporary_folder(folder).mkdir(parents=True, exist_ok=True)
        with (logs / WRITER_LOG).open("ab") as log:
            self._process = subprocess.Popen(
                # -P: the current directory may hold modules of the same names as ours.
                [sys.executable, "-P", "-m", "nas.wandb_runs.writer"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_with_our_packages(writer_environment(folder, settings)),
                start_new_session=True,
                text=True,
                encoding="utf-8",
            )
        _widen(_pipe(self._process.stdin))
        setup = {
            "folder": str(folder),
            "settings": settings.model_dump(),
            "study": study.to_json(),
        }
        self.send(json.dumps(setup) + "\n")

    def send(self, lines: str) -> None:
        """Write lines; where the writer is gone, the listener tells."""
        pipe = _pipe(self._process.stdin)
        with suppress(OSError):
            pipe.write(lines)
            pipe.flush()

    def listen(
        self, take: Callable[[Mapping[str, Any]], None], ended: Callable[["WriterProcess"], None]
    ) -> None:
        """Give each answer to `take`, and this writer to `ended` when there are no more."""

        def loop() -> None:
            for line in _pipe(self._process.stdout):
                # A killed writer may leave half a line.
                if line.endswith("\n"):
                    take(json.loads(line))
            ended(self)

        self._listener = threading.Thread(target=loop, name="wandb answers", daemon=True)
        self._listener.start()

    def finish(self) -> None:
        """End the input and wait until the writer has answered all of it and ended."""
        with suppress(OSError):
            # Closing flushes, and nobody may be there to read.
            _pipe(self._process.stdin).close()
        if self._listener is not None:
            self._listener.join()
        _pipe(self._process.stdout).close()
        self._process.wait()

    def kill(self) -> None:
        """End the writer at once."""
        self._process.kill()


def _widen(pipe: IO[str]) -> None:
    """Let the pipe hold more where the system allows: it outlives a killed owner."""
    with suppress(AttributeError, OSError):
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise OSError("the writer has no pipe")
    return pipe


def _with_our_packages(environ: dict[str, str]) -> dict[str, str]:
    """Let the child find our packages where we found them, installed or not."""
    root = str(Path(str(nas.__file__)).resolve().parents[1])
    paths = [root, environ.get("PYTHONPATH", "")]
    return environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
