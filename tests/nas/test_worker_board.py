import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nas.messages import Work
from nas.pool import Event
from nas.worker_board import WorkerBoard, read_board
from trainer.progress import Verdict

WORKERS: list[dict[str, object]] = [{"pid": 7, "device": "cpu", "trials": ["trial-0003"]}]


class Pool:
    """A pool with one busy worker."""

    num_workers = 2
    num_idle = 0
    group_size = 1

    def describe(self) -> list[dict[str, object]]:
        return WORKERS

    def start(self) -> None: ...

    def submit(self, work: Work) -> None: ...

    def answer(self, key: str, verdict: Verdict) -> None: ...

    def events(self, timeout_s: float) -> list[Event]:
        return []

    def close(self) -> None: ...


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "workers.json"


def test_board_of_a_living_owner_is_read(path: Path) -> None:
    board = WorkerBoard(path, Pool())
    board.tick()
    assert read_board(path) == {"owner": os.getpid(), "workers": WORKERS}
    written = path.stat().st_mtime_ns
    board.tick()
    assert path.stat().st_mtime_ns == written
    board.remove()
    board.remove()
    assert read_board(path) is None


def test_board_of_a_dead_owner_is_not_believed(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    path.write_text(json.dumps({"owner": int(done.stdout), "workers": WORKERS}))
    assert read_board(path) is None


def test_old_board_is_not_believed_even_if_its_number_lives_again(path: Path) -> None:
    path.write_text(json.dumps({"owner": os.getpid(), "workers": WORKERS}))
    assert read_board(path) is not None
    long_ago = path.stat().st_mtime - 3600
    os.utime(path, (long_ago, long_ago))
    assert read_board(path) is None


def test_owner_of_another_user_is_alive(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: int, number: int) -> None:
        raise PermissionError(process)

    path.write_text(json.dumps({"owner": 1, "workers": WORKERS}))
    monkeypatch.setattr(os, "kill", refuse)
    assert read_board(path) == {"owner": 1, "workers": WORKERS}


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "{}", '{"owner": "x"}', '{"owner": null}', '{"owner": 1e40}']
)
def test_damaged_board_is_none(path: Path, text: str) -> None:
    path.write_text(text)
    assert read_board(path) is None
