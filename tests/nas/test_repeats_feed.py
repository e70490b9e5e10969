from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas.config import make_config
from nas.config_file import merge
from nas.owner import Owner
from nas.repeats_feed import (
    Repeat,
    RepeatsFeed,
    anchor_name,
    not_begun,
    plan_anchors,
    plan_equal_depth,
    plan_finalists,
)
from nas.running import TrialsInTraining
from nas.trials import Source, State
from search_spaces.spec import ArchitectureSpec, Kind, Place
from tests.nas.fake_pool import FakePool, open_tiny, rates_of, search, take_trials, tiny_config
from trainer.measurement import Candidate

CONFIG = tiny_config(trials=4)
SPACE = CONFIG.make_space()
ANCHORS = plan_anchors(SPACE, 2)


def open_repeats(folder: Path) -> TrialsInTraining:
    trials = take_trials(open_tiny(folder, CONFIG), repeats=True)
    trials.take_over()
    return trials


def feed_of(
    trials: TrialsInTraining, source: Source, plan: Sequence[Repeat] | None
) -> RepeatsFeed:
    return RepeatsFeed(CONFIG, SPACE, trials, source, lambda: plan)


def finalists(folder: Path, seeds: int = 2) -> list[Repeat]:
    return plan_finalists(search(folder, CONFIG).trials.ended[:2], seeds)


def test_anchors_are_plain_and_identity_at_every_depth_on_every_seed() -> None:
    names = [repeat.name for repeat in ANCHORS]
    assert names == ["plain-8"] * 2 + ["identity-8"] * 2 + ["plain-14"] * 2 + ["identity-14"] * 2
    assert [repeat.replicate for repeat in ANCHORS[:4]] == [0, 1, 0, 1]
    assert anchor_name(Kind.PROJECTION, ANCHORS[0].spec) == "projection-8"


def test_anchors_are_trained_on_fresh_seeds(tmp_path: Path) -> None:
    trials = open_repeats(tmp_path)
    pool = FakePool()
    Owner(pool, [feed_of(trials, Source.ANCHOR, ANCHORS)]).run()
    assert [r.state for r in trials.ended] == [State.COMPLETE] * 8
    assert len({r.seed for r in trials.ended}) == 8
    assert sorted(str(r.name) for r in trials.ended) == sorted(str(r.name) for r in ANCHORS)
    assert not any(work.keep_weights or work.supervised for work in pool.works)
    assert {work.keys[0][:7] for work in pool.works} == {"repeat-"}
    record = trials.ended[0]
    assert record.metrics["test_accuracy"] == 0.75
    assert record.decisions["skip.stage1.block1"] in ("none", "identity")


def test_anchors_outside_the_space_still_say_what_they_are(tmp_path: Path) -> None:
    config = tiny_config(space={"kinds": ["identity", "projection"]})
    study = open_tiny(tmp_path, config)
    trials = take_trials(study, repeats=True)
    [plain, *_] = plan_anchors(study.space, 2)
    feed = RepeatsFeed(config, study.space, trials, Source.ANCHOR, lambda: [plain])
    Owner(FakePool(), [feed]).run()
    assert trials.ended[0].decisions["skip.stage1.block1"] == "none"
    assert study.repeats.trials()[0].params == {}


def test_finalists_keep_their_weights_and_name_their_trial(tmp_path: Path) -> None:
    planned = finalists(tmp_path)
    trials = open_repeats(tmp_path)
    pool = FakePool()
    Owner(pool, [feed_of(trials, Source.FINALIST, planned)]).run()
    assert all(work.test and work.keep_weights for work in pool.works)
    found = {(r.of_trial, r.replicate, r.spec_id) for r in trials.ended}
    assert found == {(p.of_trial, p.replicate, p.spec.spec_id) for p in planned}
    searched = search(tmp_path, CONFIG).trials.ended
    assert {r.seed for r in searched}.isdisjoint({r.seed for r in trials.ended})


def test_the_test_split_is_measured_for_what_may_be_a_winners_rival_only(tmp_path: Path) -> None:
    pool = FakePool()
    Owner(pool, [feed_of(open_repeats(tmp_path), Source.ANCHOR, ANCHORS)]).run()
    tested = [work.candidates[0].spec.spec_id for work in pool.works if work.test]
    assert tested == [r.spec.spec_id for r in ANCHORS if "identity" in str(r.name)]


