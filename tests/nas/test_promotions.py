import dataclasses
import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from nas.callbacks import Callback
from nas.config import StudyConfig
from nas.owner import Owner
from nas.records import PAUSED, PROMOTED_FROM, best_record, to_records
from nas.rungs import describe_rungs
from nas.search_feed import SearchFeed
from nas.trials import Source, State, TrialRecord
from tests.nas.fake_pool import (
    FakePool,
    Recorder,
    as_optuna,
    load,
    make_history,
    make_measurement,
    open_feed,
    open_tiny,
    search,
    take_trials,
    tiny_config,
)

EPOCHS = 4
RUNGS = {"first": 1, "reduction_factor": 2}
"""At epochs 1 and 2 of 4."""


def with_rungs(**search: Any) -> StudyConfig:
    return tiny_config(
        epochs=EPOCHS,
        space={"stages": 2, "max_blocks": 3},
        **{"trials": 24, "goal": "best", "rungs": RUNGS, **search},
    )


def records(folder: Path, config: StudyConfig) -> list[TrialRecord]:
    return to_records(load(folder, config).trials)


def adaptive(trials: list[TrialRecord]) -> list[TrialRecord]:
    return [trial for trial in trials if trial.source is Source.ADAPTIVE]


def vanish(feed: SearchFeed, pool: FakePool, num_paused: int, *, promoted: bool = False) -> None:
    """Let an owner work until so many trials are paused, then die."""

    def stop() -> None:
        has_promoted = any(running.num_kept for running in feed.trials.in_training.values())
        if len(feed.trials.paused) >= num_paused and has_promoted == promoted:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        Owner(pool, [feed], stop).run()


def history_losses(trial: TrialRecord) -> list[float]:
    return [epoch.val_log_loss for epoch in trial.history]


@pytest.mark.parametrize("size", [1, 4])
def test_each_trial_begun_counts_once_and_ends(tmp_path: Path, size: int) -> None:
    config = with_rungs()
    feed = search(tmp_path, config, FakePool(epochs=EPOCHS, group_size=size))
    found = records(tmp_path, config)
    assert len(found) == feed.num_counted == 24
    assert feed.is_finished
    assert not feed.trials.paused
    epochs = sorted(trial.epochs_done for trial in found)
    assert set(epochs) == {1, 2, 4}
    for trial in found:
        ended = State.COMPLETE if trial.epochs_done == EPOCHS else State.PRUNED
        assert trial.state is ended
        assert [epoch.epoch for epoch in trial.history] == list(range(1, trial.epochs_done + 1))
        assert trial.seconds == pytest.approx(0.5 * trial.epochs_done)


def test_best_of_a_rung_go_on(tmp_path: Path) -> None:
    config = with_rungs()
    search(tmp_path, config, FakePool(epochs=EPOCHS, num_workers=1))
    found = records(tmp_path, config)
    first = {trial.number: history_losses(trial)[0] for trial in found}
    promoted = {trial.number for trial in found if trial.epochs_done > 1}
    best_half = set(sorted(first, key=lambda number: first[number])[:12])
    assert best_half <= promoted


def test_what_stays_paused_says_where_and_is_never_best(tmp_path: Path) -> None:
    config = with_rungs()
    feed = search(tmp_path, config, FakePool(epochs=EPOCHS))
    found = records(tmp_path, config)
    pruned = [trial for trial in found if trial.state is State.PRUNED]
    rung_of = {1: 1, 2: 2}
    for trial in pruned:
        rung = rung_of[trial.epochs_done]
        assert trial.reason == f"paused at epoch {trial.epochs_done} of rung {rung}"
        assert trial.value == trial.history[-1].val_log_loss
    best = best_record(found, "minimize")
    assert best is not None
    assert best.epochs_done == EPOCHS
    assert feed.trials.ended.best("minimize") == best
    assert load(tmp_path, config).best_trial.number == best.number


def test_design_rows_are_never_paused(tmp_path: Path) -> None:
    config = with_rungs(goal="both")
    pool = FakePool(epochs=EPOCHS, group_size=4)
    search(tmp_path, config, pool)
    found = records(tmp_path, config)
    rows = [trial for trial in found if trial.source is Source.RANDOMISED]
    assert len(rows) == 12
    assert all((r.state, r.epochs_done) == (State.COMPLETE, EPOCHS) for r in rows)
    assert any(trial.state is State.PRUNED for trial in found)
    row_keys = {f"trial-{row.number:04d}" for row in rows}
    for work in pool.works:
        if row_keys & set(work.keys):
            assert row_keys >= set(work.keys)
            assert work.pause_after is None


