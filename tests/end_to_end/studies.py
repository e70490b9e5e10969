"""Starts `nas search` as a user does, in a folder of its own, and looks on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

import nas
from nas.run import Run, open_run
from tests.nas.processes import is_alive, wait_until

NAS = [sys.executable, "-P", "-c", "from nas.cli import main; main()"]


def write_config(folder: Path, name: str = "tiny", **changes: Any) -> Path:
    """Write the configuration of a tiny study and return its path."""
    config = {
        "name": name,
        "space": {"stages": 2, "max_blocks": 1, "width": 2},
        "recipe": {"epochs": 6, "batch_size": 32},
        "search": {
            "trials": 6,
            "workers": 2,
            "devices": "cpu",
            "startup_trials": 2,
            "anchor_seeds": 2,
            "finalists": 1,
            "finalist_seeds": 2,
        },
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config | changes))
    return path


class Search:
    """A running `nas search`, in a group of its own as a terminal would make it."""

    def __init__(self, folder: Path, *arguments: str, command: list[str] | None = None) -> None:
        self.folder = folder
        root = str(Path(str(nas.__file__)).resolve().parents[1])
        self.process = subprocess.Popen(
            command or [*NAS, "search", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": root},
        )
        self.output = ""
        self.errors = ""

    def wait(self, seconds: float = 120.0) -> int:
        """Wait for the end and return the exit code."""
        try:
            self.output, self.errors = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.output, self.errors = self.process.communicate()
            raise AssertionError(f"too slow; it said:\n{self.output}\n{self.errors}") from None
        return self.process.returncode

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that happens while it runs."""

        def look() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            return is_so()

        wait_until(look, seconds=60)

    def interrupt(self, number: signal.Signals) -> int:
        """Send a signal to the whole group and return the exit code."""
        os.killpg(self.process.pid, number)
        return self.wait(60)

    def kill(self) -> None:
        """Kill the owner alone, as the system does where memory is short."""
        self.process.kill()
        self.wait()


def epochs_of(run: Path) -> list[dict[str, Any]]:
    """Read the starts, epochs and ends of a study so far."""
    try:
        lines = (run / "logs" / "epochs.jsonl").read_text().splitlines(keepends=True)
    except OSError:
        return []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def key_of(event: dict[str, Any]) -> tuple[bool, int]:
    """Tell trials of the search from repeats."""
    return (event["source"] in ("anchor", "finalist", "paired"), event["trial"])


def in_training(run: Path) -> dict[tuple[bool, int], int]:
    """Return the trials that have begun and not ended, with their last finished epoch."""
    found: dict[tuple[bool, int], int] = {}
    for event in epochs_of(run):
        if event["event"] == "end":
            found.pop(key_of(event), None)
        else:
            found[key_of(event)] = event.get("epoch", found.get(key_of(event), 0))
    return found


def workers_of(run: Path) -> list[int]:
    """Return the process ids of the workers, as `nas status` knows them."""
    try:
        board = json.loads((run / "workers.json").read_text())
    except OSError:
        return []
    return [int(worker["pid"]) for worker in board["workers"]]


def ended(run: Path) -> int:
    """Count the trials that have ended, repeats included."""
    return sum(event["event"] == "end" for event in epochs_of(run))


def is_midway(run: Path, num_ended: int) -> bool:
    """Say whether so many have ended, and one in training has finished an epoch."""
    return ended(run) >= num_ended and any(in_training(run).values()) and bool(workers_of(run))


def are_gone(pids: list[int]) -> bool:
    """Say whether none of the processes runs."""
    return not any(map(is_alive, pids))


def read(run: Path) -> Run:
    """Open the study, as `nas.open_run` does."""
    return open_run(run)
