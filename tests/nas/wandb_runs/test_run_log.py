import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.trials import Source, State
from nas.wandb_runs.files import finished_ids, run_folders
from nas.wandb_runs.run_log import RunLog, RunLogResult
from tests.nas.wandb_reader import read_run
from tests.nas.wandb_studies import make_record, open_log, processes_of, wait_until

needs_proc = pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")


def writer_pid(folder: Path) -> int:
    """Wait until a writer has begun, and return its process id."""
    lock = folder / "wandb" / "writer.lock"
    wait_until(lambda: lock.exists() and lock.read_text().isdigit())
    return int(lock.read_text())


def interrupt(log: RunLog, folder: Path, number: int) -> int:
    """Let a run be written, then stop the writer, so that what follows waits."""
    log.trial_done(make_record(number))
    pid = writer_pid(folder)
    wait_until(lambda: log.num_pending == 0)
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_disabled_writes_nothing_and_starts_nothing(tmp_path: Path) -> None:
    log = open_log(tmp_path, mode="disabled")
    log.trial_done(make_record())
    log.summary(headline="", benefit={}, trials=[])
    assert log.close() == RunLogResult(num_written=0, failures=())
    assert list(tmp_path.iterdir()) == []
    assert log.missing([make_record()]) == []


@pytest.mark.parametrize(
    ("runs", "kept"),
    [("finalists", {"uid-r0001", "uid-summary"}), ("none", {"uid-summary"})],
)
def test_fewer_runs_are_written_where_fewer_are_asked_for(
    tmp_path: Path, runs: str, kept: set[str]
) -> None:
    trial = make_record(1)
    finalist = make_record(1, source=Source.FINALIST, wandb_id="uid-r0001")
    log = open_log(tmp_path, runs=runs)
    for record in (trial, finalist):
        log.trial_done(record)
    log.summary(headline="h", benefit={}, trials=[trial])
    assert log.close() == RunLogResult(num_written=len(kept), failures=())
    assert finished_ids(tmp_path) == kept
    assert log.missing([trial, finalist]) == []


@needs_proc
def test_handing_over_never_waits_for_a_writer_that_hangs(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    interrupt(log, tmp_path, 0)
    # More than the pipe holds.
    records = [make_record(number) for number in range(1, 1001)]
    start = time.perf_counter()
    for record in records:
        log.trial_done(record)
    assert (time.perf_counter() - start) / len(records) < 1e-3
    assert log.num_pending == 1000
    result = log.close(timeout_s=0.5)
    assert result.num_written == 1
    assert result.failures[0] == "W&B: the writer was ended after 0.5 s."
    assert "1000 runs were not written" in result.failures[1]
    assert log.num_pending == 0
    wait_until(lambda: not processes_of(tmp_path))


@needs_proc
def test_writer_that_dies_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    pid = interrupt(log, tmp_path, 0)
    for number in range(1, 6):
        log.trial_done(make_record(number))
    os.kill(pid, signal.SIGKILL)
    log.trial_done(make_record(6))
    assert log.close() == RunLogResult(num_written=7, failures=())
    assert finished_ids(tmp_path) == {f"uid-{number:04d}" for number in range(7)}
    assert all(len(paths) == 1 for paths in run_folders(tmp_path).values())
    wait_until(lambda: not processes_of(tmp_path))


@needs_proc
def test_writer_that_dies_twice_costs_a_warning_and_the_next_log_catches_up(
    tmp_path: Path,
) -> None:
    log = open_log(tmp_path)
    records = [make_record(number) for number in range(3)]
    first = interrupt(log, tmp_path, 0)
    log.trial_done(records[1])
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: writer_pid(tmp_path) != first)
    wait_until(lambda: log.num_pending == 0)
    second = writer_pid(tmp_path)
    os.kill(second, signal.SIGSTOP)
    log.trial_done(records[2])
    os.kill(second, signal.SIGKILL)
    (failure,) = log.close().failures
    assert "1 runs were not written: the writer ended twice" in failure
    assert log.missing(records) == [records[2]]

    again = open_log(tmp_path)
    for record in again.missing(records):
        again.trial_done(record)
    assert again.close() == RunLogResult(num_written=1, failures=())
    assert again.missing(records) == []