def test_a_group_is_of_one_rung(tmp_path: Path) -> None:
    config = with_rungs(trials=40)
    pool = FakePool(epochs=EPOCHS, group_size=8, num_workers=1)
    search(tmp_path, config, pool)
    stages: dict[str, list[int | None]] = {}
    for work in pool.works:
        assert len({tuple(stages.get(key, [])) for key in work.keys}) == 1
        for key in work.keys:
            stages.setdefault(key, []).append(work.pause_after)
    assert {tuple(found) for found in stages.values()} == {(1,), (1, 2), (1, 2, None)}
    assert any(len(work.keys) > 1 and work.pause_after == 2 for work in pool.works)


def test_values_at_rungs_are_intermediate_values(tmp_path: Path) -> None:
    config = with_rungs()
    search(tmp_path, config, FakePool(epochs=EPOCHS))
    for trial in load(tmp_path, config).trials:
        record = to_records([trial])[0]
        losses = history_losses(record)
        expected = {level: losses[level - 1] for level in (1, 2) if level <= record.epochs_done}
        assert trial.intermediate_values == expected


class Spy(optuna.samplers.RandomSampler):
    """Remembers with which state and value trials end."""

    ends: list[tuple[TrialState, dict[int, float]]]

    def after_trial(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        state: TrialState,
        values: Any,
    ) -> None:
        seen.append((state, dict(trial.intermediate_values)))


seen: list[tuple[TrialState, dict[int, float]]] = []


def test_sampler_is_told_at_the_first_pause(tmp_path: Path) -> None:
    seen.clear()
    path = f"{Spy.__module__}.{Spy.__qualname__}"
    config = with_rungs(sampler={"class_path": path, "init_args": {"seed": 1}}, startup_trials=0)
    feed = open_feed(tmp_path, config)
    vanish(feed, FakePool(epochs=EPOCHS), 4)
    told = [values for state, values in seen if state is TrialState.PRUNED]
    assert len(told) >= 4
    assert all(list(values) == [1] for values in told)


def test_paused_architectures_are_not_begun_again(tmp_path: Path) -> None:
    config = with_rungs(trials=24)
    search(tmp_path, config, FakePool(epochs=EPOCHS))
    assert len({trial.spec_id for trial in records(tmp_path, config)}) == 24


def test_equal_architectures_have_seeds_of_their_own(tmp_path: Path) -> None:
    config = tiny_config(
        epochs=EPOCHS,
        space={"stages": 1, "max_blocks": 1},
        trials=12,
        goal="best",
        rungs=RUNGS,
        duplicates="reseed",
    )
    feed = open_feed(tmp_path, config)
    vanish(feed, FakePool(epochs=EPOCHS), 3)
    search(tmp_path, config, FakePool(epochs=EPOCHS))
    found = records(tmp_path, config)
    assert len({(trial.spec_id, trial.seed) for trial in found}) == 12
    assert len({trial.spec_id for trial in found}) == 3


def test_paused_trials_stay_paused_when_the_owner_dies(tmp_path: Path) -> None:
    config = with_rungs()
    feed = open_feed(tmp_path, config)
    vanish(feed, FakePool(epochs=EPOCHS), 3)
    paused = set(feed.trials.paused)
    again = open_feed(tmp_path, config)
    assert set(again.trials.paused) == paused
    assert {r.key for r in again.trials.retries} == set(feed.trials.in_training)
    found = records(tmp_path, config)
    waiting = {f"trial-{t.number:04d}" for t in found if t.paused_after is not None}
    assert waiting == paused
    assert all(t.value is None and t.state is State.RUNNING for t in found if t.paused_after)


