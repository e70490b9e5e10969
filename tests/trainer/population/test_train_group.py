import signal

import pytest
import torch

import trainer.population.train_group as train_group_module
from trainer import Candidate, Failure, Measurement, Reason, Recipe
from trainer.population.network import FusedResNet
from trainer.population.single import SingleNetwork
from trainer.train import train


def numbers(outcome):
    """All that is measured, times left out."""
    epochs = [(e.train_loss, e.val_log_loss, e.val_accuracy, e.lr) for e in outcome.history]
    flat = [value for epoch in epochs for value in epoch]
    tested = (outcome.test_log_loss, outcome.test_accuracy)
    return [*flat, *outcome.gradient_norms, *(value or 0.0 for value in tested)]


def same(first, second, tolerance):
    return numbers(first) == pytest.approx(numbers(second), abs=tolerance, rel=tolerance)


def test_a_few_steps_in_single_precision_agree_too(group, digits):
    # Training amplifies rounding, the more the longer and deeper.
    recipe = Recipe(epochs=1, batch_size=256, lr=0.02)
    fused = train(group, recipe, digits, test=True)
    ordinary = train(group, recipe, digits, test=True, path="ordinary")
    assert all(same(one, other, 0.01) for one, other in zip(fused, ordinary, strict=True))


def test_bf16_trains_a_group(sample, digits):
    recipe = Recipe(epochs=2, batch_size=256, lr=0.02, precision="bf16-mixed")
    specs = sample(2, space={"width": 8, "max_blocks": 2})
    candidates = [Candidate(key=f"c{i}", spec=spec, seed=i) for i, spec in enumerate(specs)]
    outcomes = train(candidates, recipe, digits)
    assert [outcome.path for outcome in outcomes] == ["group of 2"] * 2
    assert all(outcome.last.train_loss < outcome.history[0].train_loss for outcome in outcomes)


def test_what_cannot_be_fused_is_trained_beside(group, make_spec, recipe, digits):
    wide = Candidate(key="wide", spec=make_spec(stages=3), seed=9)
    outcomes = train([group[0], wide, group[1]], recipe, digits)
    assert [outcome.key for outcome in outcomes] == ["trial-0", "wide", "trial-1"]
    assert [outcome.path for outcome in outcomes] == ["group of 2", "lean", "group of 2"]


def test_a_member_is_measured_with_its_share_of_the_time(group, recipe, digits):
    outcomes = train(group, recipe, digits)
    assert len({outcome.seconds for outcome in outcomes}) == 1
    for outcome, candidate in zip(outcomes, group, strict=True):
        assert outcome.seconds == pytest.approx(sum(e.seconds for e in outcome.history))
        assert outcome.setup_seconds > 0
        assert outcome.spec_id == candidate.spec.spec_id
        assert len(outcome.gradient_norms) == candidate.spec.num_blocks
        assert Measurement.from_dict(outcome.to_dict()) == outcome


def test_paused_members_go_on_as_if_they_had_never_paused(group, recipe, digits, store):
    straight = train(group, recipe, digits, test=True)
    paused = train(group, recipe, digits, checkpoints=store, pause_after=1)
    assert all(o.stopped and len(o.history) == 1 for o in paused)
    again = train(group, recipe, digits, checkpoints=store, pause_after=2)
    assert all(o.stopped and o.resumed_from_epoch == 1 for o in again)
    ended = train(group, recipe, digits, checkpoints=store, test=True)
    assert all(not o.stopped and o.resumed_from_epoch == 2 for o in ended)
    assert all(same(one, other, 0) for one, other in zip(straight, ended, strict=True))


def test_a_pause_after_the_last_epoch_is_none(group, recipe, digits, store):
    outcomes = train(group, recipe, digits, checkpoints=store, pause_after=3)
    assert not any(outcome.stopped for outcome in outcomes)


