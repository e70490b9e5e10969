import itertools
import time
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from nas.config import StudyConfig, make_config
from nas.config_file import merge
from nas.constraints import TURN_SECONDS, Limits, MeasureLatency, count_refused
from nas.design import design_rows
from nas.errors import TrainingError
from nas.owner import Owner
from nas.records import to_records
from nas.search_feed import MAX_FAILURES_IN_A_ROW, SearchFeed
from nas.space_kinds import kinds_of
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import ArchitectureSpec, Kind
from tests.nas.fake_pool import (
    FakePool,
    load,
    make_measurement,
    open_feed,
    open_tiny,
    rates_of,
    search,
    take_trials,
    tiny_config,
)
from trainer.measurement import Candidate

ONE_STAGE = {"stages": 1, "min_blocks": 1, "max_blocks": 2}
"""Twelve architectures, nine of them at the deepest networks."""
PRUNER = {"class_path": "optuna.pruners.MedianPruner", "init_args": {"n_startup_trials": 2}}


def records(folder: Path, config: StudyConfig) -> list[TrialRecord]:
    """Read all trials as another process would."""
    return to_records(load(folder, config).trials)


def counted(trials: list[TrialRecord]) -> list[TrialRecord]:
    return [trial for trial in trials if trial.state in (State.COMPLETE, State.PRUNED)]


def run_until(feed: SearchFeed, pool: FakePool, num_ended: int) -> None:
    """Let an owner work until so many trials have ended, then vanish."""

    def stop() -> None:
        if len(feed.trials.ended) >= num_ended and feed.trials.in_training:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        Owner(pool, [feed], stop).run()


def test_exactly_the_total_is_complete_with_every_attribute(tmp_path: Path) -> None:
    config = tiny_config(trials=9)
    feed = search(tmp_path, config)
    found = records(tmp_path, config)
    assert [trial.state for trial in found] == [State.COMPLETE] * 9
    assert feed.num_counted == 9
    assert feed.is_finished
    for trial in found:
        assert trial.value == trial.metrics["val_log_loss"] == trial.history[-1].val_log_loss
        assert trial.spec is not None
        assert trial.spec_id == trial.spec.spec_id
        assert feed.trials.store.uid in str(trial.wandb_id)
        assert str(trial.wandb_id).endswith(f"-{trial.number:04d}")
    assert len({trial.seed for trial in found}) == 9


def test_accuracy_is_the_value_where_it_is_the_metric(tmp_path: Path) -> None:
    config = tiny_config(trials=2, metric="val/accuracy", direction="maximize")
    search(tmp_path, config)
    assert all(trial.value == trial.metrics["val_accuracy"] for trial in records(tmp_path, config))


def test_a_trial_that_fails_for_good_is_replaced_and_stays_visible(tmp_path: Path) -> None:
    config = tiny_config(trials=6)
    pool = FakePool(fate=lambda c, _: "diverged" if c.key == "trial-0002" else "done")
    search(tmp_path, config, pool)
    found = records(tmp_path, config)
    assert len(counted(found)) == 6
    [failed] = [trial for trial in found if trial.state is State.FAILED]
    assert (failed.number, failed.reason) == (2, "diverged")
    assert "must be finite" in str(failed.message)


def test_half_of_the_trials_are_design_rows_in_runs_of_equal_shape(tmp_path: Path) -> None:
    config = tiny_config(trials=40)
    search(tmp_path, config)
    sources = [trial.source for trial in records(tmp_path, config)]
    runs = [(source, len(list(group))) for source, group in itertools.groupby(sources)]
    assert runs == [
        (Source.RANDOMISED, 8),
        (Source.ADAPTIVE, 8),
        (Source.RANDOMISED, 8),
        (Source.ADAPTIVE, 8),
        (Source.RANDOMISED, 4),
        (Source.ADAPTIVE, 4),
    ]


def test_design_rows_are_the_design_at_the_deepest_networks(tmp_path: Path) -> None:
    config = tiny_config(trials=30, seed=5)
    search(tmp_path, config)
    rows = [r for r in records(tmp_path, config) if r.source is Source.RANDOMISED]
    space = config.make_space()
    plain = space.uniform(space.deepest, Kind.NONE)
    design = design_rows(list(plain.places()), list(kinds_of(space)), 5)
    expected = [plain.with_kinds(next(design)) for _ in rows]
    assert [row.spec for row in rows] == expected


@pytest.mark.parametrize(
    ("given", "share"),
    [({"goal": "best"}, 0.0), ({"goal": "map"}, 1.0), ({"mode": "effects"}, 1.0)],
)
def test_the_goal_sets_the_share_of_design_rows(
    tmp_path: Path, given: dict[str, Any], share: float
) -> None:
    config = tiny_config(trials=10, **given)
    search(tmp_path, config)
    found = records(tmp_path, config)
    assert sum(r.source is Source.RANDOMISED for r in found) == share * 10


def test_adaptive_trials_begin_at_random_over_all_depths(tmp_path: Path) -> None:
    config = tiny_config(trials=20, goal="best", startup_trials=20)
    search(tmp_path, config)
    depths = [trial.decisions for trial in records(tmp_path, config)]
    for stage in (1, 2, 3):
        assert {d[f"depth.stage{stage}"] for d in depths} == {1, 2}


def test_the_sampler_learns_from_design_rows_and_its_own_trials(tmp_path: Path) -> None:
    config = tiny_config(trials=32, space={"stages": 2, "max_blocks": 3})
    search(tmp_path, config)
    adaptive = [r for r in records(tmp_path, config) if r.source is Source.ADAPTIVE]
    # In the made-up task skips help; two of three blocks have one by chance.
    assert _share_of_skips(adaptive[3:]) > 0.75


