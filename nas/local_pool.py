"""Long-lived worker processes on this host, one per device slot, replaced when they die."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from nas.devices import Slot
from nas.errors import TrainingError
from nas.groups import ALONE, GroupPlan
from nas.messages import Answer, EpochDone, Lost, Ready, Setup, Work, WorkDone, decode, encode
from nas.pool import Event
from trainer.progress import Verdict

_MAX_FAILED_STARTS = 3
_END_SECONDS = 5.0
_RANK_VARIABLES = (
    "RANK",
    "LOCAL_RANK",
    "NODE_RANK",
    "GROUP_RANK",
    "ROLE_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "GROUP_WORLD_SIZE",
    "ROLE_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)
"""What another launcher may have left; a worker trains alone."""
_SECRETS = ("NAS_STORAGE_PASSWORD", "PGPASSWORD", "MYSQL_PWD")
_PREFIXES = ("SLURM_", "TORCHELASTIC_", "WANDB_")
"""Workers know no W&B, and so need no key."""


class PoolError(TrainingError):
    """Workers cannot be started."""


@dataclass
class _Worker:
    slot: Slot
    process: subprocess.Popen[bytes]
    connection: Connection
    is_ready: bool = False
    group_size: int = 1
    keys: list[str] = field(default_factory=list)
    supervised: frozenset[str] = frozenset()


class LocalPool:
    """Workers as child processes of the owner.

    Args:
        slots: One worker each.
        data: Name of the data set.
        checkpoint_folder: Where checkpoints lie.
        log_folder: Where each worker's output goes, `worker-<slot>.log`.
        task: The user's own module: `class_path` and `init_args`.
        groups: How workers come to know how many candidates they train at once.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        data: str,
        checkpoint_folder: Path,
        log_folder: Path,
        task: dict[str, Any] | None = None,
        groups: GroupPlan = ALONE,
    ) -> None:
        self._slots = list(slots)
        self._data = data
        self._task = task
        self._groups = groups
        self._measured: dict[int, Ready] = {}
        """What the workers of each slot have said first."""
        self._checkpoint_folder = checkpoint_folder
        self._log_folder = log_folder
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def start(self) -> None:
        """Start one worker per slot."""
        self._log_folder.mkdir(parents=True, exist_ok=True)
        for slot in self._slots:
            self._workers.append(self._spawn(slot))

    @property
    def num_workers(self) -> int:
        """How many workers there are, those that are not ready yet included."""
        return len(self._slots)

    @property
    def num_idle(self) -> int:
        """How many workers wait for work."""
        return len(self._idle)

    @property
    def group_size(self) -> int:
        """How many candidates at once the worker takes that `submit` serves next; 1 without one."""
        return self._idle[0].group_size if self._idle else 1

    @property
    def _idle(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.is_ready and not worker.keys]

    def submit(self, work: Work) -> None:
        """Give work to an idle worker; one that is found dead hands it back as Lost later."""
        worker = self._idle[0]
        worker.keys = list(work.keys)
        worker.supervised = frozenset(work.supervised)
        _send(worker.connection, work)

    def answer(self, key: str, verdict: Verdict) -> None:
        """Answer a finished epoch, where the worker waits for it."""
        for worker in self._workers:
            if key in worker.supervised and key in worker.keys:
                _send(worker.connection, Answer(key=key, verdict=verdict))

    def events(self, timeout_s: float) -> list[Event]:
        """Return what has happened, waiting at most `timeout_s` for the first event.

        Raises:
            PoolError: Workers die again and again before they are ready.
        """
        by_connection = {worker.connection: worker for worker in self._workers}
        found: list[Event] = []
        for ready in wait(list(by_connection), timeout=timeout_s):
            worker = by_connection[ready]  # type: ignore[index]
            found.extend(self._receive(worker))
        return found

    def describe(self) -> list[dict[str, object]]:
        """Return pid, device and the keys in training of each worker."""
        return [
            {"pid": w.process.pid, "device": w.slot.label, "trials": list(w.keys)}
            for w in self._workers
        ]

    def close(self) -> None:
        """Kill all workers and wait until they are gone."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
            worker.connection.close()
        self._workers = []

    def _receive(self, worker: _Worker) -> list[Event]:
        found: list[Event] = []
        try:
            while worker.connection.poll():
                message = decode(worker.connection.recv_bytes())
                if isinstance(message, Ready):
                    message = self._with_why(message)
                    worker.is_ready = True
                    worker.group_size = message.group_size
                    self._measured.setdefault(worker.slot.index, message)
                    self._failed_starts = 0
                elif isinstance(message, WorkDone):
                    ended = {outcome.key for outcome in message.outcomes}
                    worker.keys = [key for key in worker.keys if key not in ended]
                if isinstance(message, Ready | EpochDone | WorkDone):
                    found.append(message)
        except (EOFError, OSError):
            found.append(self._replace(worker))
        return found

    def _with_why(self, ready: Ready) -> Ready:
        """Add why its groups have the size that they have, where that was not measured."""
        return replace(ready, group_why=ready.group_why or self._groups.why)

    def _replace(self, worker: _Worker) -> Lost:
        """Start another worker in the place of a dead one."""
        worker.connection.close()
        code = _end(worker.process)
        log = self._log_path(worker.slot)
        if not worker.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= _MAX_FAILED_STARTS:
                raise PoolError(_why_no_start(self._failed_starts, code, log))
        self._workers[self._workers.index(worker)] = self._spawn(worker.slot)
        # A worker that ends by itself has written why.
        how = f"signal {-code}" if code < 0 else f"exit status {code} ({_tail(log, 1)})"
        return Lost(
            keys=tuple(worker.keys),
            message=f"worker {worker.process.pid} on {worker.slot.label} ended with {how}",
        )

    def _spawn(self, slot: Slot) -> _Worker:
        ours, theirs = socket.socketpair()
        with self._log_path(slot).open("ab") as log:
            process = subprocess.Popen(
                # -P: the current folder may hold modules of the same names as ours.
                [sys.executable, "-P", "-m", "nas.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                # Ctrl-C goes to the whole group of the terminal; what it means is up to the owner.
                process_group=0,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(slot),
            )
        theirs.close()
        connection = Connection(ours.detach())
        # One that takes the place of another trains as many at once, without measuring it again.
        measured = self._measured.get(slot.index)
        setup = Setup(
            checkpoint_folder=str(self._checkpoint_folder.absolute()),
            data=self._data,
            device=slot.device,
            num_threads=slot.num_threads,
            import_paths=[path or str(Path.cwd()) for path in sys.path],
            task=self._task,
            group_size=measured.group_size if measured else self._groups.size,
            group_specs=list(self._groups.specs) if not measured else [],
            group_recipe=self._groups.recipe,
        )
        _send(connection, setup)
        return _Worker(slot=slot, process=process, connection=connection)

    def _log_path(self, slot: Slot) -> Path:
        return self._log_folder / f"worker-{slot.index}.log"


def _why_no_start(times: int, code: int, log: Path) -> str:
    """Say why workers do not start, and what to do."""
    if code < 0:
        return (
            f"Workers must start, got {times} that were ended by signal {-code}; signal 9 often "
            "means that memory ran out. Use fewer --workers and repeat the command."
        )
    return (
        f"Workers must start, got {times} that ended at once (exit status {code}). Mend what the "
        f"last lines of {log} say, then repeat the command:\n{_tail(log)}"
    )


def _end(process: subprocess.Popen[bytes]) -> int:
    """Return the exit status of a process that has closed its socket, and so is about to end."""
    try:
        return process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _send(connection: Connection, message: Setup | Work | Answer) -> None:
    try:
        connection.send_bytes(encode(message))
    except OSError:
        # The worker is dead; its end of the socket says so at the next look at events.
        return


def _environment(slot: Slot) -> dict[str, str]:
    """The owner's environment without stale ranks and secrets, with this slot's device."""
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in (*_RANK_VARIABLES, *_SECRETS) and not key.startswith(_PREFIXES)
    }
    package_root = str(Path(__file__).resolve().parent.parent)
    return environment | {
        "OMP_NUM_THREADS": str(slot.num_threads),
        "MKL_NUM_THREADS": str(slot.num_threads),
        "PYTHONPATH": os.pathsep.join(
            path for path in (package_root, os.environ.get("PYTHONPATH")) if path
        ),
        **slot.environment,
    }


def _tail(path: Path, num_lines: int = 12) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-num_lines:])
    except OSError:
        return "(no log)"