@pytest.mark.parametrize("path", ["auto", "ordinary"])
@pytest.mark.parametrize("pause_after", [1, 2])
def test_a_candidate_beyond_its_pause_is_not_trained(
    group, recipe, digits, store, make_progress, path, pause_after
):
    train(group[:2], recipe, digits, checkpoints=store, pause_after=2, path=path)
    progress, arguments = make_progress(), {"checkpoints": store, "path": path}
    again = train(group[:2], recipe, digits, progress, pause_after=pause_after, **arguments)
    assert progress.calls == []
    assert [(o.stopped, len(o.history), o.seconds) for o in again] == [(True, 2, 0)] * 2


@pytest.mark.parametrize("path", ["auto", "ordinary"])
def test_one_beyond_its_pause_is_tested_with_its_trained_weights(
    group, recipe, digits, store, path
):
    arguments = {"checkpoints": store, "path": path, "pause_after": 1, "test": True}
    first = train(group[:2], recipe, digits, keep_weights=True, **arguments)
    kept = {key: data for key, data in store.kept.items() if key.endswith("-weights")}
    again = train(group[:2], recipe, digits, keep_weights=True, **arguments)
    assert all(same(one, other, 0) for one, other in zip(first, again, strict=True))
    assert all(store.kept[key] == data for key, data in kept.items())


def test_members_of_different_epochs_are_groups_of_their_own(group, recipe, digits, store):
    train(group[:2], recipe, digits, checkpoints=store, pause_after=1)
    outcomes = train(group, recipe, digits, checkpoints=store)
    assert [outcome.path for outcome in outcomes] == ["group of 2"] * 4
    assert [outcome.resumed_from_epoch for outcome in outcomes] == [1, 1, 0, 0]
    assert [len(outcome.history) for outcome in outcomes] == [3, 3, 3, 3]


