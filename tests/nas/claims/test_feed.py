from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nas.claims.feed import ClaimsFeed, seconds_left
from nas.claims.jobs import Training
from nas.claims.setup import ClaimsSetup
from nas.claims.store import JobStore
from nas.config import make_config
from tests.nas.fake_pool import make_epoch, make_failure, make_measurement
from trainer.checkpoints import FolderCheckpoints
from trainer.measurement import Reason
from trainer.progress import Verdict

SETUP = ClaimsSetup.from_config(make_config({"recipe": {"epochs": 4}}))


class Looks:
    """Remembers whose weights were looked at."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []

    def __call__(self, training: Training, weights: bytes) -> Mapping[str, Any]:
        self.seen.append((training.key, weights))
        return {"probe": {"stem": 0.5}}


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def checkpoints(tmp_path: Path) -> FolderCheckpoints:
    return FolderCheckpoints(tmp_path / "checkpoints")


def make_feed(
    tmp_path: Path,
    looks: Looks,
    checkpoints: FolderCheckpoints,
    *trainings: Training,
    attempts: int = 3,
) -> ClaimsFeed:
    store = JobStore(tmp_path / "trainings.jsonl")
    return ClaimsFeed(trainings, store, checkpoints, looks, attempts)


def test_the_deepest_come_first_and_only_what_can_be_fused_is_together(
    tmp_path: Path, looks: Looks, checkpoints: FolderCheckpoints
) -> None:
    shallow = SETUP.training(SETUP.of_layers(8), 0)
    deep = SETUP.training(SETUP.of_layers(20), 0, lr=0.01)
    other = SETUP.training(SETUP.frame("isotropic"), 0)
    feed = make_feed(tmp_path, looks, checkpoints, shallow, deep, other)
    assert feed.num_ready == 3
    first, second = feed.next(8), feed.next(8)
    assert first is not None
    assert second is not None
    assert first.keys == (other.key,)
    assert second.keys == (deep.key, shallow.key)
    assert [c.recipe_values["lr"] for c in second.candidates] == [0.01, 0.1]
    assert feed.next(8) is None
    assert not feed.is_finished


def test_an_end_is_kept_with_what_was_seen_inside_and_its_files_are_removed(
    tmp_path: Path, looks: Looks, checkpoints: FolderCheckpoints
) -> None:
    training = SETUP.by_depth(SETUP.of_layers(8), 0)
    feed = make_feed(tmp_path, looks, checkpoints, training)
    work = feed.next()
    assert work is not None
    assert work.keep_weights
    checkpoints.save(training.key, b"checkpoint")
    checkpoints.save(f"{training.key}-weights", b"weights")
    feed.done([make_measurement(training.candidate(), 4)])
    assert looks.seen == [(training.key, b"weights")]
    found = JobStore(tmp_path / "trainings.jsonl").outcomes[training.key]
    assert found.inside == {"probe": {"stem": 0.5}}
    assert not list(checkpoints.folder.iterdir())
    assert feed.is_finished


def test_divergence_is_kept_and_other_failures_are_problems(
    tmp_path: Path, looks: Looks, checkpoints: FolderCheckpoints
) -> None:
    diverged, failed = (SETUP.training(SETUP.of_layers(8), r) for r in range(2))
    feed = make_feed(tmp_path, looks, checkpoints, diverged, failed)
    feed.next(2)
    feed.done([make_failure(diverged.candidate()), make_failure(failed.candidate(), Reason.OOM)])
    store = JobStore(tmp_path / "trainings.jsonl")
    assert list(store.outcomes) == [diverged.key]
    assert len(feed.problems) == 1
    assert "8 layers): oom" in feed.problems[0]
    assert feed.is_finished


def test_lost_trainings_are_tried_again_alone_a_bounded_number_of_times(
    tmp_path: Path, looks: Looks, checkpoints: FolderCheckpoints
) -> None:
    trainings = [SETUP.training(SETUP.of_layers(8), r) for r in range(2)]
    feed = make_feed(tmp_path, looks, checkpoints, *trainings, attempts=2)
    work = feed.next(2)
    assert work is not None
    feed.lost(work.keys, "worker 7 ended with signal 9")
    for _ in trainings:
        again = feed.next(2)
        assert again is not None
        assert len(again.keys) == 1
        feed.lost(again.keys, "worker 7 ended with signal 9")
    assert feed.is_finished
    assert feed.problems == ["1-1-1 I I I (8 layers): worker 7 ended with signal 9"] * 2


def test_the_share_done_counts_epochs(
    tmp_path: Path, looks: Looks, checkpoints: FolderCheckpoints
) -> None:
    trainings = [SETUP.training(SETUP.of_layers(8), r) for r in range(2)]
    feed = make_feed(tmp_path, looks, checkpoints, *trainings)
    assert seconds_left(feed, 0.0, 40.0) == 40.0
    feed.next()
    assert feed.epoch(trainings[0].key, make_epoch(2, 0.5)) is Verdict.CONTINUE
    assert feed.share_done == 0.25
    assert 30.0 < seconds_left(feed, 20.0, 40.0) < 60.0
    feed.done([make_measurement(trainings[0].candidate(), 4)])
    assert feed.share_done == 0.5
