"""Real worker processes; each start costs seconds, so that most tests share two of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas.devices import Slot
from nas.groups import GroupPlan
from nas.local_pool import LocalPool, PoolError
from nas.messages import EpochDone, Lost, Ready, Work, WorkDone
from nas.pool import Event, WorkerPool
from search_spaces import InputShape, Kind, make_space
from tests.nas.processes import is_alive, wait_until
from trainer.measurement import Candidate, Failure, Measurement, Reason
from trainer.progress import Verdict

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc"),
]
SPEC = make_space(
    {"max_blocks": 1, "stages": 1, "width": 2}, InputShape(channels=1, height=8, width=8), 10
).uniform((1,), Kind.IDENTITY)
SECRET = "a key that no worker may see"


class Watched:
    """A pool whose events are kept until a test asks for them."""

    def __init__(self, pool: LocalPool, folder: Path) -> None:
        self.pool = pool
        self.folder = folder
        self._seen: list[Event] = []

    @property
    def pids(self) -> list[int]:
        return [int(str(worker["pid"])) for worker in self.pool.describe()]

    def pid_of(self, key: str) -> int:
        [pid] = [w["pid"] for w in self.pool.describe() if key in w["trials"]]  # type: ignore[operator]
        return int(str(pid))

    def wait_for(self, wanted: Callable[[Event], bool]) -> Event:
        """Return the first event that is wanted, and forget it."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for event in self._seen:
                if wanted(event):
                    self._seen.remove(event)
                    return event
            self._seen.extend(self.pool.events(0.1))
        raise AssertionError(f"not within a minute; seen: {self._seen}")

    def wait_for_idle(self, number: int) -> None:
        while self.pool.num_idle < number:
            self.wait_for(lambda event: isinstance(event, Ready))

    def outcome(self, key: str) -> Measurement | Failure:
        event = self.wait_for(
            lambda event: isinstance(event, WorkDone) and event.outcomes[0].key == key
        )
        assert isinstance(event, WorkDone)
        return event.outcomes[0]

    def epoch(self, key: str, number: int) -> EpochDone:
        event = self.wait_for(
            lambda event: (
                isinstance(event, EpochDone) and (event.key, event.metrics.epoch) == (key, number)
            )
        )
        assert isinstance(event, EpochDone)
        return event

    def lost(self, key: str) -> Lost:
        event = self.wait_for(lambda event: isinstance(event, Lost) and key in event.keys)
        assert isinstance(event, Lost)
        return event


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("pool")
    slots = [Slot(index=number, device="cpu", label="cpu") for number in (1, 2)]
    pool = LocalPool(slots, "digits", folder / "checkpoints", folder / "logs")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_API_KEY", "NAS_STORAGE_PASSWORD", "PGPASSWORD", "SLURM_NTASKS"):
            patch.setenv(name, SECRET)
        for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "TORCHELASTIC_RUN_ID"):
            patch.setenv(name, "7")
        patch.setenv("MY_DATA", "kept")
        pool.start()
        try:
            yield Watched(pool, folder)
        finally:
            pids = [int(str(worker["pid"])) for worker in pool.describe()]
            pool.close()
            assert not any(map(is_alive, pids))


def work_of(*keys: str, epochs: int = 1, supervised: bool = False, **recipe: object) -> Work:
    fields = {"epochs": epochs, "batch_size": 256, "warmup_epochs": 0, **recipe}
    return Work(
        candidates=[Candidate(key=key, spec=SPEC, seed=3 + i) for i, key in enumerate(keys)],
        recipe=fields,  # type: ignore[arg-type]
        supervised=list(keys[:1]) if supervised else [],
    )


def test_workers_become_idle_and_train_what_they_are_given(watched: Watched) -> None:
    pool: WorkerPool = watched.pool
    assert pool.num_idle == 0
    watched.wait_for_idle(2)
    pool.submit(work_of("one", epochs=2))
    pool.submit(work_of("two"))
    assert pool.num_idle == 0
    assert sorted(str(w["trials"]) for w in pool.describe()) == ["['one']", "['two']"]
    assert watched.epoch("one", 1).metrics.val_log_loss > 0
    watched.epoch("one", 2)
    outcome = watched.outcome("one")
    assert isinstance(outcome, Measurement)
    assert (outcome.spec_id, outcome.seed, outcome.stopped) == (SPEC.spec_id, 3, False)
    assert len(outcome.history) == 2
    assert outcome.test_accuracy is None
    watched.outcome("two")
    assert pool.num_idle == 2


