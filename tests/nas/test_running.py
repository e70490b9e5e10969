import math
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from nas.config import make_config
from nas.records import start_attributes
from nas.running import Running, TrialsInTraining, is_ours
from nas.sampling import parameters_of
from nas.trials import Source, State
from search_spaces.spec import Kind
from tests.nas.fake_pool import (
    Recorder,
    as_optuna,
    make_epoch,
    make_failure,
    make_measurement,
    open_tiny,
    take_trials,
    tiny_config,
)
from trainer.measurement import Reason


@pytest.fixture
def trials(tmp_path: Path) -> TrialsInTraining:
    return take_trials(open_tiny(tmp_path, tiny_config()))


def begin(trials: TrialsInTraining, *, wandb_id: str | None = None) -> Running:
    """Create a trial and hand it to a worker."""
    space = tiny_config().make_space()
    spec = space.uniform(space.deepest, Kind.IDENTITY)
    more = {"wandb_id": wandb_id or trials.next_wandb_id()}
    attributes = start_attributes(spec, Source.ADAPTIVE, 7, 0.1, **more)
    started = trials.store.start(*parameters_of(space, spec), attributes)
    running = trials.begin(started, attributes)
    trials.submit([running])
    return running


def reopen(folder: Path, watcher: Recorder | None = None) -> TrialsInTraining:
    """Return the trials as the next owner takes them over."""
    opened = take_trials(open_tiny(folder, tiny_config()), watcher=watcher)
    opened.take_over()
    return opened


def test_a_candidate_has_the_key_spec_and_seed_of_its_trial(trials: TrialsInTraining) -> None:
    running = begin(trials)
    candidate = running.candidate()
    assert (candidate.key, candidate.seed) == ("trial-0000", 7)
    assert candidate.spec == running.spec
    assert running.record.state is State.RUNNING


def test_the_wandb_id_follows_the_number_that_the_trial_really_got(
    trials: TrialsInTraining,
) -> None:
    guessed = trials.next_wandb_id()
    as_optuna(trials.store).enqueue_trial({"depth.stage1": 1})
    running = begin(trials, wandb_id=guessed)
    assert running.record.number == 1
    assert running.record.wandb_id == trials.wandb_id(1)
    assert trials.store.trials()[1].user_attrs["wandb_id"] == trials.wandb_id(1)


def test_repeats_have_wandb_ids_of_their_own(tmp_path: Path) -> None:
    study = open_tiny(tmp_path, tiny_config())
    search, repeats = take_trials(study), take_trials(study, repeats=True)
    assert search.wandb_id(3) == f"{study.search.uid}-0003"
    assert repeats.wandb_id(3) == f"{study.search.uid}-r0003"


def test_an_end_is_persisted_before_anybody_hears_of_it(tmp_path: Path) -> None:
    study = open_tiny(tmp_path, tiny_config())

    class Looker(Recorder):
        def ended(self, record: object) -> None:
            assert study.search.trials()[0].state is TrialState.COMPLETE
            super().ended(record)  # type: ignore[arg-type]

    watcher = Looker()
    trials = take_trials(study, watcher=watcher)
    running = begin(trials)
    trials.epoch(running.key, make_epoch(1, 0.5))
    [record] = trials.done([make_measurement(running.candidate())])
    assert watcher.events == [("started", 0, 1), ("epoch", 0, 1), ("ended", 0, State.COMPLETE)]
    assert list(trials.ended) == [record]
    assert trials.in_training == {}


def test_the_checkpoint_goes_when_the_trial_has_ended(tmp_path: Path) -> None:
    study = open_tiny(tmp_path, tiny_config())
    trials = take_trials(study)
    running = begin(trials)
    checkpoint = study.folder.checkpoints / f"{running.key}.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"state")
    trials.lost([running.key], "gone")
    assert checkpoint.exists()
    trials.submit(trials.retries)
    trials.done([make_measurement(running.candidate())])
    assert not checkpoint.exists()


def test_a_checkpoint_that_a_killed_owner_left_goes_with_the_next(tmp_path: Path) -> None:
    study = open_tiny(tmp_path, tiny_config())
    trials = take_trials(study)
    running = begin(trials)
    trials.done([make_measurement(running.candidate())])
    checkpoint = study.folder.checkpoints / f"{running.key}.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"state")
    weights = study.folder.checkpoints / f"{running.key}-weights.ckpt"
    weights.write_bytes(b"weights")
    reopen(tmp_path)
    assert not checkpoint.exists()
    assert weights.exists()