def test_only_finished_trials_can_be_missing(tmp_path: Path) -> None:
    records = [make_record(i, state=state) for i, state in enumerate(State)]
    assert [record.state for record in open_log(tmp_path).missing(records)] == [
        State.COMPLETE,
        State.PRUNED,
        State.FAILED,
    ]


OWNER = """
import sys, time
from pathlib import Path
from tests.nas.wandb_studies import make_record, open_log

log = open_log(Path(sys.argv[1]))
for number in range(30):
    log.trial_done(make_record(number))
print("handed over", flush=True)
time.sleep(60)
"""


def start_owner(folder: Path) -> "subprocess.Popen[bytes]":
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    assert owner.stdout is not None
    owner.stdout.readline()
    # Until the thread has put all of it into the pipe.
    writer_pid(folder)
    return owner


@needs_proc
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda pid: os.kill(pid, signal.SIGKILL), id="kill -9"),
        pytest.param(lambda pid: os.killpg(pid, signal.SIGINT), id="Ctrl-C"),
    ],
)
def test_writer_finishes_the_backlog_of_an_owner_that_is_gone(
    tmp_path: Path, end: Callable[[int], None]
) -> None:
    with start_owner(tmp_path) as owner:
        end(owner.pid)
    assert owner.returncode != 0
    wait_until(lambda: not processes_of(tmp_path))
    assert finished_ids(tmp_path) == {f"uid-{number:04d}" for number in range(30)}


@needs_proc
def test_a_new_owner_waits_for_the_writer_of_the_old_one(tmp_path: Path) -> None:
    with start_owner(tmp_path) as owner:
        os.kill(owner.pid, signal.SIGKILL)
    log = open_log(tmp_path)
    for number in range(30):
        log.trial_done(make_record(number))
    assert log.close() == RunLogResult(num_written=30, failures=())
    assert all(len(paths) == 1 for paths in run_folders(tmp_path).values())


@needs_proc
def test_signals_sent_to_the_writer_itself_do_not_stop_it(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.trial_done(make_record(0))
    pid = writer_pid(tmp_path)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    log.trial_done(make_record(1))
    assert log.close() == RunLogResult(num_written=2, failures=())
    assert not processes_of(tmp_path)


def test_a_run_that_cannot_be_written_costs_a_warning_and_the_next_is_written(
    tmp_path: Path,
) -> None:
    log = open_log(tmp_path)
    log.summary(headline="h", benefit={}, trials=[], best=tmp_path / "nowhere")
    log.trial_done(make_record())
    result = log.close()
    assert result.num_written == 1
    (failure,) = result.failures
    assert failure.startswith("W&B: run summary was not written: ")
    assert "nowhere" in failure
    assert finished_ids(tmp_path) == {"uid-0000"}


def test_content_that_is_no_json_costs_a_warning(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.summary(headline="h", benefit={"effects": {1, 2}}, trials=[])
    result = log.close()
    assert result.num_written == 0
    assert len(result.failures) == 1
    assert "run summary was not written" in result.failures[0]


def test_a_folder_that_cannot_be_written_costs_a_warning(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where a folder should be")
    log = open_log(tmp_path)
    log.trial_done(make_record())
    result = log.close()
    assert result.num_written == 0
    assert "1 runs were not written" in result.failures[0]


def test_log_can_be_used_again_after_it_was_closed(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.trial_done(make_record(0))
    log.close()
    log.trial_done(make_record(1))
    assert log.close() == RunLogResult(num_written=2, failures=())
    assert read_run(run_folders(tmp_path)["uid-0001"][0]).summary["state"] == "complete"


def test_the_owner_does_not_import_wandb() -> None:
    code = "import sys, nas.wandb_runs.run_log; print({'wandb', 'torch'} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