def test_blocks_are_looked_at_in_full_identity_anchors_alone(tmp_path: Path) -> None:
    pool = FakePool()
    Owner(pool, [feed_of(open_repeats(tmp_path), Source.ANCHOR, ANCHORS)]).run()
    assert [work.evidence for work in pool.works] == [work.test for work in pool.works]
    pool = FakePool()
    planned = finalists(tmp_path / "search")
    Owner(pool, [feed_of(open_repeats(tmp_path / "new"), Source.FINALIST, planned)]).run()
    assert not any(work.evidence for work in pool.works)


def test_finalist_and_anchor_of_one_network_are_independent(tmp_path: Path) -> None:
    spec = SPACE.uniform((1, 1, 1), Kind.IDENTITY)
    plans = {
        source: [Repeat(spec=spec, source=source, replicate=number) for number in range(3)]
        for source in (Source.ANCHOR, Source.FINALIST)
    }
    trials = open_repeats(tmp_path)
    feeds = [feed_of(trials, source, plan) for source, plan in plans.items()]
    Owner(FakePool(), feeds).run()
    assert len({record.seed for record in trials.ended}) == 6


class TestPaired:
    FULL = SPACE.uniform((1, 1, 1), Kind.IDENTITY)
    FLIP = "stage1.block1=none"

    def planned(self, seeds: int, base: str = "identity-8") -> list[Repeat]:
        changed = self.FULL.with_kinds({Place(1, 1): Kind.NONE})
        return [
            Repeat(spec=spec, source=Source.PAIRED, replicate=number, base=base, flip=flip)
            for number in range(seeds)
            for spec, flip in ((self.FULL, None), (changed, self.FLIP))
        ]

    def test_pairs_share_their_seed_and_nobody_else_has_it(self, tmp_path: Path) -> None:
        trials = open_repeats(tmp_path)
        anchors = [replace(repeat, source=Source.ANCHOR) for repeat in self.planned(2)]
        planned = [*self.planned(2), *self.planned(2, base="trial 4")]
        feeds = [
            feed_of(trials, Source.PAIRED, planned),
            feed_of(trials, Source.ANCHOR, [replace(a, base=None, flip=None) for a in anchors]),
        ]
        Owner(FakePool(), feeds).run()
        seeds: dict[tuple[str | None, int], list[int | None]] = {}
        for record in trials.ended:
            if record.source is Source.PAIRED:
                seeds.setdefault((record.base, record.replicate), []).append(record.seed)
        assert [len(set(own)) for own in seeds.values()] == [1] * 4
        assert [len(own) for own in seeds.values()] == [2] * 4
        # Four pairs, and two anchors of each of the two networks.
        assert len({record.seed for record in trials.ended}) == 4 + 4

    def test_both_splits_are_measured_and_all_is_read_back(self, tmp_path: Path) -> None:
        pool = FakePool()
        Owner(pool, [feed_of(open_repeats(tmp_path), Source.PAIRED, self.planned(1))]).run()
        assert all(work.test and not work.keep_weights for work in pool.works)
        ended = open_repeats(tmp_path).ended
        assert [(r.base, r.flip) for r in ended] == [
            ("identity-8", None),
            ("identity-8", self.FLIP),
        ]
        assert {"val_log_loss", "test_log_loss"} <= set(ended[0].metrics)

    def test_more_seeds_add_to_what_was_trained(self, tmp_path: Path) -> None:
        Owner(FakePool(), [feed_of(open_repeats(tmp_path), Source.PAIRED, self.planned(2))]).run()
        again = open_repeats(tmp_path)
        assert not_begun(self.planned(3), again.ended, CONFIG.recipe) == self.planned(3)[4:]
        feed = feed_of(again, Source.PAIRED, self.planned(3))
        assert feed.num_left == 2
        Owner(FakePool(), [feed]).run()
        assert Counter(record.replicate for record in again.ended) == {0: 2, 1: 2, 2: 2}


def test_a_winner_with_an_identity_in_every_block_has_no_rival() -> None:
    assert plan_equal_depth(SPACE, SPACE.uniform((1, 2, 1), Kind.IDENTITY), 2) == []


def test_what_was_done_is_not_done_again(tmp_path: Path) -> None:
    first = open_repeats(tmp_path)
    Owner(FakePool(), [feed_of(first, Source.ANCHOR, ANCHORS[:3])]).run()
    again = open_repeats(tmp_path)
    feed = feed_of(again, Source.ANCHOR, ANCHORS)
    assert not feed.is_finished
    assert feed.num_left == 5
    Owner(FakePool(), [feed]).run()
    assert len(again.ended) == 8
    assert feed_of(open_repeats(tmp_path), Source.ANCHOR, ANCHORS).is_finished