def test_study_of_two_owners_ends_like_that_of_one(tmp_path: Path) -> None:
    config = with_rungs()
    vanish(open_feed(tmp_path, config), FakePool(epochs=EPOCHS), 5)
    feed = open_feed(tmp_path, config)
    vanish(feed, FakePool(epochs=EPOCHS), 3, promoted=True)
    search(tmp_path, config, FakePool(epochs=EPOCHS))
    found = records(tmp_path, config)
    assert [trial.number for trial in found] == list(range(24))
    assert {trial.state for trial in found} == {State.COMPLETE, State.PRUNED}
    for trial in found:
        assert trial.spec is not None
        whole = make_history(trial.spec, EPOCHS)
        assert trial.history == whole[: trial.epochs_done]


def test_a_promotion_is_not_forgotten_when_the_owner_dies(tmp_path: Path) -> None:
    config = with_rungs()
    feed = open_feed(tmp_path, config)
    vanish(feed, FakePool(epochs=EPOCHS), 1, promoted=True)
    [promoted, *_] = [r for r in feed.trials.in_training.values() if r.num_kept]
    stored = load(tmp_path, config).trials[promoted.record.number]
    assert stored.user_attrs[PROMOTED_FROM] == len(stored.user_attrs[PAUSED]["history"])
    again = open_feed(tmp_path, config)
    assert promoted.key in {r.key for r in again.trials.retries}
    pool = FakePool(epochs=EPOCHS)
    Owner(pool, [again]).run()
    [first, *_] = [work for work in pool.works if promoted.key in work.keys]
    assert first.pause_after in (2, None)


def test_an_owner_that_dies_while_it_ends_paused_ones_leaves_the_rest(tmp_path: Path) -> None:
    config = with_rungs()
    feed = open_feed(tmp_path, config)
    vanish(feed, FakePool(epochs=EPOCHS), 4)
    first, *rest = feed.trials.paused
    feed.trials.end_paused({first: "paused at epoch 1 of rung 1"})
    again = open_feed(tmp_path, config)
    assert set(again.trials.paused) == set(rest)
    Owner(FakePool(epochs=EPOCHS), [again]).run()
    found = records(tmp_path, config)
    assert len(found) == 24
    assert {trial.state for trial in found} == {State.COMPLETE, State.PRUNED}


def test_a_trial_without_a_value_at_its_rung_fails_there(tmp_path: Path) -> None:
    config = with_rungs(trials=4)
    feed = open_feed(tmp_path, config)
    work = feed.next(2)
    assert work is not None
    bad, good = (make_measurement(c, EPOCHS, stopped_after=1) for c in work.candidates)
    epoch = dataclasses.replace(bad.last, val_log_loss=math.nan)
    feed.done([dataclasses.replace(bad, history=(epoch,)), good])
    assert set(feed.trials.paused) == {good.key}
    [failed] = feed.trials.ended
    assert (failed.state, failed.reason) == (State.FAILED, "diverged")


def test_lost_promoted_trials_are_tried_again(tmp_path: Path) -> None:
    config = with_rungs()
    # A trial's second work is its first promotion.
    pool = FakePool(epochs=EPOCHS, fate=lambda c, number: "lost" if number == 2 else "done")
    Owner(pool, [open_feed(tmp_path, config)]).run()
    found = records(tmp_path, config)
    assert len(found) == 24
    assert {trial.state for trial in found} == {State.COMPLETE, State.PRUNED}
    assert {trial.epochs_done > 1: trial.attempts for trial in found} == {False: 1, True: 2}
    assert sum(trial.attempts for trial in found) == 24 + sum(t.epochs_done > 1 for t in found)


def test_a_promoted_trial_that_diverges_fails_and_is_replaced(tmp_path: Path) -> None:
    config = with_rungs()
    pool = FakePool(epochs=EPOCHS, fate=lambda c, n: "diverged" if n == 2 else "done")
    pool_ok = FakePool(epochs=EPOCHS)
    feed = open_feed(tmp_path, config)

    def stop() -> None:
        if feed.trials.ended.num_failed >= 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        Owner(pool, [feed], stop).run()
    search(tmp_path, config, pool_ok)
    found = records(tmp_path, config)
    assert sum(trial.state is State.FAILED for trial in found) == 2
    assert sum(trial.state in (State.COMPLETE, State.PRUNED) for trial in found) == 24