def test_a_stopped_trial_is_pruned_with_its_last_value(trials: TrialsInTraining) -> None:
    running = begin(trials)
    outcome = make_measurement(running.candidate(), 4, stopped_after=2)
    [record] = trials.done([outcome])
    assert record.state is State.PRUNED
    assert record.value == outcome.last.val_log_loss
    assert record.epochs_done == 2


@pytest.mark.parametrize("reason", list(Reason))
def test_a_failure_keeps_reason_message_and_epochs(
    trials: TrialsInTraining, reason: Reason
) -> None:
    running = begin(trials)
    [record] = trials.done([make_failure(running.candidate(), reason, epochs=1)])
    assert (record.state, record.reason, record.epochs_done) == (State.FAILED, reason.value, 1)
    assert record.value is None
    assert str(record.message).startswith("DivergedError")
    assert trials.store.trials()[0].user_attrs["result"]["traceback"] == "..."


def test_a_value_that_is_no_number_is_a_failure_with_a_reason(trials: TrialsInTraining) -> None:
    running = begin(trials)
    measured = make_measurement(running.candidate())
    last = replace(measured.last, val_log_loss=math.inf)
    outcome = replace(measured, history=(*measured.history[:-1], last))
    [record] = trials.done([outcome])
    assert (record.state, record.reason) == (State.FAILED, "diverged")
    assert record.message == "val/log_loss must be finite at the last epoch, got inf."


def test_a_metric_of_the_task_without_a_number_is_a_failure_with_a_reason(tmp_path: Path) -> None:
    search = {"metric": "val/f1", "direction": "maximize", "anchor_seeds": 2}
    task = {"class_path": "trainer.module.CandidateModule"}
    config = make_config(tiny_config().to_dict() | {"search": search, "task": task})
    trials = take_trials(open_tiny(tmp_path, config))
    first, second = begin(trials), begin(trials)
    measured = make_measurement(first.candidate())
    last = replace(measured.last, more={"f1": 0.75})
    [record] = trials.done([replace(measured, history=(*measured.history[:-1], last))])
    assert (record.state, record.value) == (State.COMPLETE, 0.75)
    assert record.metrics["val_f1"] == 0.75
    [record] = trials.done([make_measurement(second.candidate())])
    assert (record.state, record.reason, record.value) == (State.FAILED, "error", None)
    assert record.message == (
        "val/f1 must be finite at the last epoch, got none. Look at what your task measures on "
        "the validation split."
    )


def test_seconds_are_those_of_all_attempts(trials: TrialsInTraining) -> None:
    resumed, failed = begin(trials), begin(trials)
    [record] = trials.done([make_measurement(resumed.candidate(), 4, resumed=3)])
    assert record.seconds == 2.0
    # Two epochs in the history, one of them of this attempt: half a second before, 0.25 now.
    trials.epoch(failed.key, make_epoch(2, 0.5))
    [record] = trials.done([make_failure(failed.candidate(), epochs=2)])
    assert record.seconds == 0.75


def test_epochs_that_are_told_again_replace_the_older_ones(trials: TrialsInTraining) -> None:
    running = begin(trials)
    for epoch, loss in ((1, 0.9), (2, 0.8), (1, 0.7)):
        trials.epoch(running.key, make_epoch(epoch, loss))
    assert [(e.epoch, e.train_loss) for e in running.history] == [(1, 0.7)]


def test_an_attempt_is_counted_before_the_trial_waits_again(
    tmp_path: Path, trials: TrialsInTraining
) -> None:
    running = begin(trials)
    assert trials.lost([running.key], "gone") == []
    assert trials.in_training == {}
    assert [r.key for r in trials.retries] == [running.key]
    assert trials.store.trials()[0].user_attrs["attempts"] == 2
    assert reopen(tmp_path).retries[0].record.attempts == 2


@pytest.mark.parametrize("end", ["done", "lost", "report"])
def test_a_trial_that_somebody_else_ended_stays_as_it_is(
    trials: TrialsInTraining, end: str
) -> None:
    running = begin(trials)
    as_optuna(trials.store).tell(0, 0.125)
    if end == "report":
        trials.report(running, 1, 0.5)
        return
    if end == "done":
        [record] = trials.done([make_measurement(running.candidate())])
    else:
        [record] = trials.lost([running.key], "gone")
    assert record is not None
    assert (record.state, record.value) == (State.COMPLETE, 0.125)
    assert trials.in_training == {}
    assert trials.retries == []


