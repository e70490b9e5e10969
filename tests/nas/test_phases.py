"""Which feeds there are and what they plan; whole studies on them are in test_study_run."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from nas.owner import Owner
from nas.phases import TRIALS_BEFORE_ANCHORS, Phases
from nas.repeats_feed import Repeat
from nas.search_feed import SearchFeed
from nas.trials import Source, TrialRecord
from search_spaces.spec import Kind
from tests.nas.fake_pool import FakePool, open_tiny, take_trials, tiny_config

CONFIG = tiny_config(trials=4, goal="best", finalists=2, finalist_seeds=3)


def first_finalist(repeats: Sequence[TrialRecord]) -> TrialRecord | None:
    return next((record for record in repeats if record.source is Source.FINALIST), None)


def open_phases(folder: Path) -> tuple[Phases, SearchFeed]:
    study = open_tiny(folder, CONFIG)
    repeats = take_trials(study, repeats=True)
    repeats.take_over()
    search = SearchFeed(CONFIG, study.space, take_trials(study))
    return Phases(study, search, repeats, first_finalist), search


@pytest.mark.parametrize(
    ("anchors", "finalists", "expected"),
    [(True, True, 8 + 6 + 2), (True, False, 8), (False, True, 6 + 2), (False, False, 0)],
)
def test_repeats_are_known_beforehand_and_all_trained(
    tmp_path: Path, anchors: bool, finalists: bool, expected: int
) -> None:
    phases, search = open_phases(tmp_path)
    feeds = phases.of_study(anchors=anchors, finalists=finalists)
    assert phases.num_repeats == expected
    Owner(FakePool(), [feed for _, feed in feeds]).run()
    repeats = open_phases(tmp_path)[0]
    assert len(search.trials.ended) == 4
    # The rival may be one of the anchors.
    assert expected - 2 <= phases.num_repeats <= expected
    assert repeats.num_repeats == phases.num_repeats


def test_anchors_of_the_reference_depth_are_served_before_the_search(tmp_path: Path) -> None:
    feeds = open_phases(tmp_path)[0].of_study(anchors=True, finalists=True)
    names = ["anchors", "search", "anchors", "finalists", "equal_depth", "ablation"]
    assert [name for name, _ in feeds] == names
    # Not before there are some rows.
    assert TRIALS_BEFORE_ANCHORS > 0
    assert feeds[0][1].next() is None


def test_ablation_is_trained_beside_what_had_begun_only(tmp_path: Path) -> None:
    phases, _ = open_phases(tmp_path)
    spec = CONFIG.make_space().uniform((1, 1, 1), Kind.NONE)
    planned = [
        Repeat(spec=spec, source=Source.PAIRED, replicate=number, base="plain-8")
        for number in range(3)
    ]
    feeds = phases.of_ablation(planned)
    assert [name for name, _ in feeds] == ["anchors", "finalists", "ablation"]
    assert phases.num_repeats == 3
    pool = FakePool()
    Owner(pool, [feed for _, feed in feeds]).run()
    assert len(pool.works) == 3


def test_begun_ablation_ends_with_the_search(tmp_path: Path) -> None:
    phases, _ = open_phases(tmp_path)
    spec = CONFIG.make_space().uniform((1, 1, 1), Kind.NONE)
    repeat = Repeat(spec=spec, source=Source.PAIRED, replicate=0, base="plain-8")
    # Its owner was killed while it was in training.
    assert phases.of_ablation([repeat])[-1][1].next() is not None
    later, search = open_phases(tmp_path)
    feeds = later.of_study(anchors=False, finalists=False)
    pool = FakePool()
    Owner(pool, [feed for _, feed in feeds]).run()
    assert len(search.trials.ended) == 4
    assert sum(work.keys[0].startswith("repeat") for work in pool.works) == 1


def test_one_trial_is_trained_again_beside_its_rival_only(tmp_path: Path) -> None:
    phases, search = open_phases(tmp_path)
    Owner(FakePool(), [search]).run()
    [trial, *_] = search.trials.ended
    feeds = phases.of_trial(trial)
    assert [name for name, _ in feeds] == ["finalists", "equal_depth"]
    pool = FakePool()
    Owner(pool, [feed for _, feed in feeds]).run()
    assert trial.spec is not None
    rival = CONFIG.make_space().uniform(trial.spec.depths, Kind.IDENTITY)
    trained = [work.candidates[0].spec.spec_id for work in pool.works]
    assert trained == [trial.spec_id] * 3 + [rival.spec_id] * 2