def test_a_supervised_training_stops_when_it_is_told_to(watched: Watched) -> None:
    watched.wait_for_idle(1)
    watched.pool.submit(work_of("supervised", epochs=5, supervised=True))
    watched.epoch("supervised", 1)
    watched.pool.answer("supervised", Verdict.CONTINUE)
    watched.epoch("supervised", 2)
    watched.pool.answer("supervised", Verdict.STOP)
    outcome = watched.outcome("supervised")
    assert isinstance(outcome, Measurement)
    assert outcome.stopped
    assert len(outcome.history) == 2


def test_group_is_trained_by_one_worker_and_one_member_is_stopped(watched: Watched) -> None:
    watched.wait_for_idle(1)
    watched.pool.submit(work_of("first", "second", epochs=3, supervised=True))
    assert ["first", "second"] in [worker["trials"] for worker in watched.pool.describe()]
    watched.epoch("first", 1)
    watched.pool.answer("first", Verdict.STOP)
    # Nobody waits for this one.
    watched.pool.answer("second", Verdict.STOP)
    done = watched.wait_for(lambda e: isinstance(e, WorkDone) and e.outcomes[0].key == "first")
    assert isinstance(done, WorkDone)
    # Told while the other goes on.
    (stopped,) = done.outcomes
    assert ["second"] in [worker["trials"] for worker in watched.pool.describe()]
    whole = watched.outcome("second")
    assert isinstance(stopped, Measurement)
    assert isinstance(whole, Measurement)
    assert (stopped.stopped, len(stopped.history)) == (True, 1)
    assert (whole.key, whole.stopped, len(whole.history)) == ("second", False, 3)
    assert whole.path == "group of 2"


def test_a_failure_travels_with_its_reason(watched: Watched) -> None:
    watched.wait_for_idle(1)
    watched.pool.submit(work_of("diverging", lr=1e20, schedule="constant"))
    outcome = watched.outcome("diverging")
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.DIVERGED


def test_workers_see_neither_secrets_nor_stale_ranks(watched: Watched) -> None:
    for pid in watched.pids:
        environment = Path(f"/proc/{pid}/environ").read_text()
        names = {line.partition("=")[0] for line in environment.split("\0")}
        assert SECRET not in environment
        assert not {name for name in names if name.startswith(("SLURM_", "WANDB_", "TORCHEL"))}
        assert names.isdisjoint({"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR"})
        assert {"MY_DATA", "PATH", "HOME"} <= names
        assert "OMP_NUM_THREADS=1" in environment


def test_ctrl_c_in_the_terminal_reaches_no_worker(watched: Watched) -> None:
    watched.wait_for_idle(2)
    before = watched.pids
    watched.pool.submit(work_of("interrupted", epochs=2))
    for pid in before:
        # Neither by the group of the terminal nor directly.
        assert os.getpgid(pid) != os.getpgid(0)
        os.kill(pid, signal.SIGINT)
    assert isinstance(watched.outcome("interrupted"), Measurement)
    assert watched.pids == before


def test_a_killed_worker_is_replaced_and_its_training_goes_on(watched: Watched) -> None:
    watched.wait_for_idle(1)
    watched.pool.submit(work_of("killed", epochs=400))
    checkpoint = watched.folder / "checkpoints" / "killed.ckpt"
    # Small networks are not saved after every epoch.
    watched.wait_for(lambda event: isinstance(event, EpochDone) and checkpoint.exists())
    pid = watched.pid_of("killed")
    os.kill(pid, signal.SIGKILL)
    lost = watched.lost("killed")
    assert lost.keys == ("killed",)
    assert lost.message == f"worker {pid} on cpu ended with signal 9"
    assert pid not in watched.pids
    assert len(watched.pids) == 2
    # Another worker takes it up after the last epoch that is safe.
    watched.wait_for_idle(1)
    watched.pool.submit(work_of("killed", epochs=400, supervised=True))
    watched.pool.answer("killed", Verdict.STOP)
    outcome = watched.outcome("killed")
    assert isinstance(outcome, Measurement)
    assert 1 <= outcome.resumed_from_epoch == len(outcome.history) - 1
    assert [e.epoch for e in outcome.history] == list(range(1, len(outcome.history) + 1))


def test_whole_group_is_lost_with_its_worker(watched: Watched) -> None:
    watched.wait_for_idle(1)
    watched.pool.submit(work_of("left", "right", epochs=10_000))
    watched.epoch("right", 1)
    os.kill(watched.pid_of("right"), signal.SIGKILL)
    assert watched.lost("left").keys == ("left", "right")