def test_the_next_owner_takes_over_what_ended_and_what_runs(
    tmp_path: Path, trials: TrialsInTraining
) -> None:
    first, second = begin(trials), begin(trials)
    trials.done([make_measurement(first.candidate())])
    watcher = Recorder()
    taken = reopen(tmp_path, watcher)
    assert [r.number for r in taken.ended] == [0]
    assert [r.key for r in taken.retries] == [second.key]
    assert taken.retries[0].candidate() == second.candidate()
    # Nobody is told of what has ended before.
    assert watcher.events == []


def test_a_result_without_a_state_ends_the_trial(tmp_path: Path, trials: TrialsInTraining) -> None:
    first, second = begin(trials), begin(trials)
    trials.done([make_measurement(first.candidate(), 3, stopped_after=2)])
    stored = trials.store.trials()[0].user_attrs["result"]
    trials.store.annotate(second.trial_id, {"result": stored})
    taken = reopen(tmp_path)
    assert [r.state for r in taken.ended] == [State.PRUNED, State.PRUNED]
    assert taken.retries == []


def test_only_what_an_owner_began_is_ours(trials: TrialsInTraining) -> None:
    begin(trials)
    study = as_optuna(trials.store)
    study.ask()
    study.enqueue_trial({"depth.stage1": 1})
    assert [is_ours(trial) for trial in trials.store.trials()] == [True, False, False]


def test_a_claim_that_another_process_won_leaves_the_trial_to_it(
    tmp_path: Path,
    trials: TrialsInTraining,
) -> None:
    study = as_optuna(trials.store)
    study.enqueue_trial({"depth.stage1": 1})
    [waiting] = trials.store.trials(TrialState.WAITING)
    theirs = study.ask()
    assert trials.claim(waiting, {}, {}, {}) is None
    taken = reopen(tmp_path)
    assert taken.retries == []
    assert trials.store.trials()[theirs.number].state is TrialState.RUNNING
    study.tell(theirs, 0.5)
    assert trials.claim(waiting, {}, {}, {}) is None


def test_a_refused_trial_fails_with_the_message_once(trials: TrialsInTraining) -> None:
    as_optuna(trials.store).enqueue_trial({"depth.stage1": 77})
    [waiting] = trials.store.trials(TrialState.WAITING)
    trials.refuse(waiting, "no such depth")
    trials.refuse(waiting, "no such depth")
    [record] = trials.ended
    assert (record.state, record.reason, record.message) == (
        State.FAILED,
        "error",
        "no such depth",
    )


def test_ends_of_a_group_are_one_write_before_anybody_hears_of_them(tmp_path: Path) -> None:
    study = open_tiny(tmp_path, tiny_config())
    journal = tmp_path / "journal.log"
    on_disk: list[int] = []

    class Looker(Recorder):
        def ended(self, record: object) -> None:
            on_disk.append(journal.read_text().count('"result"'))
            super().ended(record)  # type: ignore[arg-type]

    trials = take_trials(study, watcher=Looker())
    group = [begin(trials) for _ in range(3)]
    records = trials.done([make_measurement(running.candidate()) for running in group])
    assert [record.number for record in records] == [0, 1, 2]
    assert on_disk == [3, 3, 3]
    assert (trials.begun, trials.ended.num_counted) == ([], 3)


def test_some_of_a_lost_group_are_tried_again_and_some_have_had_their_chances(
    trials: TrialsInTraining,
) -> None:
    first = begin(trials)
    for _ in range(2):
        assert trials.lost([first.key], "gone") == []
        trials.submit(trials.retries)
    second = begin(trials)
    assert trials.is_last_attempt(first)
    assert not trials.is_last_attempt(second)
    [failed] = trials.lost([first.key, second.key], "gone")
    assert (failed.number, failed.message) == (0, "gone, 3 times")
    assert [running.key for running in trials.begun] == [second.key]


def test_with_one_attempt_the_first_is_the_last(tmp_path: Path) -> None:
    trials = take_trials(open_tiny(tmp_path, tiny_config(max_attempts=1)))
    assert trials.is_last_attempt(begin(trials))


def test_a_candidate_has_its_own_values_of_the_ranges_alone(trials: TrialsInTraining) -> None:
    running = begin(trials)
    assert running.candidate().recipe_values == {}
    assert running.candidate({"lr"}).recipe_values == {"lr": 0.1}
    # Trials of a study that had no such range have no value.
    assert running.candidate({"lr", "weight_decay"}).recipe_values == {"lr": 0.1}