def test_nothing_begins_before_the_plan_is_known(tmp_path: Path) -> None:
    feed = feed_of(open_repeats(tmp_path), Source.FINALIST, None)
    assert feed.next() is None
    assert feed.num_left is None
    assert not feed.is_finished


def test_a_lost_repeat_keeps_its_feed_unfinished_until_it_has_ended(tmp_path: Path) -> None:
    trials = open_repeats(tmp_path)
    feed = feed_of(trials, Source.ANCHOR, ANCHORS[:1])
    work = feed.next()
    assert work is not None
    feed.lost(work.keys, "gone")
    assert not feed.is_finished
    pool = FakePool()
    Owner(pool, [feed]).run()
    [record] = trials.ended
    assert (record.state, record.attempts) == (State.COMPLETE, 2)


def test_the_last_repeat_of_all_is_not_forgotten_when_its_worker_is_lost(tmp_path: Path) -> None:
    trials = open_repeats(tmp_path)
    pool = FakePool(fate=lambda c, attempt: "lost" if attempt == 1 else "done")
    Owner(pool, [feed_of(trials, Source.ANCHOR, ANCHORS)]).run()
    assert [r.state for r in trials.ended] == [State.COMPLETE] * 8


def test_a_repeat_that_is_lost_too_often_fails_and_ends_the_feed(tmp_path: Path) -> None:
    trials = open_repeats(tmp_path)
    feed = feed_of(trials, Source.ANCHOR, ANCHORS[:2])
    Owner(FakePool(fate=lambda c, attempt: "lost"), [feed]).run()
    assert [(r.state, r.reason) for r in trials.ended] == [(State.FAILED, "lost")] * 2


def test_repeats_go_back_to_the_feed_of_their_own_kind(tmp_path: Path) -> None:
    planned = finalists(tmp_path)
    former = open_repeats(tmp_path)
    lost = feed_of(former, Source.FINALIST, planned)
    assert lost.next() is not None
    # The next owner: the anchors' feed is asked first, and leaves the finalist alone.
    trials = open_repeats(tmp_path)
    anchors = feed_of(trials, Source.ANCHOR, ANCHORS[:1])
    final = feed_of(trials, Source.FINALIST, planned)
    pool = FakePool(num_workers=1)
    Owner(pool, [anchors, final]).run()
    sources = {r.number: r.source for r in trials.ended}
    assert sources[0] is Source.FINALIST
    for work in pool.works:
        number = int(work.keys[0][-4:])
        assert work.keep_weights is (sources[number] is Source.FINALIST)
    assert [r.state for r in trials.ended] == [State.COMPLETE] * 5


def test_a_repeat_that_is_planned_no_more_still_ends(tmp_path: Path) -> None:
    planned = finalists(tmp_path)
    assert feed_of(open_repeats(tmp_path), Source.FINALIST, planned[:1]).next() is not None
    trials = open_repeats(tmp_path)
    Owner(FakePool(), [feed_of(trials, Source.FINALIST, planned[2:])]).run()
    assert [r.state for r in trials.ended] == [State.COMPLETE] * 3


def test_a_plan_waits_for_the_feed_before_it(tmp_path: Path) -> None:
    trials = open_repeats(tmp_path)
    final = feed_of(trials, Source.FINALIST, finalists(tmp_path))
    seen: list[int] = []

    def plan() -> list[Repeat] | None:
        if not final.is_finished:
            return None
        seen.append(len(trials.ended))
        return plan_equal_depth(SPACE, ANCHORS[0].spec, 2)

    later = RepeatsFeed(CONFIG, SPACE, trials, Source.ANCHOR, plan)
    lose_last = FakePool(fate=lambda c, a: "lost" if (c.key, a) == ("repeat-0003", 1) else "done")
    Owner(lose_last, [final, later]).run()
    # All finalists had ended, the one that was lost included.
    assert seen == [4]
    assert len(trials.ended) == 6


@pytest.mark.parametrize(
    ("depths", "name"), [((2, 2, 2), "identity-14"), ((1, 2, 1), "identity-10 (1-2-1)")]
)
def test_the_rival_of_equal_depth_shares_an_anchors_name_only_if_it_is_one(
    depths: tuple[int, ...], name: str
) -> None:
    winner = SPACE.uniform(depths, Kind.PROJECTION)
    planned = plan_equal_depth(SPACE, winner, 2)
    assert [repeat.name for repeat in planned] == [name] * 2
    assert {repeat.spec.spec_id for repeat in planned} == {
        SPACE.uniform(depths, Kind.IDENTITY).spec_id
    }
    assert {repeat in ANCHORS for repeat in planned} == {depths == (2, 2, 2)}


