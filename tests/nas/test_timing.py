import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nas.messages import Work
from nas.timing import TimedFeed, Timing, read_timing
from search_spaces.presets import preset
from tests.nas.made_studies import make_measurement, make_metrics
from trainer.measurement import Candidate, EpochMetrics, Failure, Measurement
from trainer.progress import Verdict

CANDIDATE = Candidate(key="a", spec=preset("plain-20"), seed=0)


class Feed:
    """Gives one work and notes what it is told."""

    def __init__(self) -> None:
        self.works = [Work(candidates=[CANDIDATE, CANDIDATE], recipe={})]
        self.told: list[tuple[str, str]] = []

    @property
    def is_finished(self) -> bool:
        return not self.works

    @property
    def num_ready(self) -> int:
        return 2 * len(self.works)

    def next(self, most: int = 1) -> Work | None:
        return self.works.pop() if self.works else None

    def epoch(self, key: str, metrics: EpochMetrics) -> Verdict:
        self.told.append(("epoch", key))
        return Verdict.STOP

    def done(self, outcomes: Sequence[Measurement | Failure]) -> None:
        self.told.append(("done", " ".join(outcome.key for outcome in outcomes)))

    def lost(self, keys: Sequence[str], message: str) -> None:
        self.told.append(("lost", " ".join(keys)))


def test_seconds_and_counts_are_added_up(tmp_path: Path) -> None:
    timing = Timing(tmp_path / "timing.json")
    timing.add("search.ask", 1.5)
    timing.add("search.ask", 0.5)
    with timing.measure("report"):
        pass
    assert timing.seconds["search.ask"] == 2.0
    assert timing.counts == {"search.ask": 2, "report": 1}
    assert timing.seconds["report"] >= 0


def test_time_is_counted_even_where_the_block_fails(tmp_path: Path) -> None:
    timing = Timing(tmp_path / "timing.json")
    with pytest.raises(KeyError, match="x"), timing.measure("export"):
        raise KeyError("x")
    assert timing.counts == {"export": 1}


def test_next_owner_adds_to_what_the_former_ones_needed(tmp_path: Path) -> None:
    path = tmp_path / "timing.json"
    path.write_text(json.dumps({"wall": 100.0, "seconds": {"a": 1.0}, "counts": {"a": 2}}))
    timing = Timing(path)
    timing.add("a", 0.5)
    timing.write(num_workers=3)
    found = read_timing(path)
    assert found["wall"] >= 100.0
    assert (found["seconds"], found["counts"]) == ({"a": 1.5}, {"a": 3})
    assert found["workers"] == 3


@pytest.mark.parametrize("text", [None, "", "{", "[1, 2]", "7"])
def test_missing_or_damaged_file_is_a_fresh_start(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "timing.json"
    if text is not None:
        path.write_text(text)
    assert read_timing(path) == {}
    assert Timing(path).wall < 1


def test_feed_is_passed_through_and_its_calls_are_counted(tmp_path: Path) -> None:
    timing = Timing(tmp_path / "timing.json")
    inner = Feed()
    feed = TimedFeed(inner, "search", timing)
    assert not feed.is_finished
    assert feed.num_ready == 2
    assert feed.next(8) is not None
    assert feed.next(8) is None
    assert feed.is_finished
    assert feed.epoch("a", make_metrics(1, 0.5)) is Verdict.STOP
    outcome = make_measurement(preset("plain-20"), 1.0, 0.5)
    feed.done([replace(outcome, key="a"), replace(outcome, key="b")])
    feed.lost(["c", "d"], "killed")
    assert inner.told == [("epoch", "a"), ("done", "a b"), ("lost", "c d")]
    assert timing.counts["search.epoch"] == 1
    # By candidate, whatever is trained together.
    assert timing.counts["search.ask"] == timing.counts["search.tell"] == 2
    assert timing.seconds["search.training"] == 2 * outcome.seconds


def test_asking_over_several_turns_is_one_question(tmp_path: Path) -> None:
    class Hesitant(Feed):
        def next(self, most: int = 1) -> Work | None:
            time.sleep(0.02)
            self.turns = getattr(self, "turns", 0) + 1
            return super().next(most) if self.turns == 3 else None

    timing = Timing(tmp_path / "timing.json")
    timed = TimedFeed(Hesitant(), "search", timing)
    assert [timed.next(8) is None for _ in range(3)] == [True, True, False]
    assert timing.counts == {"search.ask": 2}
    assert timing.seconds["search.ask"] >= 0.06