def _share_of_skips(trials: list[TrialRecord]) -> float:
    specs = [trial.spec for trial in trials if trial.spec is not None]
    return sum(len(spec.skips) for spec in specs) / sum(spec.num_blocks for spec in specs)


def test_the_same_seed_proposes_the_same_trials(tmp_path: Path) -> None:
    config = tiny_config(trials=16)
    first = search(tmp_path / "a", config).trials.ended
    second = search(tmp_path / "b", config).trials.ended
    assert [(r.spec_id, r.seed) for r in first] == [(r.spec_id, r.seed) for r in second]


# Duplicates.


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_small_space_is_exhausted_without_training_anything_twice(
    tmp_path: Path, sampler: str
) -> None:
    config = tiny_config(trials=12, space=ONE_STAGE, sampler=sampler)
    search(tmp_path, config)
    found = records(tmp_path, config)
    assert len(found) == config.make_space().size == 12
    assert len({trial.spec_id for trial in found}) == 12


def test_a_failed_architecture_is_tried_again_where_no_other_is_left(tmp_path: Path) -> None:
    config = tiny_config(trials=12, space=ONE_STAGE, goal="best")
    failing: list[str] = []

    def fate(candidate: Candidate, attempt: int) -> str:
        if candidate.key == "trial-0003":
            failing.append(candidate.spec.spec_id)
            return "oom"
        return "done"

    search(tmp_path, config, FakePool(fate=fate))
    found = records(tmp_path, config)
    again = [trial for trial in found if trial.spec_id == failing[0]]
    assert [trial.state for trial in again] == [State.FAILED, State.COMPLETE]
    assert again[0].seed != again[1].seed
    assert len({trial.spec_id for trial in counted(found)}) == 12


def test_reseed_trains_an_architecture_again_on_another_seed(tmp_path: Path) -> None:
    space = {"stages": 1, "max_blocks": 1}
    config = tiny_config(trials=8, space=space, duplicates="reseed", goal="best")
    search(tmp_path, config)
    found = records(tmp_path, config)
    assert len({trial.spec_id for trial in found}) < 8
    assert len({trial.seed for trial in found}) == 8


def test_a_design_of_all_trials_repeats_its_patterns_on_other_seeds(tmp_path: Path) -> None:
    config = tiny_config(trials=12, space=ONE_STAGE, goal="map")
    search(tmp_path, config)
    found = records(tmp_path, config)
    assert len({trial.spec_id for trial in found}) == 9
    assert len({trial.seed for trial in found}) == 12


# The next owner.


def test_more_trials_go_on_with_the_same_design(tmp_path: Path) -> None:
    once = search(tmp_path / "once", tiny_config(trials=24)).trials.ended
    search(tmp_path / "twice", tiny_config(trials=10))
    search(tmp_path / "twice", tiny_config(trials=24))
    twice = records(tmp_path / "twice", tiny_config())
    assert len(twice) == 24
    assert [r.spec_id for r in once if r.source is Source.RANDOMISED] == [
        r.spec_id for r in twice if r.source is Source.RANDOMISED
    ]
    assert len({r.spec_id for r in twice}) == 24


def test_the_same_command_on_a_finished_study_trains_nothing(tmp_path: Path) -> None:
    config = tiny_config(trials=4)
    search(tmp_path, config)
    pool = FakePool()
    search(tmp_path, config, pool)
    assert pool.works == []


@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_what_ran_is_taken_up_under_the_same_number(tmp_path: Path, storage: str) -> None:
    url = f"sqlite:///{tmp_path}/study.db" if storage == "sqlite" else storage
    config = tiny_config(trials=6, storage=url)
    pool = FakePool(fate=lambda c, a: "lost" if (c.key, a) == ("trial-0003", 1) else "done")
    run_until(open_feed(tmp_path, config), pool, 3)
    before = records(tmp_path, config)
    running = [r for r in before if r.state is State.RUNNING]
    assert running
    assert before[3].attempts == 2
    search(tmp_path, config, pool)
    after = records(tmp_path, config)
    assert [r.state for r in after] == [State.COMPLETE] * 6
    assert [(r.number, r.spec_id, r.seed) for r in before] == [
        (r.number, r.spec_id, r.seed) for r in after[: len(before)]
    ]
    assert after[3].attempts == 2


def test_a_trial_with_a_result_and_no_state_is_not_trained_again(tmp_path: Path) -> None:
    config = tiny_config(trials=4)
    feed = open_feed(tmp_path, config)
    run_until(feed, FakePool(), 2)
    [running, *_] = [r for r in records(tmp_path, config) if r.state is State.RUNNING]
    store = feed.trials.store
    done = store.trials()[0]
    # The former owner was killed between the two writes.
    frozen = store.trials()[running.number]
    store.annotate(frozen._trial_id, {"result": done.user_attrs["result"]})
    pool = FakePool()
    search(tmp_path, config, pool)
    found = records(tmp_path, config)
    assert [r.state for r in found] == [State.COMPLETE] * 4
    assert found[running.number].value == done.value
    trained = {candidate.key for work in pool.works for candidate in work.candidates}
    assert f"trial-{running.number:04d}" not in trained


def test_a_lost_trial_goes_on_and_then_fails_as_lost(tmp_path: Path) -> None:
    config = tiny_config(trials=3, max_attempts=2)

    def fate(candidate: Candidate, attempt: int) -> str:
        return "lost" if candidate.key == "trial-0000" or attempt == 1 else "done"

    feed = search(tmp_path, config, FakePool(fate=fate, epochs=5), ())
    found = records(tmp_path, config)
    assert found[0].state is State.FAILED
    assert found[0].reason == "lost"
    assert found[0].message == "worker 7 on cpu ended with signal 9, 2 times"
    assert found[0].attempts == 2
    assert [e.epoch for e in found[0].history] == [1, 2]
    assert [r.attempts for r in counted(found)] == [2, 2, 2]
    # Two epochs before, three after: the time of both attempts.
    assert {r.seconds for r in counted(found)} == {2.5}
    assert feed.num_counted == 3