def test_the_rival_has_the_winners_width_and_block_type() -> None:
    winner = SPACE.uniform((2, 2, 2), Kind.PROJECTION)
    stages = [{"blocks": 2, "width": 16 * 2**i, "stride": 1 + (i > 0)} for i in range(3)]
    winner = winner.changed(stem_width=4, block="bottleneck", stages=stages)
    [repeat, _] = plan_equal_depth(SPACE, winner, 2)
    assert repeat.name == "identity-20 bottleneck width=4"
    assert repeat.spec.is_full_identity
    assert repeat.spec.with_skips([]) == winner.with_skips([])


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"activation": "pre"}, "identity-14 activation=pre width=2"),
        ({"norm": "none", "activation": "pre"}, "identity-14 activation=pre norm=none width=2"),
        ({"zero_init": True}, "identity-14"),
    ],
)
def test_rival_of_a_users_winner_differs_in_its_skips_alone(
    fields: dict[str, Any], name: str
) -> None:
    winner = SPACE.uniform((2, 2, 2), Kind.PROJECTION).changed(**fields)
    [repeat, _] = plan_equal_depth(SPACE, winner, 2)
    assert repeat.spec.is_full_identity
    assert repeat.spec.with_skips([]) == winner.with_skips([])
    # What belongs to the skips is the space's.
    assert not repeat.spec.zero_init
    assert repeat.name == name


class TestDecisionsOfLongSkips:
    CONFIG = tiny_config(space={"name": "longskip", "kinds": ["none", "identity"]})
    SPACE = CONFIG.make_space()

    def stored(self, folder: Path, spec: ArchitectureSpec) -> dict[str, Any]:
        """Return what is stored of a repeat beside its parameters."""
        study = open_tiny(folder, self.CONFIG)
        trials = take_trials(study, repeats=True)
        repeat = Repeat(spec=spec, source=Source.ANCHOR, replicate=0)
        feed = RepeatsFeed(self.CONFIG, study.space, trials, Source.ANCHOR, lambda: [repeat])
        Owner(FakePool(), [feed]).run()
        [frozen] = study.repeats.trials()
        assert trials.ended[0].decisions == frozen.user_attrs["decisions"]
        return frozen.user_attrs["decisions"]

    def long(self, kind: str) -> ArchitectureSpec:
        plain = self.SPACE.uniform((2, 2, 2), Kind.NONE)
        return plain.with_skips(
            [
                {"from": "stage1.block1", "to": "stage2.block1", "kind": kind},
                {"from": "stage2.block2", "to": "stage2.block2", "kind": kind},
            ]
        )

    def test_network_of_the_space_has_its_decisions(self, tmp_path: Path) -> None:
        spec = self.long("identity")
        found = self.stored(tmp_path, spec)
        assert found == self.SPACE.decisions(spec)
        assert found["span.stage2.block1"] == 3

    def test_network_outside_the_space_has_the_skips_that_end_at_each_block(
        self, tmp_path: Path
    ) -> None:
        found = self.stored(tmp_path, self.long("projection"))
        assert found["skip.stage2.block1"] == "projection"
        assert found["skip.stage1.block2"] == "none"
        # A span of 1 goes without saying.
        assert {k: v for k, v in found.items() if k.startswith("span")} == {
            "span.stage2.block1": 3
        }