def test_worker_that_replaces_another_does_not_measure_groups_again(tmp_path: Path) -> None:
    slots = [Slot(index=1, device="cpu", label="cpu")]
    groups = GroupPlan(size=None, why="", specs=(SPEC,) * 4, recipe=work_of("x").recipe)
    pool = LocalPool(slots, "digits", tmp_path, tmp_path, groups=groups)
    watched = Watched(pool, tmp_path)
    assert (pool.num_workers, pool.num_idle, pool.group_size) == (1, 0, 1)
    pool.start()
    try:
        first = watched.wait_for(lambda event: isinstance(event, Ready))
        assert isinstance(first, Ready)
        assert first.group_seconds[1] > 0
        assert first.group_why
        assert pool.group_size == first.group_size >= 1
        os.kill(first.pid, signal.SIGKILL)
        second = watched.wait_for(lambda event: isinstance(event, Ready) and event != first)
        assert isinstance(second, Ready)
        assert (second.group_size, second.group_seconds) == (first.group_size, {})
    finally:
        pool.close()


def test_work_given_to_a_dead_worker_comes_back_as_lost(watched: Watched) -> None:
    watched.wait_for_idle(2)
    first = watched.pids[0]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not is_alive(first))
    watched.pool.submit(work_of("unlucky"))
    assert watched.lost("unlucky").keys == ("unlucky",)
    watched.pool.submit(work_of("unlucky"))
    assert isinstance(watched.outcome("unlucky"), Measurement)


def test_what_ends_a_worker_from_within_is_told(watched: Watched) -> None:
    watched.wait_for_idle(1)
    for pid in watched.pids:
        # A checkpoint cannot be written, as on a full disk.
        (watched.folder / "checkpoints" / f"unsaved.{pid}.tmp").mkdir(parents=True)
    watched.pool.submit(work_of("unsaved", epochs=400))
    message = watched.lost("unsaved").message
    assert "ended with exit status 1 (IsADirectoryError: [Errno 21]" in message


def test_workers_that_cannot_start_end_the_pool_with_their_last_words(tmp_path: Path) -> None:
    broken = Slot(index=1, device="cpu", label="cpu", environment={"PYTHONHOME": "/nowhere"})
    pool = LocalPool([broken], "digits", tmp_path / "checkpoints", tmp_path / "logs")
    pool.start()
    try:
        with pytest.raises(PoolError, match=r"must start, got 3 that ended at once") as error:
            [pool.events(1.0) for _ in range(100)]
    finally:
        pool.close()
    assert "worker-1.log" in str(error.value)
    assert "encodings" in str(error.value)


def test_workers_killed_while_they_start_end_the_pool_with_a_remedy(tmp_path: Path) -> None:
    pool = LocalPool(
        [Slot(index=1, device="cpu", label="cpu")],
        "digits",
        tmp_path / "checkpoints",
        tmp_path / "logs",
    )
    pool.start()

    def kill_and_look() -> None:
        os.kill(int(str(pool.describe()[0]["pid"])), signal.SIGKILL)
        pool.events(5.0)

    try:
        kill_and_look()
        kill_and_look()
        with pytest.raises(PoolError, match=r"got 3 that were ended by signal 9; .*Use fewer"):
            kill_and_look()
    finally:
        pool.close()


OWNER = """
import sys, time
from pathlib import Path
from nas.devices import Slot
from nas.local_pool import LocalPool
from nas.messages import Ready
from tests.nas.test_local_pool import work_of

if __name__ == "__main__":
    slots = [Slot(index=number, device="cpu", label="cpu") for number in (1, 2)]
    pool = LocalPool(slots, "digits", Path(sys.argv[1]), Path(sys.argv[1]))
    pool.start()
    ready = 0
    while ready < 1:
        ready += sum(isinstance(event, Ready) for event in pool.events(1.0))
    pool.submit(work_of("long", epochs=10000))
    pool.events(30.0)
    # One worker trains; the other may still be importing.
    print(*(worker["pid"] for worker in pool.describe()), flush=True)
    time.sleep(60)
"""


def test_workers_end_at_once_when_their_owner_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert owner.stdout is not None
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(is_alive, pids))
    finally:
        owner.kill()
        owner.communicate()
    start = time.monotonic()
    wait_until(lambda: not any(map(is_alive, pids)), seconds=10)
    assert time.monotonic() - start < 2
