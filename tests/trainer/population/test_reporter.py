import pytest
import pytorch_lightning as pl
import torch

from trainer import Candidate, Recipe
from trainer.compact import read_state
from trainer.population.members import new_member
from trainer.population.module import PopulationModule
from trainer.population.network import FusedResNet
from trainer.population.reporter import (
    SECONDS_BETWEEN_CHECKPOINTS,
    GroupReporter,
    snapshot,
)
from trainer.train import train

LONG = 1e9
WAIT = "trainer.population.reporter.SECONDS_BETWEEN_CHECKPOINTS"


class Watch:
    """Notes how many checkpoints of a candidate were safe when an epoch was told."""

    def __init__(self, store):
        self.store = store
        self.safe = []

    def epoch_done(self, key, metrics):
        self.safe.append((key, metrics.epoch, self.store.saves.count(key)))


def test_checkpoints_are_written_seldom(group, recipe, digits, store, monkeypatch):
    monkeypatch.setattr(WAIT, LONG)
    train(group, recipe, digits, checkpoints=store)
    assert store.saves == []


def test_a_killed_worker_loses_a_second_at_most():
    assert SECONDS_BETWEEN_CHECKPOINTS == 1.0


def test_they_are_safe_before_the_epoch_is_told(group, recipe, digits, store, monkeypatch):
    monkeypatch.setattr(WAIT, 0.0)
    watch = Watch(store)
    train(group, recipe, digits, watch, checkpoints=store)
    assert sorted(watch.safe) == [(c.key, epoch, epoch) for c in group for epoch in (1, 2, 3)]


def test_one_that_pauses_is_saved_at_once(group, recipe, digits, store, monkeypatch):
    monkeypatch.setattr(WAIT, LONG)
    watch = Watch(store)
    train(group, recipe, digits, watch, checkpoints=store, pause_after=2)
    assert sorted(watch.safe) == [(c.key, e, n) for c in group for e, n in ((1, 0), (2, 1))]


def test_one_that_is_stopped_is_saved_at_once(
    group, recipe, digits, store, make_progress, monkeypatch
):
    monkeypatch.setattr(WAIT, LONG)
    outcomes = train(group, recipe, digits, make_progress(trial_1=1), checkpoints=store)
    assert store.saves == ["trial-1"]
    assert [outcome.stopped for outcome in outcomes] == [False, True, False, False]
    assert [len(outcome.history) for outcome in outcomes] == [3, 1, 3, 3]


def test_all_that_stop_end_the_group(group, recipe, digits, make_progress):
    progress = make_progress(**{f"trial_{i}": 2 for i in range(4)})
    outcomes = train(group, recipe, digits, progress)
    assert all(outcome.stopped and len(outcome.history) == 2 for outcome in outcomes)
    assert len(progress.calls) == 8


def test_the_rate_told_is_the_members_own(group, recipe, digits, make_progress):
    own = [
        Candidate(key=c.key, spec=c.spec, seed=c.seed, recipe_values={"lr": 0.01 * (i + 1)})
        for i, c in enumerate(group)
    ]
    constant = recipe.model_copy(update={"schedule": "constant"})
    outcomes = train(own, constant, digits)
    assert [o.last.lr for o in outcomes] == pytest.approx([0.01, 0.02, 0.03, 0.04])


@pytest.fixture
def setting(make_setting, store):
    return make_setting(checkpoints=store)


def test_a_snapshot_is_the_member_as_it_is(group, setting, digits):
    members = [new_member(candidate, setting) for candidate in group]
    network = FusedResNet([member.network for member in members], torch.device("cpu"))
    train_split = digits.to("cpu").train
    module = PopulationModule(network, [Recipe()] * 4, train_split, steps_per_epoch=5)
    module.losses(module.mini_batch(torch.arange(32).view(4, 8))).sum().backward()
    module.optimizer.step()
    state = snapshot(1, members[1], module, 1)
    other = new_member(group[1], setting)
    read_state(state.to_bytes(), other.network).apply(other.network)
    wanted = members[1].network.state_dict()
    assert all(torch.equal(v, wanted[name]) for name, v in other.network.state_dict().items())
    parts = network.parameter_vector.of_member(
        module.optimizer.moments["momentum_buffer"], members[1].network
    )
    flat = torch.cat([part.flatten() for part in parts])
    assert torch.equal(state.moments["momentum_buffer"], flat)
    assert flat.any()
    assert (state.steps, state.identity["seed"]) == (1, 1)


def test_another_module_is_refused(group, setting):
    reporter = GroupReporter([new_member(group[0], setting)], setting)
    with pytest.raises(TypeError, match="needs a PopulationModule, got LightningModule"):
        reporter.on_train_epoch_end(pl.Trainer(logger=False), pl.LightningModule())
