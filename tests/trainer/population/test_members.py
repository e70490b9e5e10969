import pytest
import torch

from search_spaces import complexity
from trainer import Candidate, CandidateModule, EpochMetrics, Failure, Measurement, Reason
from trainer.population.members import new_member, plain_history
from trainer.setting import Setting
from trainer.train import train


@pytest.fixture
def setting(make_setting, store):
    return make_setting(checkpoints=store)


def epoch(number):
    return EpochMetrics(
        epoch=number, train_loss=1.0, val_log_loss=2.0, val_accuracy=0.5, lr=0.1, seconds=number
    )


def test_a_new_member_begins_with_its_seeds_weights(candidate, setting):
    member = new_member(candidate, setting)
    module = CandidateModule(candidate.spec.to_dict(), setting.recipe.model_dump(), candidate.seed)
    pairs = zip(member.network.parameters(), module.network.parameters(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)
    assert (member.key, member.state, member.history) == ("trial-0", None, [])


def test_its_own_values_are_in_its_recipe_and_identity(candidate, setting):
    own = Candidate(key="a", spec=candidate.spec, seed=1, recipe_values={"lr": 0.7})
    member = new_member(own, setting)
    assert member.recipe.lr == 0.7
    assert member.identity["recipe"] == member.recipe.model_dump(mode="json")


@pytest.mark.parametrize("path", ["auto", "ordinary"])
def test_a_member_takes_up_a_checkpoint_of_either_path(candidate, recipe, digits, setting, path):
    (paused,) = train(
        [candidate], recipe, digits, checkpoints=setting.checkpoints, pause_after=2, path=path
    )
    member = new_member(candidate, setting)
    assert member.history == list(paused.history)
    assert member.gradient_norms == paused.gradient_norms
    assert member.resumed_from_epoch == 2
    assert member.seconds == 0
    fresh = new_member(candidate, Setting(**{**vars(setting), "checkpoints": None}))
    assert fresh.state is None


def test_a_checkpoint_of_other_values_is_logged_and_not_used(candidate, digits, setting, caplog):
    own = Candidate(**{**vars(candidate), "recipe_values": {"weight_decay": 0.1}})
    train([own], setting.recipe, digits, checkpoints=setting.checkpoints, pause_after=1)
    assert new_member(own, setting).resumed_from_epoch == 1
    with caplog.at_level("WARNING", logger="trainer"):
        assert new_member(candidate, setting).state is None
    assert "it is of another training (differs in recipe)" in caplog.text


def test_a_damaged_checkpoint_is_logged_and_not_used(candidate, setting, store, caplog):
    store.save("trial-0", b"not a checkpoint")
    with caplog.at_level("WARNING", logger="trainer"):
        assert new_member(candidate, setting).state is None
    assert "Checkpoint 'trial-0' is not used: it is damaged (BadZipFile)" in caplog.text


def test_a_member_ends_as_a_measurement(candidate, setting):
    member = new_member(candidate, setting)
    member.history = [epoch(1), epoch(2)]
    member.resumed_from_epoch = 1
    member.tested = {"log_loss": 1.5, "accuracy": 0.25}
    member.measure(setting, "group of 3")
    outcome = member.outcome
    assert isinstance(outcome, Measurement)
    assert (outcome.seconds, outcome.resumed_from_epoch, outcome.path) == (2, 1, "group of 3")
    assert (outcome.test_log_loss, outcome.test_accuracy) == (1.5, 0.25)
    size = complexity(candidate.spec)
    assert (outcome.params, outcome.macs) == (size.params, size.macs)


def test_a_member_ends_as_a_failure(candidate, setting):
    member = new_member(candidate, setting)
    member.history = [epoch(1)]
    member.setup_seconds = 3.0
    member.fail(Reason.OOM, "full", "where")
    outcome = member.outcome
    assert isinstance(outcome, Failure)
    assert (outcome.reason, outcome.message, outcome.traceback) == (Reason.OOM, "full", "where")
    assert (outcome.seconds, outcome.history) == (4.0, (epoch(1),))


def test_epochs_are_kept_as_plain_data():
    (plain,) = plain_history([epoch(1)])
    assert EpochMetrics(**plain) == epoch(1)  # pyright: ignore[reportArgumentType]
