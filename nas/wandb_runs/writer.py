"""The process that writes W&B runs: `python -m nas.wandb_runs.writer`, started by `nas.wandb_runs.run_log`.

It reads one JSON object per line from standard input (the set-up, then what to write) and answers
each but the set-up with one line. It ends when the input does, after all that was in the pipe: so
a killed owner loses nothing that it had handed over, and nothing is left running.
"""

import fcntl
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nas.trials_json import record_from_json
from nas.wandb_runs.content import StudyInfo
from nas.wandb_runs.files import temporary_folder, wandb_root
from nas.wandb_runs.summary import StudySummary
from nas.wandb_settings import WandbSettings

if TYPE_CHECKING:
    from nas.wandb_runs.dashboards import Dashboard

_NICENESS = 10
_LOCK_TIMEOUT_S = 60.0


def main() -> None:
    """Write what the pipe brings until it ends."""
    # Whoever interrupts the owner, or ends the whole job, wants the finished trials kept.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(_NICENESS)
    requests, answers = _take_pipes()
    setup = json.loads(requests.readline() or "{}")
    if not setup:
        return
    folder = Path(setup["folder"])
    with _only_writer(folder):
        _clear(temporary_folder(folder))
        # Imported only now, because W&B opens its temporary folders when it is imported.
        from nas.wandb_runs.dashboards import Dashboard

        dashboard = Dashboard(
            folder,
            WandbSettings.model_validate(setup["settings"]),
            StudyInfo.from_json(setup["study"]),
        )
        try:
            for line in requests:
                if not _answer(answers, _handle(dashboard, line)):
                    answers = None
        finally:
            dashboard.close()


def _handle(dashboard: "Dashboard", line: str) -> dict[str, Any] | None:
    """Write one run; a failure is told, and the next one is written all the same."""
    try:
        request = json.loads(line)
    except json.JSONDecodeError:
        # The owner was killed in the middle of a line; nobody reads an answer.
        return None
    error = None
    try:
        _write(dashboard, request)
    except Exception as problem:  # noqa: BLE001 - logging must never end a study
        error = f"{type(problem).__name__}: {' '.join(str(problem).split())}"
    notices, dashboard.notices = dashboard.notices, []
    return {"ticket": request["ticket"], "error": error, "notices": notices}


def _write(dashboard: "Dashboard", request: Mapping[str, Any]) -> None:
    if request["what"] == "trial":
        dashboard.write_trial(record_from_json(request["record"]), request["job_type"])
        return
    content = dict(request["content"])
    for name in ("trials", "repeats"):
        content[name] = [record_from_json(record) for record in content[name]]
    dashboard.write_summary(StudySummary(**content))


def _clear(folder: Path) -> None:
    """Remove what a killed writer left behind."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _answer(answers: IO[str] | None, answer: Mapping[str, Any] | None) -> bool:
    """Send an answer; False once nobody listens."""
    if answers is None or answer is None:
        return False
    try:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    except OSError:
        return False
    return True


def _take_pipes() -> tuple[IO[str], IO[str] | None]:
    """Keep both pipes for ourselves: W&B's service inherits 0, 1 and 2, and may print."""
    requests = os.fdopen(os.dup(sys.stdin.fileno()), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return requests, answers


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Wait until the writer of a killed owner has finished its backlog."""
    root = wandb_root(folder)
    root.mkdir(parents=True, exist_ok=True)
    with (root / "writer.lock").open("a") as lock:
        end = time.monotonic() + _LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


if __name__ == "__main__":
    main()