def test_ten_failures_in_a_row_end_the_search_with_their_reason(tmp_path: Path) -> None:
    config = tiny_config(trials=20)
    pool = FakePool(fate=lambda candidate, attempt: "oom")
    message = r"At least one of 10 trials in a row .* the last one trial \d+ \(oom\): Diverged"
    with pytest.raises(TrainingError, match=message):
        search(tmp_path, config, pool)
    assert pool.closed
    found = records(tmp_path, config)
    assert sum(r.state is State.FAILED for r in found) == MAX_FAILURES_IN_A_ROW


# Pruning.


@pytest.mark.parametrize("name", ["MedianPruner", "SuccessiveHalvingPruner"])
def test_pruners_stop_adaptive_trials_only_and_leave_their_values(
    tmp_path: Path, name: str
) -> None:
    options = {"MedianPruner": {"n_startup_trials": 2}, "SuccessiveHalvingPruner": {}}
    pruner = {"class_path": f"optuna.pruners.{name}", "init_args": options[name]}
    config = tiny_config(trials=30, epochs=4, pruner=pruner, sampler="random")
    search(tmp_path, config)
    study = load(tmp_path, config)
    pruned = [t for t in study.trials if t.state is TrialState.PRUNED]
    assert pruned
    assert {t.user_attrs["source"] for t in pruned} == {"adaptive"}
    for trial in pruned:
        assert len(trial.intermediate_values) == len(trial.user_attrs["result"]["history"]) < 4
        assert trial.value == list(trial.intermediate_values.values())[-1]
    assert len(counted(records(tmp_path, config))) == 30
    rows = [t for t in study.trials if t.user_attrs["source"] == "randomised"]
    assert {len(t.intermediate_values) for t in rows} == {0}


def test_a_metric_that_is_not_measured_prunes_nothing_and_fails_every_trial(
    tmp_path: Path,
) -> None:
    usual = tiny_config(trials=20, pruner=PRUNER, goal="best").to_dict()
    metric = {"metric": "val/f1", "direction": "maximize"}
    changed = {
        "search": usual["search"] | metric,
        "task": {"class_path": "trainer.module.CandidateModule"},
    }
    config = make_config(usual | changed)
    with pytest.raises(TrainingError, match="val/f1 must be finite at the last epoch, got none"):
        search(tmp_path, config)
    ended = [r for r in records(tmp_path, config) if r.state.is_finished]
    assert {(r.state, r.reason) for r in ended} == {(State.FAILED, "error")}


def test_only_trials_that_can_be_pruned_wait_for_answers(tmp_path: Path) -> None:
    pool = FakePool()
    config = tiny_config(trials=20, pruner=PRUNER)
    search(tmp_path, config, pool)
    sources = {r.number: r.source for r in records(tmp_path, config)}
    for work in pool.works:
        [candidate] = work.candidates
        adaptive = sources[int(candidate.key[-4:])] is Source.ADAPTIVE
        assert work.supervised == ([candidate.key] if adaptive else [])
        assert not work.test
        assert not work.keep_weights


def test_a_trial_of_a_former_owner_is_still_pruned(tmp_path: Path) -> None:
    config = tiny_config(trials=20, epochs=9, pruner=PRUNER, goal="best")
    run_until(open_feed(tmp_path, config), FakePool(epochs=9), 3)
    assert any(r.state is State.RUNNING for r in records(tmp_path, config))
    pool = FakePool(epochs=9)
    search(tmp_path, config, pool)
    assert pool.works[0].supervised


# Other processes on the same study.


class BusySampler(RandomSampler):
    """Random; with every ask another process adds a trial of its own to the study."""

    waited = 0.0
    """Seconds that the other process was kept waiting for its longest write."""

    def __init__(self, journal: str) -> None:
        super().__init__(seed=0)
        self._others = JournalStorage(JournalFileBackend(journal))

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Write as the other process."""
        start = time.monotonic()
        others = optuna.load_study(study_name="tiny", storage=self._others)
        others.add_trial(optuna.trial.create_trial(value=0.5))
        BusySampler.waited = max(BusySampler.waited, time.monotonic() - start)


def test_others_write_while_the_sampler_thinks_and_nothing_is_mixed_up(tmp_path: Path) -> None:
    sampler = {
        "class_path": f"{__name__}.BusySampler",
        "init_args": {"journal": str((tmp_path / "journal.log").resolve())},
    }
    config = tiny_config(trials=12, sampler=sampler, startup_trials=0, goal="best")
    feed = open_feed(tmp_path, config)
    work = feed.next(8)
    assert work is not None
    assert len(work.candidates) == 8
    assert BusySampler.waited < 1
    feed.done([make_measurement(candidate) for candidate in work.candidates])
    ours = [record for record in records(tmp_path, config) if record.wandb_id]
    assert [record.state for record in ours] == [State.COMPLETE] * 8
    assert {f"trial-{record.number:04d}" for record in ours} == set(work.keys)
    assert all(str(record.wandb_id).endswith(f"-{record.number:04d}") for record in ours)
    assert [c.spec.spec_id for c in work.candidates] == [record.spec_id for record in ours]


class BrokenSampler(RandomSampler):
    """Random; its fourth ask fails."""

    num_asked = 0

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Fail once."""
        self.num_asked += 1
        if self.num_asked == 4:
            raise InterruptedError


