from collections.abc import Sequence

import pytest

from nas.messages import EpochDone, Lost, Ready, Work, WorkDone
from nas.owner import Owner
from nas.pool import Event
from search_spaces import InputShape, Kind, make_space
from tests.nas.fake_pool import make_epoch, make_measurement
from trainer.measurement import Candidate, EpochMetrics, Failure, Measurement
from trainer.progress import Verdict

SPEC = make_space({"max_blocks": 1}, InputShape(channels=1, height=8, width=8), 10).uniform(
    (1, 1, 1), Kind.NONE
)


def candidate(key: str) -> Candidate:
    return Candidate(key=key, spec=SPEC, seed=0)


class Script:
    """A pool that reports what a list says."""

    def __init__(self, *batches: list[Event], num_idle: int = 1) -> None:
        self.batches = list(batches)
        self.num_idle = num_idle
        self.num_workers = num_idle
        self.group_size = 1
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def submit(self, work: Work) -> None:
        self.calls.append(f"submit {' '.join(work.keys)}")
        self.num_idle -= 1

    def answer(self, key: str, verdict: Verdict) -> None:
        self.calls.append(f"answer {key} {verdict}")

    def events(self, timeout_s: float) -> list[Event]:
        assert 0 < timeout_s <= 0.2
        return self.batches.pop(0)

    def describe(self) -> list[dict[str, object]]:
        return []

    def close(self) -> None:
        self.calls.append("close")


class Keys:
    """A feed of some keys, each trained once."""

    def __init__(self, *keys: str, verdict: Verdict = Verdict.CONTINUE) -> None:
        self.left = list(keys)
        self.open: set[str] = set()
        self.calls: list[str] = []
        self.verdict = verdict

    @property
    def is_finished(self) -> bool:
        return not self.left and not self.open

    @property
    def num_ready(self) -> int:
        return len(self.left)

    def next(self, most: int = 1) -> Work | None:
        keys, self.left = self.left[:most], self.left[most:]
        self.open.update(keys)
        return Work(candidates=[candidate(key) for key in keys], recipe={}) if keys else None

    def epoch(self, key: str, metrics: EpochMetrics) -> Verdict:
        self.calls.append(f"epoch {key} {metrics.epoch}")
        return self.verdict

    def done(self, outcomes: Sequence[Measurement | Failure]) -> None:
        keys = [outcome.key for outcome in outcomes]
        self.calls.append(f"done {' '.join(keys)}")
        self.open.difference_update(keys)

    def lost(self, keys: Sequence[str], message: str) -> None:
        self.calls.append(f"lost {' '.join(keys)} {message}")
        self.open.difference_update(keys)
        self.left.extend(keys)


def done(*keys: str) -> WorkDone:
    return WorkDone(outcomes=[make_measurement(candidate(key)) for key in keys])


def epoch(key: str, number: int = 1) -> EpochDone:
    return EpochDone(key=key, metrics=make_epoch(number, 0.5))


def test_events_go_to_the_feed_that_gave_the_work_and_its_verdict_back() -> None:
    first, second = Keys("a", verdict=Verdict.STOP), Keys("b")
    ready = Ready(pid=1, device="cpu", setup_seconds=1.0)
    pool = Script([ready, epoch("a"), epoch("b")], [done("b"), done("a")], num_idle=2)
    ticks: list[None] = []
    Owner(pool, [first, second], lambda: ticks.append(None)).run()
    assert first.calls == ["epoch a 1", "done a"]
    assert second.calls == ["epoch b 1", "done b"]
    assert pool.calls == [
        "start",
        "submit a",
        "submit b",
        "answer a stop",
        "answer b continue",
        "close",
    ]
    assert len(ticks) == 2


def test_lost_work_is_given_again() -> None:
    feed = Keys("a")
    pool = Script([Lost(keys=("a",), message="gone")], [done("a")], num_idle=2)
    Owner(pool, [feed]).run()
    assert feed.calls == ["lost a gone", "done a"]
    assert pool.calls.count("submit a") == 2


def test_news_of_a_key_that_has_ended_are_ignored() -> None:
    feed = Keys("a", "b")
    late = [epoch("a", 2), done("a"), Lost(keys=("a",), message="late"), epoch("never")]
    pool = Script([done("a")], [*late, done("b")], num_idle=2)
    Owner(pool, [feed]).run()
    assert feed.calls == ["done a", "done b"]


def test_work_is_not_asked_for_without_an_idle_worker() -> None:
    feed = Keys("a", "b", "c")
    pool = Script([], [done("a"), done("b")], [done("c")], num_idle=2)
    original = pool.events

    def free_two(timeout_s: float) -> list[Event]:
        found = original(timeout_s)
        pool.num_idle += len(found)
        return found

    pool.events = free_two  # type: ignore[method-assign]
    Owner(pool, [feed]).run()
    assert pool.calls == ["start", "submit a", "submit b", "submit c", "close"]


def test_it_is_not_over_before_everything_in_training_has_ended() -> None:
    class Stopped(Keys):
        is_finished = True  # type: ignore[assignment]

    feed = Stopped("a")

    class Late(Keys):
        @property
        def is_finished(self) -> bool:
            return not self.left

    late = Late("b")
    pool = Script([], [], [done("a"), done("b")], num_idle=2)
    Owner(pool, [feed, late]).run()
    assert feed.calls == ["done a"]
    assert late.calls == ["done b"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("where", ["start", "tick"])
def test_workers_are_ended_whatever_happens(error: type[BaseException], where: str) -> None:
    def fail() -> None:
        raise error

    pool = Script([])
    if where == "start":
        pool.start = fail  # type: ignore[method-assign]
    with pytest.raises(error):
        Owner(pool, [Keys("a")], fail).run()
    assert pool.calls[-1] == "close"


def test_group_goes_to_one_worker_and_comes_back_as_one() -> None:
    feed, other = Keys("a", "b", "c", "d"), Keys("x")
    pool = Script(
        [epoch("a"), epoch("b"), epoch("c")],
        [done("b", "a"), Lost(keys=("c", "d"), message="gone")],
        [done("c"), done("d")],
        [done("x")],
        num_idle=2,
    )
    pool.group_size = 3
    original = pool.events

    def free(timeout_s: float) -> list[Event]:
        found = original(timeout_s)
        pool.num_idle += sum(not isinstance(event, EpochDone) for event in found)
        return found

    pool.events = free  # type: ignore[method-assign]
    Owner(pool, [feed, other]).run()
    submitted = [call for call in pool.calls if call.startswith("submit")]
    assert submitted[:2] == ["submit a b", "submit c d"]
    assert feed.calls[3:] == ["done b a", "lost c d gone", "done c", "done d"]


def test_idle_worker_gets_its_share_of_what_is_left() -> None:
    feed = Keys(*"abcdefghij")
    half_done: list[Event] = [EpochDone(key=key, metrics=make_epoch(1, 0.5)) for key in "abcde"]
    pool = Script([], half_done, [done(*"fghij")], [done(*"abcde")], num_idle=2)
    pool.group_size = 8
    Owner(pool, [feed]).run()
    # What the first worker was given counts when the second gets its own.
    assert [call for call in pool.calls if call.startswith("submit")] == [
        "submit a b c d e",
        "submit f g h i j",
    ]


def test_ready_workers_are_told_of() -> None:
    ready = Ready(pid=1, device="cpu", setup_seconds=1.0, group_size=4)
    seen: list[Ready] = []
    Owner(Script([ready], [done("a")]), [Keys("a")], on_ready=seen.append).run()
    assert seen == [ready]