def test_a_finished_group_is_measured_without_training(
    group, recipe, digits, store, make_progress, monkeypatch
):
    monkeypatch.setattr("trainer.population.reporter.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    straight = train(group, recipe, digits, checkpoints=store, test=True)
    progress = make_progress()
    again = train(group, recipe, digits, progress, checkpoints=store, test=True)
    assert progress.calls == []
    assert all(outcome.resumed_from_epoch == 3 for outcome in again)
    assert all(same(one, other, 0) for one, other in zip(straight, again, strict=True))


class Tight(FusedResNet):
    """Two networks fit, more do not."""

    def __init__(self, networks, device):
        if len(networks) > 2:
            raise torch.OutOfMemoryError("out of memory")
        super().__init__(networks, device)


class Late(FusedResNet):
    """More than two networks fit for one epoch."""

    def forward(self, images):
        if len(self.networks) > 2 and self.seen >= 6 and torch.is_grad_enabled():
            raise torch.OutOfMemoryError("out of memory")
        self.seen += torch.is_grad_enabled()
        return super().forward(images)

    seen = 0


class Full(SingleNetwork):
    """Not even one fits."""

    def forward(self, images):
        raise torch.OutOfMemoryError("out of memory\nat all")


def test_a_group_without_memory_is_halved_and_every_member_measured(
    group, recipe, digits, monkeypatch, caplog
):
    straight = train(group, recipe, digits)
    monkeypatch.setattr("trainer.population.train_group.FusedResNet", Tight)
    with caplog.at_level("WARNING", logger="trainer"):
        outcomes = train([*group], recipe, digits)
    assert "A group of 4 could not be trained (out of memory); it is halved." in caplog.text
    path = "group of 2 (OutOfMemoryError in one of 4)"
    assert [outcome.path for outcome in outcomes] == [path] * 4
    assert all(same(one, other, 0.05) for one, other in zip(straight, outcomes, strict=True))


def test_halves_go_on_from_the_checkpoints_of_the_whole(
    group, recipe, digits, store, make_progress, monkeypatch
):
    monkeypatch.setattr("trainer.population.reporter.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr("trainer.population.train_group.FusedResNet", Late)
    progress = make_progress()
    outcomes = train(group, recipe, digits, progress, checkpoints=store)
    assert [outcome.resumed_from_epoch for outcome in outcomes] == [1] * 4
    assert sorted(progress.calls) == [(c.key, e) for c in group for e in (1, 2, 3)]


def test_halves_without_checkpoints_tell_every_epoch_once(
    group, recipe, digits, make_progress, monkeypatch
):
    monkeypatch.setattr("trainer.population.train_group.FusedResNet", Late)
    progress = make_progress()
    train(group, recipe, digits, progress)
    assert sorted(progress.calls) == [(c.key, e) for c in group for e in (1, 2, 3)]


def test_one_that_does_not_fit_alone_fails_for_lack_of_memory(group, recipe, digits, monkeypatch):
    monkeypatch.setattr("trainer.population.train_group.FusedResNet", Tight)
    monkeypatch.setattr("trainer.population.train_group.SingleNetwork", Full)
    *pair, third = train(group[:3], recipe, digits)
    assert all(isinstance(outcome, Measurement) for outcome in pair)
    assert isinstance(third, Failure)
    assert (third.reason, third.message) == (Reason.OOM, "OutOfMemoryError: out of memory")
    assert "torch.OutOfMemoryError: out of memory" in third.traceback


class Raising:
    """An owner to whom something happens after the first epoch."""

    def __init__(self, error):
        self.error = error

    def epoch_done(self, key, metrics):
        raise self.error


class Ending:
    """Somebody ends the process politely."""

    def epoch_done(self, key, metrics):
        signal.raise_signal(signal.SIGTERM)


def test_ctrl_c_passes_through_a_group(group, recipe, digits):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(group, recipe, digits, Raising(KeyboardInterrupt()))
    assert signal.getsignal(signal.SIGINT) is before


def test_sigterm_passes_through_a_group_with_the_code_that_shells_expect(group, recipe, digits):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="143"):
        train(group, recipe, digits, Ending())
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_the_owner_raises_is_no_failure_of_the_members(group, recipe, digits, store):
    with pytest.raises(BrokenPipeError, match="the owner is gone"):
        train(group, recipe, digits, Raising(BrokenPipeError("the owner is gone")))
    store.save = Raising(OSError("disk full")).epoch_done
    with pytest.raises(OSError, match="disk full"):
        train(group, recipe, digits, checkpoints=store, pause_after=1)


def test_a_group_leaves_process_and_terminal_as_they_were(group, recipe, digits, store, capfd):
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    handlers = [signal.getsignal(number) for number in signals]
    state = torch.random.get_rng_state()
    train(group, recipe, digits, checkpoints=store, pause_after=1, test=True, keep_weights=True)
    train(group, recipe, digits, checkpoints=store)
    assert capfd.readouterr() == ("", "")
    assert [signal.getsignal(number) for number in signals] == handlers
    assert torch.equal(torch.random.get_rng_state(), state)


def test_outcomes_are_told_as_soon_as_they_are_known(group, recipe, digits, make_progress):
    told = []
    key = group[0].key
    progress = make_progress(**{key.replace("-", "_"): 1})

    def ended(outcomes):
        told.append((sorted(o.key for o in outcomes), len(progress.calls)))

    outcomes = train(group, recipe, digits, progress, ended=ended)
    others = sorted(candidate.key for candidate in group[1:])
    # The first to be stopped is told of before anybody's second epoch.
    assert told[0] == ([key], len(group))
    assert [keys for keys, _ in told[1:]] == [others]
    assert [outcome.key for outcome in outcomes] == [candidate.key for candidate in group]


def test_a_stop_holds_where_the_group_fails_after_it(
    group, recipe, digits, store, make_progress, monkeypatch
):
    key = group[0].key
    progress = make_progress(**{key.replace("-", "_"): 1})
    real = train_group_module._Segment._keep_state
    failed = []

    def fail_once(self, module):
        if not failed:
            failed.append(True)
            raise RuntimeError("no luck")
        real(self, module)

    monkeypatch.setattr(train_group_module._Segment, "_keep_state", fail_once)
    told = []
    outcomes = train(group, recipe, digits, progress, checkpoints=store, ended=told.extend)
    assert failed
    assert [len(o.history) for o in outcomes] == [1] + [recipe.epochs] * (len(group) - 1)
    assert outcomes[0].stopped
    assert sorted(o.key for o in told) == sorted(candidate.key for candidate in group)
