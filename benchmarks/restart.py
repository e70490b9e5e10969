"""H8: how soon a study of 10,000 trials goes on, and what a kill costs.

Restart: a fresh process opens the journal of such a study and asks for the first group of
candidates. Kills: `nas search` trains; its owner, or one of its workers, is ended by kill -9 in the
midst, and the study is brought to its end. Lost are ended trials that the storage does not have, and
epochs that were trained twice, in candidates.

    python -m benchmarks.restart
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.arguments import Arguments
from benchmarks.long_study import make_long_study
from benchmarks.measuring import RESULTS, ROOT, format_table, spread_of, write_result
from nas.run import open_run
from nas.trials import State

# Printed after each step: seconds since the process began to run Python.
READY = """
import io, json, sys, time
start = time.perf_counter()
clock = {}
from pathlib import Path
from benchmarks.instant_pool import InstantPool
from nas.devices import plan_slots
from nas.garbage import no_collection
from nas.journal import mend_journal
from nas.open_study import open_study
from nas.run_folder import RunFolder
from nas.study_run import SearchOptions, StudyRun
clock["import"] = time.perf_counter() - start
folder = RunFolder(Path(sys.argv[1]))
mend_journal(folder.path / "journal.log")
study = open_study(folder, folder.read_config())
clock["open"] = time.perf_counter() - start
pool = InstantPool(8)
def submit(work):
    clock["first group"] = time.perf_counter() - start
    print(json.dumps(clock), flush=True)
    raise KeyboardInterrupt
pool.submit = submit
options = SearchOptions(with_report=False, with_export=False, stream=io.StringIO())
with no_collection(stays=True):
    run = StudyRun(study, plan_slots(1, "cpu", []), options, make_pool=lambda *_: pool)
clock["owner"] = time.perf_counter() - start
try:
    run.run()
except KeyboardInterrupt:
    pass
"""
NAS = "from nas.cli import main; main()"
KILLS = ("owner", "worker")
_PATIENCE = 120.0


def time_restarts(num_trials: int, repeats: int, folder: Path) -> dict[str, Any]:
    """Measure from the start of Python to the first group, as JSON data, s."""
    base = make_long_study(folder, num_trials)
    found: dict[str, list[float]] = {}
    status = []
    for _ in range(repeats):
        place = folder / "work"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(base.path, place)
        done = _python("-c", READY, str(place), cwd=ROOT)
        for step, seconds in json.loads(done).items():
            found.setdefault(step, []).append(seconds)
        start = time.perf_counter()
        _python("-c", NAS, "status", str(place), "--json", cwd=ROOT)
        status.append(time.perf_counter() - start)
    spreads = {step: spread_of(seconds) for step, seconds in found.items()}
    after_import = [a - b for a, b in zip(found["first group"], found["import"], strict=True)]
    return {
        "trials": num_trials,
        "seconds_since_start": spreads,
        "without_imports": spread_of(after_import),
        "nas_status": spread_of(status),
    }


def _python(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=True
    )
    return done.stdout


def kill_once(victim: str, folder: Path, trials: int, epochs: int) -> dict[str, float]:
    """Kill the owner or a worker of a study in its midst; say what that cost."""
    command = [sys.executable, "-c", NAS, "search", "--name", "killed", "--trials", str(trials)]
    command += ["--set", f"recipe.epochs={epochs}", "--wandb", "disabled"]
    command += ["--no-report", "--no-export"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = folder / "runs" / "killed"
    owner = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait(lambda: _events(run)["end"] >= trials // 3, owner)
        told = _events(run)["end"]
        if victim == "owner":
            owner.send_signal(signal.SIGKILL)
            owner.wait()
            known = sum(record.state.is_finished for record in open_run(run).records())
            start = time.perf_counter()
            before = _events(run)["start"]
            owner = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=subprocess.DEVNULL
            )
            _wait(lambda: _events(run)["start"] > before, owner)
        else:
            _wait(lambda: bool(_busy(run)), owner)
            start, before = time.perf_counter(), _events(run)["again"]
            os.kill(_busy(run)[0], signal.SIGKILL)
            known = told
            _wait(lambda: _events(run)["again"] > before, owner)
        seconds = time.perf_counter() - start
        owner.wait(timeout=_PATIENCE)
    finally:
        if owner.poll() is None:
            owner.kill()
            owner.wait()
    records = open_run(run).records()
    complete = sum(record.state is State.COMPLETE for record in records)
    return {
        "ended_before": told,
        "ended_trials_lost": max(told - known, 0) + trials - complete,
        "candidates_of_epochs_twice": _epochs_twice(run) / epochs,
        "seconds_to_go_on": seconds,
    }


def _wait(is_so: Any, owner: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _PATIENCE
    while not is_so():
        if owner.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"The study ended or hung too early (exit {owner.returncode}).")
        time.sleep(0.02)


def _busy(run: Path) -> list[int]:
    """Return the processes of workers that train."""
    board = json.loads((run / "workers.json").read_text())
    return [int(worker["pid"]) for worker in board["workers"] if worker["trials"]]


def _lines(run: Path) -> list[dict[str, Any]]:
    path = run / "logs" / "epochs.jsonl"
    text = path.read_text() if path.is_file() else ""
    return [json.loads(line) for line in text.split("\n")[:-1] if line]


def _events(run: Path) -> Counter[str]:
    """Count events; `again` are starts of another attempt."""
    lines = _lines(run)
    found = Counter(line["event"] for line in lines)
    found["again"] = sum(line["event"] == "start" and line["attempt"] > 1 for line in lines)
    return found


def _epochs_twice(run: Path) -> int:
    told = Counter((e["trial"], e["epoch"]) for e in _lines(run) if e["event"] == "epoch")
    return sum(number - 1 for number in told.values())


def describe(result: dict[str, Any]) -> str:
    """Return the result as tables."""
    restart = result["restart"]
    steps = [[step, s.describe()] for step, s in restart["seconds_since_start"].items()]
    steps += [
        ["first group, imports left out", restart["without_imports"].describe()],
        ["nas status, whole command", restart["nas_status"].describe()],
    ]
    kills = [
        [victim, *(spread.describe() for spread in found.values())]
        for victim, found in result["kills"].items()
    ]
    head = ["killed", "ended before", "ended trials lost", "epochs twice, in candidates"]
    return "\n\n".join(
        [
            format_table([f"{restart['trials']:,} trials, until", "s"], steps),
            format_table([*head, "s until it goes on"], kills),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = Arguments(__doc__)
    parser.add_int("--trials", 10_000, help="of the study taken up")
    # A kill waits until a third of them have ended.
    parser.add_int("--killed", 24, least=3, help="trials of the studies killed")
    parser.add_int("--epochs", 4, help="of the studies killed")
    parser.add_int("--repeats", 5)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        restart = time_restarts(options.trials, options.repeats, folder / "long")
        kills: dict[str, Any] = {}
        for victim in KILLS:
            runs = []
            for turn in range(options.repeats):
                place = folder / f"{victim}{turn}"
                place.mkdir()
                runs.append(kill_once(victim, place, options.killed, options.epochs))
                print(f"turn {turn + 1} of {options.repeats}: {victim}, {runs[-1]}")
            kills[victim] = {key: spread_of([run[key] for run in runs]) for key in runs[0]}
    result = {
        "question": "seconds until a study goes on, and what a kill costs",
        "restart": restart,
        "kills": kills,
    }
    print(describe(result))
    print(write_result("restart", result, folder=options.results))


if __name__ == "__main__":
    main()
