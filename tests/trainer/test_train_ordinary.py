import pytest
import torch

from trainer import CandidateModule, Failure, Measurement, Reason, Recipe
from trainer.train import train
from trainer.train_ordinary import train_ordinary

CLOSE = 1e-3
"""How far paths may be apart in single precision after the few steps taken here."""


class Scaled(CandidateModule):
    """Has an argument of its own."""

    def __init__(self, spec, recipe, seed, scale=1.0):
        super().__init__(spec, recipe, seed)
        self.scale = scale

    def training_loss(self, logits, labels):
        return self.scale * super().training_loss(logits, labels)


class Failing(CandidateModule):
    """Fails in the second epoch."""

    def on_train_epoch_start(self):
        if self.current_epoch == 1:
            raise ZeroDivisionError("no luck")


class Frozen(CandidateModule):
    """Does not train its first convolution, and steps by another optimiser."""

    def build_network(self, generator):
        network = super().build_network(generator)
        next(network.parameters()).requires_grad_(False)
        return network

    def configure_optimizers(self):
        weights = [weight for weight in self.parameters() if weight.requires_grad]
        return torch.optim.RMSprop(weights, lr=1e-3)


def losses(outcome):
    return [value for e in outcome.history for value in (e.train_loss, e.val_log_loss)]


def test_a_candidate_is_trained_and_its_path_kept(make_setting, candidate):
    outcome = train_ordinary(candidate, make_setting(test=True), "ordinary: as a test")
    assert isinstance(outcome, Measurement)
    assert outcome.path == "ordinary: as a test"
    assert outcome.test_accuracy is not None
    assert len(outcome.history) == 3


def test_arguments_reach_the_module(make_setting, candidate):
    usual = train_ordinary(candidate, make_setting())
    scaled = train_ordinary(
        candidate, make_setting(module_class=Scaled, module_args={"scale": 2.0})
    )
    assert scaled.history[0].train_loss > 1.5 * usual.history[0].train_loss


def test_values_of_its_own_are_its_recipe(make_setting, candidate, recipe):
    own = candidate.__class__(**{**vars(candidate), "recipe_values": {"lr": 0.01}})
    outcome = train_ordinary(own, make_setting())
    changed = make_setting(recipe=recipe.model_copy(update={"lr": 0.01}))
    assert losses(outcome) == losses(train_ordinary(candidate, changed))


def test_a_failure_has_its_reason_and_what_was_finished(make_setting, candidate):
    outcome = train_ordinary(candidate, make_setting(module_class=Failing))
    assert isinstance(outcome, Failure)
    assert (outcome.reason, outcome.message) == (Reason.ERROR, "ZeroDivisionError: no luck")
    assert len(outcome.history) == 1
    assert "Failing" not in outcome.message
    assert "raise ZeroDivisionError" in outcome.traceback


def test_a_paused_training_goes_on_exactly(make_setting, candidate, store):
    straight = train_ordinary(candidate, make_setting())
    paused = train_ordinary(candidate, make_setting(checkpoints=store, pause_after=1))
    assert (paused.stopped, len(paused.history)) == (True, 1)
    ended = train_ordinary(candidate, make_setting(checkpoints=store))
    assert (ended.stopped, ended.resumed_from_epoch) == (False, 1)
    assert losses(ended) == losses(straight)


def test_a_module_with_an_optimiser_of_its_own_goes_on_exactly(make_setting, candidate, store):
    own = {"module_class": Frozen}
    straight = train_ordinary(candidate, make_setting(**own))
    train_ordinary(candidate, make_setting(checkpoints=store, pause_after=1, **own))
    ended = train_ordinary(candidate, make_setting(checkpoints=store, **own))
    assert isinstance(ended, Measurement)
    assert ended.resumed_from_epoch == 1
    assert losses(ended) == losses(straight)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("auto", "auto"),
        ("auto", "ordinary"),
        ("ordinary", "auto"),
        ("ordinary", "ordinary"),
    ],
)
def test_training_without_momentum_goes_on_too(candidate, digits, store, first, second):
    recipe = Recipe(epochs=2, batch_size=256, momentum=0.0, lr=0.02)
    (straight,) = train([candidate], recipe, digits, path=first)
    train([candidate], recipe, digits, checkpoints=store, pause_after=1, path=first)
    (ended,) = train([candidate], recipe, digits, checkpoints=store, path=second)
    assert isinstance(ended, Measurement)
    assert ended.resumed_from_epoch == 1
    assert losses(ended) == pytest.approx(losses(straight), rel=CLOSE)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("paths", [("auto", "ordinary"), ("ordinary", "auto")], ids=" then ".join)
def test_each_path_goes_on_from_the_checkpoint_of_the_other(
    candidate, digits, store, optimizer, paths
):
    # The rate rises to its peak after the pause: a schedule that began afresh would be far off.
    recipe = Recipe(epochs=3, batch_size=256, optimizer=optimizer, lr=0.01, warmup_epochs=2)
    (straight,) = train([candidate], recipe, digits, path=paths[0])
    first, second = paths
    train([candidate], recipe, digits, checkpoints=store, pause_after=1, path=first)
    (ended,) = train([candidate], recipe, digits, checkpoints=store, path=second)
    assert ended.resumed_from_epoch == 1
    assert losses(ended) == pytest.approx(losses(straight), rel=CLOSE)
    assert [e.lr for e in ended.history] == pytest.approx([e.lr for e in straight.history])
    assert ended.gradient_norms == straight.gradient_norms


def test_a_finished_checkpoint_of_the_other_path_is_measured_without_training(
    candidate, recipe, digits, store, make_progress, monkeypatch
):
    monkeypatch.setattr("trainer.population.reporter.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    (lean,) = train([candidate], recipe, digits, checkpoints=store, test=True)
    progress = make_progress()
    arguments = {"checkpoints": store, "test": True, "path": "ordinary"}
    (again,) = train([candidate], recipe, digits, progress, **arguments)
    assert progress.calls == []
    assert again.history == lean.history
    assert again.test_log_loss == pytest.approx(lean.test_log_loss, rel=1e-5)


def test_a_damaged_checkpoint_is_logged_and_trained_over(make_setting, candidate, store, caplog):
    store.save("trial-0", b"not a checkpoint")
    with caplog.at_level("WARNING", logger="trainer"):
        outcome = train_ordinary(candidate, make_setting(checkpoints=store))
    assert "it is damaged" in caplog.text
    assert (outcome.resumed_from_epoch, len(outcome.history)) == (0, 3)
