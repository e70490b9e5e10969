import math

from nas.claims.results import Outcome, Results, complete_seeds
from nas.claims.setup import ClaimsSetup
from nas.config import make_config

SETUP = ClaimsSetup.from_config(make_config({}))
TRAINING = SETUP.training(SETUP.of_layers(8), 0)


def results(outcome: Outcome | None) -> Results:
    return Results(SETUP, {} if outcome is None else {TRAINING.key: outcome})


def test_a_training_counts_by_its_last_epoch_or_the_one_asked_for() -> None:
    found = results(Outcome(diverged=False, val_log_losses=(0.9, 0.5, 0.2), val_accuracy=0.9))
    assert found.loss(TRAINING) == 0.2
    assert found.loss(TRAINING, 2) == 0.5
    assert found.accuracy(TRAINING) == 0.9
    assert found.has(TRAINING)


def test_divergence_and_losses_beyond_it_count_as_chance() -> None:
    diverged = results(Outcome(diverged=True, val_log_losses=(0.5,), val_accuracy=None))
    assert diverged.loss(TRAINING) == math.log(10)
    assert diverged.accuracy(TRAINING) == 0.1
    assert diverged.num_diverged([TRAINING]) == 1
    wild = results(Outcome(diverged=False, val_log_losses=(80.0,), val_accuracy=0.1))
    assert wild.loss(TRAINING) == math.log(10)


def test_what_is_not_done_is_none() -> None:
    found = results(None)
    assert found.loss(TRAINING) is None
    assert found.accuracy(TRAINING) is None
    assert not found.has(TRAINING)


def test_seeds_with_a_missing_value_are_left_out() -> None:
    rows = {0: [1.0, 2.0], 1: [None, 2.0], 2: [3.0, 4.0]}
    assert complete_seeds(3, lambda seed: rows[seed]) == [(1.0, 2.0), (3.0, 4.0)]