def test_a_stopped_search_promotes_nothing_more(tmp_path: Path) -> None:
    config = with_rungs()
    stopped: list[int] = []

    def stop(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        stopped.append(trial.number)
        study.stop()

    callbacks: tuple[Callback, ...] = (stop,)
    feed = search(tmp_path, config, FakePool(epochs=EPOCHS), callbacks)
    found = records(tmp_path, config)
    assert feed.is_finished
    assert len(found) < 24
    assert {trial.state for trial in found} <= {State.COMPLETE, State.PRUNED}
    assert sorted(stopped) == [trial.number for trial in found]


def test_more_trials_go_on_without_those_that_ended(tmp_path: Path) -> None:
    search(tmp_path, with_rungs(trials=10), FakePool(epochs=EPOCHS))
    pruned = {r.number for r in records(tmp_path, with_rungs()) if r.state is State.PRUNED}
    pool = FakePool(epochs=EPOCHS)
    feed = search(tmp_path, with_rungs(), pool)
    assert feed.num_counted == 24
    assert not {f"trial-{number:04d}" for number in pruned} & {
        k for w in pool.works for k in w.keys
    }


def test_checkpoints_are_kept_until_the_end(tmp_path: Path) -> None:
    config = with_rungs()
    study = open_tiny(tmp_path, config)
    feed = SearchFeed(config, study.space, take_trials(study))
    study.folder.checkpoints.mkdir(parents=True, exist_ok=True)
    for number in range(24):
        (study.folder.checkpoints / f"trial-{number:04d}.ckpt").write_bytes(b"x")
    vanish(feed, FakePool(epochs=EPOCHS), 3)
    kept = {path.stem for path in study.folder.checkpoints.iterdir()}
    assert set(feed.trials.paused) <= kept
    search(tmp_path, config, FakePool(epochs=EPOCHS))
    assert list(study.folder.checkpoints.iterdir()) == []


def test_watchers_hear_of_pauses(tmp_path: Path) -> None:
    config = with_rungs(trials=8)
    study, watcher = open_tiny(tmp_path, config), Recorder()
    feed = SearchFeed(config, study.space, take_trials(study, watcher=watcher))
    Owner(FakePool(epochs=EPOCHS), [feed]).run()
    paused = [(number, epoch) for what, number, epoch in watcher.events if what == "paused"]
    found = records(tmp_path, config)
    assert sum(epoch == 1 for _, epoch in paused) == 8
    assert sum(epoch == 2 for _, epoch in paused) == sum(t.epochs_done >= 2 for t in found)
    assert sum(what == "ended" for what, *_ in watcher.events) == 8


def test_a_trial_that_somebody_ended_by_hand_is_theirs(tmp_path: Path) -> None:
    config = with_rungs()
    feed = open_feed(tmp_path, config)
    vanish(feed, FakePool(epochs=EPOCHS), 4)
    again = open_feed(tmp_path, config)
    by_hand = load(tmp_path, config)
    for running in again.trials.paused.values():
        by_hand.tell(running.record.number, state=TrialState.FAIL)
    number = len(again.trials.paused)
    Owner(FakePool(epochs=EPOCHS), [again]).run()
    found = records(tmp_path, config)
    assert sum(trial.state is State.FAILED for trial in found) == number
    assert again.num_counted == 24
    assert again.is_finished


def test_saved_epochs_are_said(tmp_path: Path) -> None:
    config = with_rungs()
    search(tmp_path, config, FakePool(epochs=EPOCHS))
    found = records(tmp_path, config)
    epochs = [trial.epochs_done for trial in found]
    past = [sum(e > level for e in epochs) for level in (1, 2)]
    saved = round(100 * (1 - sum(epochs) / (24 * EPOCHS)))
    assert describe_rungs(found, [1, 2], EPOCHS) == (
        f"{past[0]} of 24 adaptive trials went on past epoch 1, {past[1]} past 2: "
        f"{saved} % of their epochs saved"
    )
    assert describe_rungs([], [1, 2], EPOCHS) == ""


def test_optuna_sees_paused_trials_as_running(tmp_path: Path) -> None:
    config = with_rungs()
    feed = open_feed(tmp_path, config)
    vanish(feed, FakePool(epochs=EPOCHS), 2)
    numbers = {running.record.number for running in feed.trials.paused.values()}
    for trial in as_optuna(feed.trials.store).trials:
        if trial.number in numbers:
            assert trial.state is TrialState.RUNNING
            assert trial.intermediate_values
