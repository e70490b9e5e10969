"""Fused against alone: what candidates of a group measure is what each measures alone.

In double precision, since training amplifies the rounding of single precision.
"""

import math

import pytest
import torch
from safetensors.torch import load as from_safetensors

from search_spaces import Kind
from trainer import Candidate, Failure, Measurement, Reason, Recipe, Verdict
from trainer.train import train

CLOSE = 1e-6
"""How far trainings in double precision may be apart; Lightning's metrics add up in float32."""
RECIPE = Recipe(epochs=2, batch_size=64, warmup_epochs=0.5, lr=0.05, weight_decay=5e-3)
DIVERGES, STOPS = "c5", "c3"


class MemoryStore:
    """Checkpoints and weights in memory."""

    def __init__(self, kept=()):
        self.kept = dict(kept)

    def save(self, key, data):
        self.kept[key] = data

    def load(self, key):
        return self.kept.get(key)

    def delete(self, key):
        self.kept.pop(key, None)


class StopOne:
    """Ends one candidate after its first epoch."""

    def epoch_done(self, key, metrics):
        is_time = key == STOPS and metrics.epoch == 1
        return Verdict.STOP if is_time else Verdict.CONTINUE


def numbers(outcome):
    """All that is measured, times left out."""
    epochs = [(e.train_loss, e.val_log_loss, e.val_accuracy, e.lr) for e in outcome.history]
    flat = [value for epoch in epochs for value in epoch]
    return [*flat, *outcome.gradient_norms, outcome.test_log_loss, outcome.test_accuracy]


def same(first, second, tolerance=CLOSE):
    return numbers(first) == pytest.approx(numbers(second), abs=tolerance, rel=tolerance)


def weights(store, key):
    return from_safetensors(store.kept[f"{key}-weights"])


def same_weights(first, second, tolerance=CLOSE):
    """Whether weights, running statistics and counts of batches agree."""
    assert first.keys() == second.keys()
    return all(
        torch.allclose(value, second[name], rtol=tolerance, atol=tolerance)
        for name, value in first.items()
    )


@pytest.fixture(scope="module")
def eight(sample, make_spec):
    """Every kind alone, and mixed ones with skips of any span; depths from 3 to 9 blocks."""
    uniform = [make_spec(kind, blocks=2, stages=3) for kind in Kind]
    specs = [*uniform, *sample(5, seed=4)]
    own = {1: {"lr": 0.02}, 4: {"weight_decay": 0.1}, 5: {"lr": 1e30}}
    return [
        Candidate(key=f"c{i}", spec=spec, seed=i, recipe_values=own.get(i, {}))
        for i, spec in enumerate(specs)
    ]


@pytest.fixture(scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def together(eight, double_networks, double_digits, one_thread):
    """Outcomes by key, and the store, of a group of which one diverges and one is stopped."""
    store = MemoryStore()
    outcomes = train(
        eight, RECIPE, double_digits, StopOne(), checkpoints=store, test=True, keep_weights=True
    )
    return {outcome.key: outcome for outcome in outcomes}, store


@pytest.fixture(scope="module")
def alone(eight, double_networks, double_digits, one_thread):
    store = MemoryStore()
    outcomes = train(
        eight,
        RECIPE,
        double_digits,
        checkpoints=store,
        test=True,
        keep_weights=True,
        path="ordinary",
    )
    return {outcome.key: outcome for outcome in outcomes}, store


def test_eight_are_mixed_in_kind_and_depth(eight):
    kinds = {skip.kind for candidate in eight for skip in candidate.spec.skips}
    assert kinds == {Kind.IDENTITY, Kind.PROJECTION}
    assert any(not candidate.spec.skips for candidate in eight)
    assert len({candidate.spec.num_blocks for candidate in eight}) >= 3


@pytest.mark.parametrize("key", ["c0", "c1", "c2", "c4", "c6", "c7"])
def test_a_member_is_trained_as_it_would_be_alone(together, alone, key):
    (outcomes, store), (references, own_store) = together, alone
    member, reference = outcomes[key], references[key]
    assert (member.path, reference.path) == ("group of 8", "ordinary: asked for")
    assert len(member.history) == 2
    assert same(member, reference)
    assert same_weights(weights(store, key), weights(own_store, key))


def test_one_that_diverges_is_a_failure_and_leaves_the_others_alone(together):
    outcomes, _ = together
    failed = outcomes[DIVERGES]
    assert isinstance(failed, Failure)
    assert (failed.reason, failed.history) == (Reason.DIVERGED, ())
    assert "Epoch 1: the loss must be finite, got" in failed.message
    others = [outcome for key, outcome in outcomes.items() if key != DIVERGES]
    assert all(isinstance(outcome, Measurement) for outcome in others)
    assert all(math.isfinite(value) for outcome in others for value in numbers(outcome))


def test_one_that_is_stopped_is_measured_as_it_is(together, alone):
    stopped, whole = together[0][STOPS], alone[0][STOPS]
    assert (stopped.stopped, len(stopped.history)) == (True, 1)
    first, reference = stopped.history[0], whole.history[0]
    assert first.train_loss == pytest.approx(reference.train_loss, abs=CLOSE)
    assert first.val_log_loss == pytest.approx(reference.val_log_loss, abs=CLOSE)
    assert stopped.test_log_loss is not None


@pytest.mark.parametrize("path", ["auto", "ordinary"])
def test_one_that_left_the_group_goes_on_alone(together, alone, eight, double_digits, path):
    store = MemoryStore(together[1].kept)
    (candidate,) = (c for c in eight if c.key == STOPS)
    (resumed,) = train(
        [candidate],
        RECIPE,
        double_digits,
        checkpoints=store,
        test=True,
        keep_weights=True,
        path=path,
    )
    assert (resumed.resumed_from_epoch, resumed.stopped, len(resumed.history)) == (1, False, 2)
    assert resumed.path == ("lean" if path == "auto" else "ordinary: asked for")
    assert same(resumed, alone[0][STOPS])
    assert same_weights(weights(store, STOPS), weights(alone[1], STOPS))


@pytest.mark.parametrize(
    ("changes", "own"),
    [
        ({"optimizer": "adamw", "lr": 0.01}, {"lr": 0.003, "weight_decay": 0.1}),
        ({"gradient_clip_norm": 0.5, "label_smoothing": 0.1}, {"lr": 0.02}),
        ({"schedule": "constant", "nesterov": False, "momentum": 0.5}, {"weight_decay": 0.0}),
        ({"crop_padding": 1, "flip": True}, {"lr": 0.02}),
    ],
)
def test_every_recipe_trains_a_member_as_alone(
    sample, double_networks, double_digits, changes, own
):
    recipe = Recipe(epochs=2, batch_size=128, warmup_epochs=0.5, **changes)
    candidates = [
        Candidate(key=f"c{i}", spec=spec, seed=i, recipe_values=own if i else {})
        for i, spec in enumerate(sample(3, seed=2))
    ]
    arguments = {"test": True}
    fused = train(candidates, recipe, double_digits, **arguments)
    ordinary = train(candidates, recipe, double_digits, path="ordinary", **arguments)
    assert {outcome.path for outcome in fused} == {"group of 3"}
    assert all(same(one, other) for one, other in zip(fused, ordinary, strict=True))