def test_trials_that_were_chosen_before_an_error_are_begun(tmp_path: Path) -> None:
    sampler = {"class_path": f"{__name__}.BrokenSampler"}
    config = tiny_config(sampler=sampler, startup_trials=0, goal="best")
    feed = open_feed(tmp_path, config)
    with pytest.raises(InterruptedError):
        feed.next(8)
    assert [trial.state.name for trial in load(tmp_path, config).trials] == ["RUNNING"] * 3
    work = feed.next(8)
    assert work is not None
    assert len({candidate.seed for candidate in work.candidates}) == 8


def test_seeds_of_an_architecture_that_is_chosen_twice_at_once_differ(tmp_path: Path) -> None:
    config = tiny_config(
        space=ONE_STAGE, trials=30, duplicates="reseed", startup_trials=0, goal="best"
    )
    work = open_feed(tmp_path, config).next(30)
    assert work is not None
    assert len({candidate.spec.spec_id for candidate in work.candidates}) < 13
    assert len({candidate.seed for candidate in work.candidates}) == 30


def test_enqueued_trials_are_taken_up_first_and_count(tmp_path: Path) -> None:
    config = tiny_config(trials=4)
    study = load(tmp_path, config)
    wanted = {"depth.stage1": 1, "depth.stage2": 1, "depth.stage3": 2}
    study.enqueue_trial({**wanted, "skip.stage1.block1": "projection"})
    study.enqueue_trial(wanted)
    search(tmp_path, config)
    found = records(tmp_path, config)
    assert [r.state for r in found] == [State.COMPLETE] * 4
    assert wanted.items() <= found[0].decisions.items()
    assert found[0].decisions["skip.stage1.block1"] == "projection"
    assert wanted.items() <= found[1].decisions.items()
    assert found[0].wandb_id == f"{open_feed(tmp_path, config).trials.store.uid}-0000"
    assert load(tmp_path, config).trials[0].user_attrs["enqueued"] is True


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"skip.stage1.block1": "identiy"}, "must be one of"),
        ({"depth.stage1": 1, "skip.stage1.block2": "none"}, "Only decisions that exist"),
        ({"depth.stage1": 9}, "must be one of"),
    ],
)
def test_an_enqueued_trial_outside_the_space_fails_with_its_reason(
    tmp_path: Path, params: dict[str, int | str], message: str
) -> None:
    config = tiny_config(trials=3)
    load(tmp_path, config).enqueue_trial(params)
    feed = search(tmp_path, config)
    found = records(tmp_path, config)
    assert found[0].state is State.FAILED
    assert found[0].reason == "error"
    assert message in load(tmp_path, config).trials[0].user_attrs["result"]["message"]
    assert len(counted(found)) == feed.num_counted == 3
    # Visible to this owner's report, and to the next one's.
    assert [r.number for r in feed.trials.ended if r.state is State.FAILED] == [0]
    again = open_feed(tmp_path, config)
    assert [r.number for r in again.trials.ended if r.state is State.FAILED] == [0]
    assert again.is_finished


def test_an_enqueued_trial_that_was_half_claimed_waits_for_the_next_owner(tmp_path: Path) -> None:
    config = tiny_config(trials=3)
    load(tmp_path, config).enqueue_trial({"depth.stage1": 2})
    feed = open_feed(tmp_path, config)
    store = feed.trials.store
    [waiting] = store.trials(TrialState.WAITING)
    # The owner was killed after its first writes of the claim.
    store.annotate(waiting._trial_id, {"enqueued": True})
    store.storage.set_trial_state_values(waiting._trial_id, TrialState.RUNNING)
    search(tmp_path, config)
    found = records(tmp_path, config)
    assert [r.state for r in found] == [State.COMPLETE] * 3
    assert found[0].decisions["depth.stage1"] == 2


def test_a_copy_of_a_trial_is_trained_and_not_taken_for_finished(tmp_path: Path) -> None:
    config = tiny_config(trials=2)
    search(tmp_path, config)
    study = load(tmp_path, config)
    first = study.trials[0]
    study.enqueue_trial(first.params, user_attrs=first.user_attrs)
    more = tiny_config(trials=3)
    feed = open_feed(tmp_path, more)
    work = feed.next()
    assert work is not None
    assert work.keys == ("trial-0002",)
    # The next owner trains it, since it has no result of its own.
    search(tmp_path, more)
    found = records(tmp_path, more)
    assert found[2].state is State.COMPLETE
    assert found[2].spec_id == found[0].spec_id
    assert found[2].seed != found[0].seed


@pytest.mark.filterwarnings("ignore:.*is deprecated:FutureWarning")
def test_trials_of_other_processes_are_neither_counted_nor_touched(tmp_path: Path) -> None:
    config = tiny_config(trials=3)
    study = load(tmp_path, config)
    asked = study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
    told = study.ask()
    study.tell(told, 0.0)
    search(tmp_path, config)
    found = records(tmp_path, config)
    assert found[asked.number].state is State.RUNNING
    assert [r.state for r in found[2:]] == [State.COMPLETE] * 3
    again = open_feed(tmp_path, config)
    assert again.num_counted == 3
    assert again.is_finished
    assert records(tmp_path, config)[asked.number].state is State.RUNNING