class TestRecipeRanges:
    CONFIG = make_config(
        merge(
            tiny_config(trials=4, goal="best").to_dict(),
            {"recipe": {"lr": {"low": 0.03, "high": 0.3}}},
        )
    )

    def trained(self, folder: Path, source: Source, plan: Sequence[Repeat]) -> FakePool:
        trials = take_trials(open_tiny(folder, self.CONFIG), repeats=True)
        trials.take_over()
        pool = FakePool()
        feed = RepeatsFeed(self.CONFIG, SPACE, trials, source, lambda: plan)
        Owner(pool, [feed]).run()
        return pool

    def test_finalists_are_trained_by_their_trials_recipe(self, tmp_path: Path) -> None:
        trials = search(tmp_path, self.CONFIG).trials.ended[:2]
        pool = self.trained(tmp_path, Source.FINALIST, plan_finalists(trials, 2))
        rates = [trial.lr for trial in trials for _ in range(2)]
        assert list(rates_of(pool).values()) == rates
        assert len(set(rates)) == 2
        again = self.trained(tmp_path, Source.FINALIST, plan_finalists(trials, 2))
        assert again.works == []
        # The same architecture by another recipe is another training.
        other = [replace(trials[0], number=99, lr=0.2)]
        more = self.trained(tmp_path, Source.FINALIST, plan_finalists(other, 2))
        assert list(rates_of(more).values()) == [0.2] * 2

    def test_anchors_are_trained_by_the_reference_and_the_rival_by_the_winners(
        self, tmp_path: Path
    ) -> None:
        recipe = self.CONFIG.recipe
        winner = SPACE.uniform((2, 2, 2), Kind.PROJECTION)
        values = {"lr": 0.05, "weight_decay": recipe.weight_decay}
        rivals = plan_equal_depth(SPACE, winner, 2, recipe, values)
        assert {rival.name for rival in rivals} == {"identity-14 lr=0.05"}
        pool = self.trained(tmp_path, Source.ANCHOR, [*ANCHORS, *rivals])
        rates = list(rates_of(pool).values())
        assert rates == [recipe.lr] * len(ANCHORS) + [0.05] * 2

    def test_rate_that_a_design_row_was_given_is_its_finalists_and_its_rivals(
        self, tmp_path: Path
    ) -> None:
        config = tiny_config(trials=4, lr_factors=[0.5, 1.0])
        rate = config.recipe.lr / 2
        winner = SPACE.uniform((2, 2, 2), Kind.PROJECTION)
        values = {"lr": rate, "weight_decay": config.recipe.weight_decay}
        rival = plan_equal_depth(SPACE, winner, 1, config.recipe, values)[0]
        assert rival.name == f"identity-14 lr={rate:.3g}"
        pair = Repeat(
            spec=winner, source=Source.PAIRED, replicate=0, recipe=values, base="trial 1"
        )
        trials = take_trials(open_tiny(tmp_path, config), repeats=True)
        pool = FakePool()
        feeds = [
            RepeatsFeed(config, SPACE, trials, repeat.source, lambda repeat=repeat: [repeat])
            for repeat in (rival, pair)
        ]
        Owner(pool, feeds).run()
        assert list(rates_of(pool).values()) == [rate] * 2

    def test_rival_by_the_reference_is_the_anchor(self) -> None:
        recipe = self.CONFIG.recipe
        winner = SPACE.uniform((2, 2, 2), Kind.PROJECTION)
        rivals = plan_equal_depth(SPACE, winner, 2, recipe, {"lr": recipe.lr})
        assert {rival.name for rival in rivals} == {"identity-14"}


class TestGroups:
    def test_seeds_train_together_and_are_spread_over_the_workers(self, tmp_path: Path) -> None:
        planned = finalists(tmp_path, seeds=5)
        trials = open_repeats(tmp_path)
        pool = FakePool(group_size=8)
        Owner(pool, [feed_of(trials, Source.FINALIST, planned)]).run()
        assert [len(work.candidates) for work in pool.works] == [5, 5]
        assert [r.state for r in trials.ended] == [State.COMPLETE] * 10
        assert {(r.of_trial, r.replicate) for r in trials.ended} == {
            (p.of_trial, p.replicate) for p in planned
        }

    def test_those_that_are_tested_are_not_with_others(self, tmp_path: Path) -> None:
        trials = open_repeats(tmp_path)
        pool = FakePool(group_size=8, num_workers=1)
        Owner(pool, [feed_of(trials, Source.ANCHOR, ANCHORS)]).run()
        assert [(len(work.candidates), work.test) for work in pool.works] == [
            (4, False),
            (4, True),
        ]
        for work in pool.works:
            assert {c.spec.is_full_identity for c in work.candidates} == {work.test}
        assert len(trials.ended) == 8

    def test_lost_group_is_trained_again_and_nothing_twice(self, tmp_path: Path) -> None:
        trials = open_repeats(tmp_path)

        def fate(candidate: Candidate, attempt: int) -> str:
            return "lost" if (candidate.key, attempt) == ("repeat-0001", 1) else "done"

        pool = FakePool(group_size=4, fate=fate)
        Owner(pool, [feed_of(trials, Source.ANCHOR, ANCHORS)]).run()
        assert [r.state for r in trials.ended] == [State.COMPLETE] * 8
        assert sorted(r.attempts for r in trials.ended) == [1] * 4 + [2] * 4

    def test_what_the_former_owner_began_goes_on_together(self, tmp_path: Path) -> None:
        work = feed_of(open_repeats(tmp_path), Source.ANCHOR, ANCHORS).next(3)
        assert work is not None
        feed = feed_of(open_repeats(tmp_path), Source.ANCHOR, ANCHORS)
        assert feed.num_ready == 8
        again = feed.next(8)
        assert again is not None
        assert again.keys == work.keys
