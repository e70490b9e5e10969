import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trainer import Candidate, Failure, FolderCheckpoints, Measurement, Reason, Recipe, Verdict
from trainer.datasets import load_data
from trainer.recorded import lookup
from trainer.recorded.lookup import look_up, seed_number
from trainer.recorded.skipbench import RECIPE, load_skipbench, skipbench_space, trained_network
from trainer.train import train

SPECS = list(skipbench_space())
TABLE = load_skipbench()
TRAINED = Recipe(**RECIPE)


def candidate(pattern: int = 5, seed: int = 11, **values: float) -> Candidate:
    key = f"trial-{pattern}-{seed}"
    return Candidate(key=key, spec=SPECS[pattern], seed=seed, recipe_values=values)


class Watcher:
    """Keeps what it is told, and stops at an epoch."""

    def __init__(self, stop_at: int = 0) -> None:
        self.told: list[int] = []
        self.stop_at = stop_at

    def epoch_done(self, key: str, metrics) -> Verdict:
        self.told.append(metrics.epoch)
        return Verdict.STOP if metrics.epoch == self.stop_at else Verdict.CONTINUE


def test_candidate_gets_the_curve_of_its_pattern_and_seed() -> None:
    watcher = Watcher()
    [found] = look_up([candidate()], TRAINED, watcher, test=True)
    assert isinstance(found, Measurement)
    seed = seed_number(11)
    assert [e.val_log_loss for e in found.history] == TABLE.log_loss[5, seed].tolist()
    assert found.last.val_accuracy == TABLE.accuracy[5, seed, -1]
    assert found.test_accuracy == TABLE.test_accuracy[5, seed]
    assert (found.spec_id, found.path, found.stopped) == (SPECS[5].spec_id, "looked up", False)
    assert len(found.gradient_norms) == SPECS[5].num_blocks
    norms = TABLE.gradient_norms[5, seed]
    assert found.gradient_norms[0] == pytest.approx(math.hypot(*norms[:2]))
    assert watcher.told == list(range(1, TRAINED.epochs + 1))
    assert found.seconds < 1


def test_test_split_is_measured_only_where_it_is_asked_for() -> None:
    [found] = look_up([candidate()], TRAINED)
    assert isinstance(found, Measurement)
    assert found.test_log_loss is found.test_accuracy is None


def test_equal_seeds_meet_the_same_recorded_seed_and_all_are_met() -> None:
    assert seed_number(7) == seed_number(7)
    met = np.bincount([seed_number(seed) for seed in range(2000)], minlength=TABLE.num_seeds)
    assert met.min() > 0.7 * 2000 / TABLE.num_seeds


def test_stopped_candidate_has_the_epochs_so_far() -> None:
    [found] = look_up([candidate()], TRAINED, Watcher(stop_at=3), test=True)
    assert isinstance(found, Measurement)
    assert (found.stopped, len(found.history), found.test_accuracy) == (True, 3, None)


def test_paused_candidate_goes_on_where_it_was(tmp_path: Path) -> None:
    store, watcher = FolderCheckpoints(tmp_path), Watcher()
    [paused] = look_up([candidate()], TRAINED, watcher, checkpoints=store, pause_after=4)
    assert isinstance(paused, Measurement)
    assert (paused.stopped, len(paused.history), watcher.told) == (True, 4, [1, 2, 3, 4])
    [done] = look_up([candidate()], TRAINED, watcher, checkpoints=store)
    [alone] = look_up([candidate()], TRAINED)
    assert isinstance(done, Measurement)
    assert isinstance(alone, Measurement)
    assert (done.history, done.stopped) == (alone.history, False)
    assert done.resumed_from_epoch == 4
    assert watcher.told == list(range(1, TRAINED.epochs + 1))


def test_checkpoint_of_something_else_is_no_start(tmp_path: Path) -> None:
    store = FolderCheckpoints(tmp_path)
    store.save(candidate().key, b"weights")
    [found] = look_up([candidate()], TRAINED, checkpoints=store)
    assert isinstance(found, Measurement)
    assert found.resumed_from_epoch == 0


def test_training_that_diverged_fails_as_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = TABLE.log_loss.copy()
    losses[5, :, 2:] = math.nan
    monkeypatch.setattr(lookup, "load_skipbench", lambda: replace(TABLE, log_loss=losses))
    [found] = look_up([candidate()], TRAINED)
    assert isinstance(found, Failure)
    assert (found.reason, len(found.history)) == (Reason.DIVERGED, 2)


def test_what_was_not_recorded_fails_and_says_so() -> None:
    other = Candidate(key="other", spec=trained_network([True] * 6), seed=0)
    told = []
    outcomes = look_up([other, candidate(), candidate(6, lr=0.01)], TRAINED, ended=told.extend)
    assert told == outcomes
    first, second, third = outcomes
    assert isinstance(first, Failure)
    assert isinstance(second, Measurement)
    assert isinstance(third, Failure)
    assert "only its 64 networks are known, got 4-4-4" in first.message
    assert "only its own recipe is known, got lr=0.01" in third.message
    assert first.reason is third.reason is Reason.ERROR


def test_train_looks_recorded_data_up() -> None:
    [found] = train([candidate()], TRAINED, load_data("skipbench"))
    [direct] = look_up([candidate()], TRAINED)
    assert isinstance(found, Measurement)
    assert isinstance(direct, Measurement)
    assert found.history == direct.history