def test_a_trial_that_somebody_else_ended_keeps_their_state(tmp_path: Path) -> None:
    config = tiny_config(trials=3)

    def fail_first(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        running = [t for t in study.get_trials() if t.state is TrialState.RUNNING]
        if running and trial.number == 0:
            study.tell(running[0].number, state=TrialState.FAIL)

    search(tmp_path, config, FakePool(num_workers=2), callbacks=(fail_first,))
    found = records(tmp_path, config)
    assert found[1].state is State.FAILED
    assert len(counted(found)) == 3


# Callbacks.


def test_stop_in_a_callback_ends_the_search_and_lets_trials_finish(tmp_path: Path) -> None:
    config = tiny_config(trials=12)
    seen: list[int] = []

    def stop(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        seen.append(trial.number)
        assert trial.state is TrialState.COMPLETE
        assert trial.value is not None
        if trial.number == 2:
            study.stop()

    feed = search(tmp_path, config, FakePool(num_workers=3), callbacks=(stop,))
    found = records(tmp_path, config)
    # Those in training when it was called are finished, and no other is begun.
    assert seen == [0, 1, 2, 3, 4]
    assert feed.is_finished
    assert [r.state for r in found] == [State.COMPLETE] * 5


def test_optunas_own_callback_for_a_total_works(tmp_path: Path) -> None:
    callback = optuna.study.MaxTrialsCallback(4, states=(TrialState.COMPLETE,))
    search(tmp_path, tiny_config(trials=12), FakePool(num_workers=1), callbacks=(callback,))
    assert len(records(tmp_path, tiny_config())) == 4


def test_an_error_in_a_callback_loses_nothing(tmp_path: Path) -> None:
    config = tiny_config(trials=4)

    def fail(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        raise LookupError("mine")

    pool = FakePool()
    with pytest.raises(LookupError, match="mine"):
        search(tmp_path, config, pool, callbacks=(fail,))
    assert pool.closed
    assert records(tmp_path, config)[0].state is State.COMPLETE
    search(tmp_path, config, pool)
    assert [r.state for r in records(tmp_path, config)] == [State.COMPLETE] * 4


LIMIT = 1500
"""Parameters of the tiny space's networks: 1,320 to about 4,000; a fifth has fewer than this."""
LR = {"low": 0.03, "high": 0.3}


def changed(config: StudyConfig, **sections: object) -> StudyConfig:
    """The same study with some keys of other sections."""
    return make_config(merge(config.to_dict(), sections))


class TestConstraints:
    def test_nothing_beyond_a_limit_is_trained_and_what_was_refused_is_counted(
        self, tmp_path: Path
    ) -> None:
        config = changed(tiny_config(trials=20), constraints={"max_params": LIMIT})
        feed = search(tmp_path, config)
        found = records(tmp_path, config)
        assert [trial.state for trial in found] == [State.COMPLETE] * 20
        assert all(trial.params is not None and trial.params <= LIMIT for trial in found)
        assert count_refused(found)["max_params"] > 0
        assert set(count_refused(found)) == {"max_params"}
        assert not feed.has_design
        assert all(trial.source is Source.ADAPTIVE for trial in found)

    def test_trials_carry_their_constraints_as_optuna_keeps_them(self, tmp_path: Path) -> None:
        limits = {"max_layers": 12, "max_macs": 10**9}
        config = changed(tiny_config(trials=6), constraints=limits)
        search(tmp_path, config)
        study = load(tmp_path, config)
        for trial in study.trials:
            layers = trial.user_attrs["layers"]
            assert trial.constraints["max_layers"] == pytest.approx(layers / 12 - 1)
            assert trial.constraints["max_macs"] < 0
        assert len(study.best_trials) == 1

    def test_rows_are_taken_on_from_those_that_are_left_out(self, tmp_path: Path) -> None:
        limit = {"max_params": 3000}
        config = changed(tiny_config(trials=16, goal="map"), constraints=limit)
        feed = search(tmp_path, config)
        found = records(tmp_path, config)
        assert feed.has_design
        assert all(trial.source is Source.RANDOMISED for trial in found)
        assert all(trial.params is not None and trial.params <= 3000 for trial in found)
        numbers = [trial.user_attrs["design_row"] for trial in load(tmp_path, config).trials]
        assert sum(trial.rows_left_out for trial in found) == numbers[-1] + 1 - 16 > 0

    def test_enqueued_network_beyond_a_limit_is_refused_with_the_reason(
        self, tmp_path: Path
    ) -> None:
        config = changed(tiny_config(trials=3, goal="best"), constraints={"max_layers": 8})
        space = config.make_space()
        study = load(tmp_path, config)
        for depths in ((2, 2, 2), (1, 1, 1)):
            study.enqueue_trial(dict(space.decisions(space.uniform(depths, Kind.IDENTITY))))
        search(tmp_path, config)
        refused, taken, *_ = records(tmp_path, config)
        assert (refused.state, refused.reason) == (State.FAILED, "error")
        assert refused.message == "constraints.max_layers must hold, got 14 for a limit of 8."
        assert (taken.state, taken.layers) == (State.COMPLETE, 8)
        assert load(tmp_path, config).trials[1].constraints == {"max_layers": 0}

    def test_space_whose_allowed_networks_are_used_up_repeats_them(self, tmp_path: Path) -> None:
        config = tiny_config(trials=5, goal="best", space={"stages": 1})
        feed = search(tmp_path, changed(config, constraints={"max_layers": 4}))
        # One stage of one block: three networks.
        assert [trial.layers for trial in feed.trials.ended] == [4] * 5
        assert len({trial.seed for trial in feed.trials.ended}) == 5

    def test_search_ends_with_a_reason_where_no_allowed_network_is_found(
        self, tmp_path: Path
    ) -> None:
        config = changed(tiny_config(trials=5, goal="best"), constraints={"max_layers": 4})
        with pytest.raises(TrainingError, match="within the constraints must be found to go on"):
            search(tmp_path, config)

    def test_next_owner_refuses_what_the_former_one_refused(self, tmp_path: Path) -> None:
        config = changed(tiny_config(trials=16), constraints={"max_params": LIMIT})
        run_until(open_feed(tmp_path, config), FakePool(), 6)
        search(tmp_path, config)
        found = records(tmp_path, config)
        assert len(counted(found)) == 16
        assert all(trial.params is not None and trial.params <= LIMIT for trial in found)


class TestRecipeRanges:
    def test_adaptive_trials_are_asked_and_rows_have_the_reference(self, tmp_path: Path) -> None:
        config = changed(
            tiny_config(trials=24), recipe={"lr": LR, "weight_decay": {"low": 1e-5, "high": 1e-3}}
        )
        pool = FakePool()
        search(tmp_path, config, pool)
        trials = load(tmp_path, config).trials
        for trial, record in zip(trials, to_records(trials), strict=True):
            asked = {name: v for name, v in trial.params.items() if name.startswith("recipe.")}
            if record.source is Source.RANDOMISED:
                assert asked == {}
                assert record.lr == config.recipe.lr
            else:
                assert set(asked) == {"recipe.lr", "recipe.weight_decay"}
                assert (record.lr, record.weight_decay) == tuple(asked.values())
                assert 0.03 <= asked["recipe.lr"] <= 0.3
                assert trial.distributions["recipe.lr"] == FloatDistribution(0.03, 0.3, log=True)
            assert not any(name.startswith("recipe.") for name in record.decisions)
        rates = rates_of(pool)
        assert rates == {f"trial-{r.number:04d}": r.lr for r in to_records(trials)}
        assert len(set(rates.values())) > 10

    def test_random_trials_at_the_start_have_random_rates(self, tmp_path: Path) -> None:
        config = changed(tiny_config(trials=8, goal="best", startup_trials=8), recipe={"lr": LR})
        search(tmp_path, config)
        assert len({trial.lr for trial in records(tmp_path, config)}) == 8

    def test_architecture_may_be_trained_again_by_another_recipe(self, tmp_path: Path) -> None:
        space = {"stages": 1, "max_blocks": 1}
        config = tiny_config(trials=3, goal="best", space=space)
        config = make_config(
            merge(config.to_dict(), {"recipe": {"lr": LR}, "search": {"trials": 9}})
        )
        search(tmp_path, config)
        found = records(tmp_path, config)
        assert len({trial.spec_id for trial in found}) <= 3
        assert len({trial.training for trial in found}) == len({t.seed for t in found}) == 9

    def test_trial_that_is_taken_over_goes_on_by_its_own_recipe(self, tmp_path: Path) -> None:
        config = changed(tiny_config(trials=8, goal="best"), recipe={"lr": LR})
        run_until(open_feed(tmp_path, config), FakePool(), 3)
        begun = [r for r in records(tmp_path, config) if r.state is State.RUNNING]
        pool = FakePool()
        search(tmp_path, config, pool)
        again = rates_of(pool)
        assert begun
        for record in begun:
            assert again[f"trial-{record.number:04d}"] == record.lr

    def test_enqueued_rate_is_taken_and_one_out_of_range_refused(self, tmp_path: Path) -> None:
        config = changed(tiny_config(trials=3, goal="best"), recipe={"lr": LR})
        study = load(tmp_path, config)
        for rate in (0.05, 3.0, "fast"):
            study.enqueue_trial({"recipe.lr": rate})
        search(tmp_path, config)
        taken, *refused = records(tmp_path, config)[:3]
        assert (taken.state, taken.lr) == (State.COMPLETE, 0.05)
        assert [r.state for r in refused] == [State.FAILED] * 2
        assert refused[0].message == "recipe.lr must be in [0.03, 0.3], got 3.0."
        assert "got 'fast'" in str(refused[1].message)


class TestMeasuredLatency:
    """Latencies that take an owner's time, on a clock of their own."""

    @staticmethod
    def quick(spec: ArchitectureSpec) -> float:
        return 1.0 if int(spec.spec_id[:4], 16) % 8 == 0 else 3.0

    def trained(self, folder: Path, latency: MeasureLatency, now: list[float]) -> tuple[Any, int]:
        """Search to the end; return what was trained, and how often the feed needed more time."""
        config = changed(tiny_config(trials=16), constraints={"max_latency_ms": 2.0})
        study = open_tiny(folder, config)
        limits = Limits(config.constraints, latency, clock=lambda: now[0])
        feed = SearchFeed(config, study.space, take_trials(study), limits=limits)
        num_pauses = 0
        while not feed.is_finished:
            before = now[0]
            work = feed.next()
            # One measurement may begin before the time is over, and none after it.
            assert now[0] - before < TURN_SECONDS + 1
            if work is None:
                num_pauses += 1
                continue
            [candidate] = work.candidates
            feed.done([make_measurement(candidate)])
        return [(r.number, r.source, r.spec_id, r.seed) for r in feed.ended], num_pauses

    def test_owner_is_never_held_up_and_trains_the_same(self, tmp_path: Path) -> None:
        now = [0.0]

        def slow(spec: ArchitectureSpec) -> float:
            now[0] += 0.9
            return self.quick(spec)

        found, num_pauses = self.trained(tmp_path / "slow", slow, now)
        at_once, none = self.trained(tmp_path / "at_once", self.quick, [0.0])
        assert found == at_once
        assert num_pauses > 10
        assert none == 0

    def test_plan_hopes_for_rows_where_it_takes_long_to_know(self, tmp_path: Path) -> None:
        now = [0.0]

        def too_slow(spec: ArchitectureSpec) -> float:
            now[0] += 0.9
            return 3.0

        config = changed(tiny_config(trials=16), constraints={"max_latency_ms": 2.0})
        study = open_tiny(tmp_path, config)
        limits = Limits(config.constraints, too_slow, clock=lambda: now[0])
        feed = SearchFeed(config, study.space, take_trials(study), limits=limits)
        assert feed.has_design
        assert now[0] < TURN_SECONDS + 1
        assert not feed.is_design_given_up


def sizes(pool: FakePool) -> list[int]:
    return [len(work.candidates) for work in pool.works]


class TestGroups:
    @pytest.mark.parametrize(("trials", "expected"), [(8, [4, 4]), (5, [3, 2]), (2, [1, 1])])
    def test_few_trials_are_spread_over_all_workers(
        self, tmp_path: Path, trials: int, expected: list[int]
    ) -> None:
        config = tiny_config(trials=trials)
        pool = FakePool(num_workers=2, group_size=8)
        search(tmp_path, config, pool)
        assert sizes(pool) == expected
        assert [r.state for r in records(tmp_path, config)] == [State.COMPLETE] * trials

    def test_groups_are_full_until_the_last_ones(self, tmp_path: Path) -> None:
        config = tiny_config(trials=37)
        pool = FakePool(num_workers=2, group_size=8)
        search(tmp_path, config, pool)
        assert sizes(pool)[:3] == [8, 8, 8]
        assert sum(sizes(pool)) == 37
        assert min(sizes(pool)) > 1
        found = records(tmp_path, config)
        assert [r.state for r in found] == [State.COMPLETE] * 37
        assert len({r.spec_id for r in found}) == 37
        assert sum(r.source is Source.RANDOMISED for r in found) == 18

    def test_the_same_seed_proposes_the_same_groups(self, tmp_path: Path) -> None:
        config = tiny_config(trials=24)
        found = [
            search(tmp_path / name, config, FakePool(group_size=4)).trials.ended for name in "ab"
        ]
        first, second = ([(r.spec_id, r.seed) for r in ended] for ended in found)
        assert first == second

    def test_only_networks_of_one_width_plan_are_together(self, tmp_path: Path) -> None:
        config = tiny_config(trials=40, goal="best", space={"width": [2, 3, 4]})
        pool = FakePool(num_workers=2, group_size=4)
        feed = search(tmp_path, config, pool)
        for work in pool.works:
            assert len({c.spec.stem_width for c in work.candidates}) == 1
        # What does not fit waits for the next worker, so that groups are full all the same.
        assert sizes(pool).count(4) >= 6
        assert [r.state for r in records(tmp_path, config)] == [State.COMPLETE] * 40
        assert feed.num_ready == 0

    def test_a_space_is_exhausted_in_groups_without_training_anything_twice(
        self, tmp_path: Path
    ) -> None:
        config = tiny_config(trials=12, space=ONE_STAGE)
        search(tmp_path, config, FakePool(group_size=5))
        assert len({trial.spec_id for trial in records(tmp_path, config)}) == 12

    def test_each_has_its_own_recipe(self, tmp_path: Path) -> None:
        config = changed(tiny_config(trials=24), recipe={"lr": LR})
        pool = FakePool(group_size=8)
        search(tmp_path, config, pool)
        rates = rates_of(pool)
        assert rates == {f"trial-{r.number:04d}": r.lr for r in records(tmp_path, config)}
        assert len(set(rates.values())) == 13
        for work in pool.works:
            assert work.recipe["lr"] == config.recipe.lr

    def test_adaptive_members_alone_are_pruned(self, tmp_path: Path) -> None:
        config = tiny_config(trials=40, epochs=4, pruner=PRUNER, sampler="random")
        pool = FakePool(epochs=4, group_size=6)
        search(tmp_path, config, pool)
        found = records(tmp_path, config)
        assert {r.source for r in found if r.state is State.PRUNED} == {Source.ADAPTIVE}
        assert len(counted(found)) == 40
        sources = {f"trial-{r.number:04d}": r.source for r in found}
        kinds = [{sources[key] for key in work.keys} for work in pool.works]
        assert {Source.ADAPTIVE, Source.RANDOMISED} in kinds
        for work in pool.works:
            adaptive = [key for key in work.keys if sources[key] is Source.ADAPTIVE]
            assert work.supervised == adaptive

    def test_lost_group_goes_on_together_and_nothing_is_lost(self, tmp_path: Path) -> None:
        config = tiny_config(trials=12)

        def fate(candidate: Candidate, attempt: int) -> str:
            return "lost" if (candidate.key, attempt) == ("trial-0005", 1) else "done"

        pool = FakePool(group_size=4, fate=fate)
        search(tmp_path, config, pool)
        found = records(tmp_path, config)
        assert [r.state for r in found] == [State.COMPLETE] * 12
        again = [r.number for r in found if r.attempts == 2]
        assert len(again) == 4
        assert tuple(f"trial-{n:04d}" for n in again) in [work.keys for work in pool.works[2:]]

    def test_network_that_kills_its_worker_fails_alone(self, tmp_path: Path) -> None:
        config = tiny_config(trials=12)
        pool = FakePool(
            group_size=4, fate=lambda c, _: "lost" if c.key == "trial-0002" else "done"
        )
        search(tmp_path, config, pool)
        found = records(tmp_path, config)
        assert [r.number for r in found if r.state is State.FAILED] == [2]
        assert len(counted(found)) == 12
        assert ("trial-0002",) in [work.keys for work in pool.works]

    def test_next_owner_takes_up_the_groups_of_the_former_one(self, tmp_path: Path) -> None:
        config = tiny_config(trials=16)
        feed = open_feed(tmp_path, config)
        run_until(feed, FakePool(group_size=4), 4)
        running = [r for r in records(tmp_path, config) if r.state is State.RUNNING]
        assert len(running) >= 4
        pool = FakePool(group_size=4)
        search(tmp_path, config, pool)
        assert set(pool.works[0].keys) <= {f"trial-{r.number:04d}" for r in running}
        assert sizes(pool)[0] > 1
        assert [r.state for r in records(tmp_path, config)] == [State.COMPLETE] * 16

    def test_group_ends_in_one_write_before_anybody_hears_of_it(self, tmp_path: Path) -> None:
        config = tiny_config(trials=4)
        seen: list[int] = []

        def look(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            on_disk = records(tmp_path, config)
            seen.append(sum(r.state is State.COMPLETE for r in on_disk))

        pool = FakePool(num_workers=1, group_size=4)
        search(tmp_path, config, pool, callbacks=(look,))
        assert sizes(pool) == [4]
        assert seen == [4] * 4

    def test_enqueued_trials_fill_the_group_first(self, tmp_path: Path) -> None:
        config = tiny_config(trials=4)
        study = load(tmp_path, config)
        for depth in (1, 2, 9):
            study.enqueue_trial({"depth.stage1": depth})
        pool = FakePool(num_workers=1, group_size=4)
        search(tmp_path, config, pool)
        found = records(tmp_path, config)
        assert [r.state for r in found[:3]] == [State.COMPLETE, State.COMPLETE, State.FAILED]
        assert pool.works[0].keys == ("trial-0000", "trial-0001", "trial-0003", "trial-0004")

    def test_where_time_is_over_the_group_is_what_there_is(self, tmp_path: Path) -> None:
        now = [0.0]

        def slow(spec: ArchitectureSpec) -> float:
            now[0] += 0.9
            return 1.0

        config = changed(tiny_config(trials=8), constraints={"max_latency_ms": 2.0})
        study = open_tiny(tmp_path, config)
        limits = Limits(config.constraints, slow, clock=lambda: now[0])
        feed = SearchFeed(config, study.space, take_trials(study), limits=limits)
        work = feed.next(8)
        assert work is not None
        assert 1 <= len(work.candidates) < 8
        assert now[0] < TURN_SECONDS + 1


class Watching(RandomSampler):
    """A sampler that remembers the values that it was told."""

    seen: ClassVar[set[float | None]] = set()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        self.seen.update(found.value for found in done)
        super().before_trial(study, trial)


class TestRatesOfDesignRows:
    TWO: ClassVar = {"kinds": ["none", "identity"]}

    def config(self, **search: Any) -> StudyConfig:
        return tiny_config(trials=24, space=self.TWO, lr_factors=[0.5, 1.0], **search)

    def test_rows_are_trained_at_their_rates_and_adaptive_trials_at_the_base(
        self, tmp_path: Path
    ) -> None:
        config, pool = self.config(), FakePool()
        search(tmp_path, config, pool)
        found = records(tmp_path, config)
        base = config.recipe.lr
        rows = [trial for trial in found if trial.source is Source.RANDOMISED]
        # Mirrored pairs share their rate, and each rate has half of them.
        assert [row.lr for row in rows[::2]] == [row.lr for row in rows[1::2]]
        assert Counter(row.lr for row in rows) == {base / 2: 6, base: 6}
        assert {t.lr for t in found if t.source is Source.ADAPTIVE} == {base}
        assert rates_of(pool) == {f"trial-{t.number:04d}": t.lr for t in found}

    def test_row_that_is_taken_over_keeps_its_rate_and_the_next_ones_follow(
        self, tmp_path: Path
    ) -> None:
        config = self.config(mode="effects")
        run_until(open_feed(tmp_path / "killed", config), FakePool(), 5)
        pool = FakePool()
        search(tmp_path / "killed", config, pool)
        search(tmp_path / "whole", config)
        killed, whole = (
            {(t.spec_id, t.lr) for t in records(tmp_path / name, config)}
            for name in ("killed", "whole")
        )
        assert killed == whole
        assert len(whole) == 24
        for trial in records(tmp_path / "killed", config):
            rate = rates_of(pool).get(f"trial-{trial.number:04d}")
            assert rate in (None, trial.lr)

    def test_the_sampler_learns_from_rows_at_the_base_rate_alone(self, tmp_path: Path) -> None:
        Watching.seen.clear()
        own = {"class_path": f"{__name__}.Watching"}
        config = self.config(sampler=own)
        search(tmp_path, config)
        rows = [t for t in records(tmp_path, config) if t.source is Source.RANDOMISED]
        told = {row.lr for row in rows if row.value in Watching.seen}
        assert told == {config.recipe.lr}
        assert sum(row.value in Watching.seen for row in rows) >= 4

    def test_rows_of_both_rates_are_one_architecture_on_two_seeds(self, tmp_path: Path) -> None:
        space = {**self.TWO, "stages": 1, "min_blocks": 1}
        config = tiny_config(trials=8, space=space, lr_factors=[0.5, 1.0], mode="effects")
        search(tmp_path, config)
        found = records(tmp_path, config)
        assert len({t.spec_id for t in found}) == 4
        assert len({t.training for t in found}) == len({t.seed for t in found}) == 8


def test_rows_of_two_kinds_are_mirrored_unless_a_limit_could_leave_one_out(
    tmp_path: Path,
) -> None:
    def codes(folder: Path, **sections: object) -> list[str]:
        space = {"kinds": ["none", "identity"]}
        config = changed(tiny_config(trials=8, mode="effects", space=space), **sections)
        search(folder, config)
        return [trial.spec.code[6:] for trial in records(folder, config) if trial.spec]

    swap = str.maketrans("NI", "IN")
    mirrored = codes(tmp_path / "free")
    assert [code.translate(swap) for code in mirrored[::2]] == mirrored[1::2]
    limited = codes(tmp_path / "limited", constraints={"max_params": 10**9})
    assert limited == codes(tmp_path / "random", search={"design": "random"})
    assert limited != mirrored
