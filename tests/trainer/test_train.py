import functools
import io
import json
import logging
import random
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load as from_safetensors
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy

from search_spaces import Kind, build_candidate, complexity
from trainer import (
    Candidate,
    CandidateModule,
    Failure,
    FolderCheckpoints,
    Measurement,
    Reason,
    Recipe,
)
from trainer.train import train as train_all


@pytest.fixture(params=["lean", "ordinary: asked for"])
def path(request):
    return request.param


@pytest.fixture
def train(path):
    return functools.partial(train_all, path="auto" if path == "lean" else "ordinary")


@pytest.fixture(autouse=True)
def checkpoints_after_every_epoch(monkeypatch):
    monkeypatch.setattr("trainer.population.reporter.SECONDS_BETWEEN_CHECKPOINTS", 0.0)


class Squared(CandidateModule):
    """Another loss, by a subclass."""

    def training_loss(self, logits, labels):
        return (logits.softmax(1) - functional.one_hot(labels, 10)).square().sum(1).mean()


class Margin(CandidateModule):
    """Another metric, another loss with an argument, and dropout, which draws at random."""

    def __init__(self, spec, recipe, seed, weight=1.0, names=()):
        super().__init__(spec, recipe, seed)
        self.weight = weight

    def training_loss(self, logits, labels):
        return self.weight * super().training_loss(functional.dropout(logits, 0.5), labels)

    def make_metrics(self):
        metrics = super().make_metrics()
        metrics.add_metrics({"top2": MulticlassAccuracy(10, top_k=2), "never": Never()})
        return metrics


class Never(Metric):
    """A metric without a value, such as a mean over no image."""

    def update(self, logits, labels):
        pass

    def compute(self):
        return torch.tensor(float("nan"))


class Mute(CandidateModule):
    """Forgets to log what is needed."""

    def on_validation_epoch_end(self):
        pass


class Broken(CandidateModule):
    """Fails for seed 2 alone, in the second epoch."""

    def training_loss(self, logits, labels):
        # Seen by an attached Trainer only, not while gradients are measured.
        if self.hparams["seed"] == 2 and self._trainer and self.current_epoch == 1:
            raise ZeroDivisionError("no luck\nat all")
        return super().training_loss(logits, labels)


class Greedy(CandidateModule):
    """Asks for more memory than there is."""

    def training_loss(self, logits, labels):
        return torch.empty(2**58).sum()


class Interrupted(CandidateModule):
    """Somebody presses Ctrl-C."""

    def on_train_epoch_start(self):
        raise KeyboardInterrupt


class Terminated(CandidateModule):
    """Somebody ends the process politely."""

    def on_train_epoch_start(self):
        signal.raise_signal(signal.SIGTERM)


class Exiting(CandidateModule):
    """Something ends the process."""

    def on_train_epoch_start(self):
        raise SystemExit(7)


def results(outcome):
    """What must not differ between two trainings: all but times."""
    epochs = [(e.train_loss, e.val_log_loss, e.val_accuracy, e.lr) for e in outcome.history]
    return epochs, outcome.gradient_norms, outcome.test_log_loss, outcome.test_accuracy


def saved_bytes(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def weights(store, key="trial-0"):
    return from_safetensors(store.load(f"{key}-weights"))


def global_states():
    legacy = np.random.get_state()  # noqa: NPY002
    return torch.random.get_rng_state().tolist(), random.getstate(), legacy[1].tolist()


def test_a_training_is_measured(train, path, candidate, recipe, digits):
    (outcome,) = train([candidate], recipe, digits)
    assert isinstance(outcome, Measurement)
    assert (outcome.key, outcome.seed) == ("trial-0", 11)
    assert outcome.spec_id == candidate.spec.spec_id
    assert [epoch.epoch for epoch in outcome.history] == [1, 2, 3]
    assert (outcome.stopped, outcome.resumed_from_epoch) == (False, 0)
    assert outcome.seconds == pytest.approx(sum(epoch.seconds for epoch in outcome.history))
    assert outcome.seconds > 0
    assert outcome.setup_seconds > 0
    assert outcome.peak_memory_bytes > 2**20
    size = complexity(candidate.spec)
    assert (outcome.params, outcome.macs) == (size.params, size.macs)
    assert len(outcome.gradient_norms) == 2
    assert (outcome.device, outcome.path) == ("cpu", path)
    assert (outcome.test_log_loss, outcome.test_accuracy) == (None, None)
    assert outcome.last.train_loss < outcome.history[0].train_loss
    assert outcome.last.lr == 0


def test_a_measurement_is_plain_json(train, candidate, recipe, digits):
    (outcome,) = train([candidate], recipe, digits)
    assert Measurement.from_dict(json.loads(json.dumps(outcome.to_dict()))) == outcome


def test_the_default_recipe_learns_the_digits(train, make_spec, digits):
    candidate = Candidate(key="a", spec=make_spec(blocks=2), seed=0)
    (outcome,) = train([candidate], Recipe(), digits, test=True)
    assert outcome.last.val_accuracy > 0.9
    assert outcome.test_accuracy > 0.9


def test_equal_seeds_give_equal_results_whatever_the_list(train, make_spec, recipe, digits):
    one, two = (
        Candidate(key=f"trial-{seed}", spec=make_spec(kind), seed=seed)
        for seed, kind in ((1, Kind.NONE), (2, Kind.PROJECTION))
    )
    first, second = train([one, two], recipe, digits, test=True)
    again, other = train([two, one], recipe, digits, test=True)
    assert (again.key, other.key) == ("trial-2", "trial-1")
    assert results(first) == results(other)
    assert results(second) == results(again)
    assert results(first) != results(second)


def test_another_seed_gives_other_results(train, candidate, recipe, digits):
    other = Candidate(key="b", spec=candidate.spec, seed=12)
    first, second = train([candidate, other], recipe, digits)
    assert results(first) != results(second)


def test_global_random_states_are_neither_read_nor_moved(train, candidate, recipe, digits, store):
    outcomes = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = global_states()
        store.delete("trial-0")
        outcomes += train([candidate], recipe, digits, checkpoints=store, test=True)
        assert global_states() == before
    assert results(outcomes[0]) == results(outcomes[1])


def test_an_empty_list_has_no_outcomes(train, recipe, digits):
    assert train([], recipe, digits) == []


def test_progress_is_told_of_every_epoch_after_its_checkpoint(
    train, candidate, recipe, digits, store
):
    saves = []

    class Watch:
        def epoch_done(self, key, metrics):
            saves.append((key, metrics.epoch, len(store.saves)))

    train([candidate], recipe, digits, Watch(), checkpoints=store)
    assert saves == [("trial-0", 1, 1), ("trial-0", 2, 2), ("trial-0", 3, 3)]


def test_stop_ends_that_candidate_alone(train, candidate, recipe, digits, make_progress):
    other = Candidate(key="trial-1", spec=candidate.spec, seed=1)
    progress = make_progress(trial_0=2)
    first, second = train([candidate, other], recipe, digits, progress)
    assert (first.stopped, len(first.history)) == (True, 2)
    assert (second.stopped, len(second.history)) == (False, 3)
    told = [("trial-0", 1), ("trial-0", 2), *(("trial-1", e) for e in (1, 2, 3))]
    assert sorted(progress.calls) == told


def test_stop_after_the_last_epoch_stops_nothing(train, candidate, recipe, digits, make_progress):
    (outcome,) = train([candidate], recipe, digits, make_progress(trial_0=3))
    assert (outcome.stopped, len(outcome.history)) == (False, 3)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("stop", [1, 2])
def test_a_resumed_training_equals_an_uninterrupted_one(
    train, candidate, digits, store, make_progress, optimizer, stop
):
    recipe = Recipe(epochs=3, batch_size=256, optimizer=optimizer, lr=0.01, warmup_epochs=0.5)
    arguments = {"checkpoints": store, "test": True, "keep_weights": True}
    (straight,) = train([candidate], recipe, digits, **arguments)
    wanted = weights(store)
    store.delete("trial-0")

    (half,) = train([candidate], recipe, digits, make_progress(trial_0=stop), **arguments)
    assert (half.stopped, len(half.history)) == (True, stop)
    progress = make_progress()
    (resumed,) = train([candidate], recipe, digits, progress, **arguments)
    assert results(resumed) == results(straight)
    found = weights(store)
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
    assert resumed.resumed_from_epoch == stop
    assert resumed.history[:stop] == half.history
    assert progress.calls == [("trial-0", epoch) for epoch in range(stop + 1, 4)]
    assert resumed.seconds == pytest.approx(sum(e.seconds for e in resumed.history[stop:]))


def test_a_finished_checkpoint_is_measured_without_training(
    train, candidate, recipe, digits, store, make_progress
):
    (straight,) = train([candidate], recipe, digits, checkpoints=store, test=True)
    saves = len(store.saves)
    progress = make_progress()
    (again,) = train([candidate], recipe, digits, progress, checkpoints=store, test=True)
    assert progress.calls == []
    assert len(store.saves) == saves
    assert (again.resumed_from_epoch, again.seconds, again.stopped) == (3, 0, False)
    assert again.history == straight.history
    assert results(again) == results(straight)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "flipped", "foreign"])
def test_a_damaged_checkpoint_is_logged_and_trained_over(
    train, candidate, recipe, digits, store, make_progress, caplog, damage
):
    (straight,) = train([candidate], recipe, digits, make_progress(), checkpoints=store)
    data = store.kept["trial-0"]
    middle = len(data) // 2
    flipped = bytes(255 - byte for byte in data[middle : middle + 64])
    store.kept["trial-0"] = {
        "empty": b"",
        "cut": data[:middle],
        "text": b"not a checkpoint",
        "flipped": data[:middle] + flipped + data[middle + 64 :],
        "foreign": saved_bytes({"callbacks": {}}),
    }[damage]
    progress = make_progress()
    with caplog.at_level(logging.WARNING, logger="trainer"):
        (again,) = train([candidate], recipe, digits, progress, checkpoints=store)
    assert "Checkpoint 'trial-0' is not used: it is damaged" in caplog.text
    assert results(again) == results(straight)
    assert len(progress.calls) == 3


@pytest.mark.parametrize("differs", ["seed", "spec", "recipe", "module", "module_args"])
def test_a_checkpoint_of_another_training_is_logged_and_trained_over(
    candidate, recipe, digits, store, make_spec, caplog, differs
):
    other, other_recipe, module, args = candidate, recipe, CandidateModule, {}
    if differs == "seed":
        other = Candidate(key="trial-0", spec=candidate.spec, seed=99)
    elif differs == "spec":
        other = Candidate(key="trial-0", spec=make_spec(Kind.NONE), seed=11)
    elif differs == "recipe":
        other_recipe = recipe.model_copy(update={"lr": 0.2})
    elif differs == "module":
        module = Squared
    else:
        args = {"weight": 2.0}
    usual = {"module_class": Margin if args else CandidateModule}
    train_all(
        [other],
        other_recipe,
        digits,
        checkpoints=store,
        module_class=Margin if args else module,
        module_args=args,
    )
    with caplog.at_level(logging.WARNING, logger="trainer"):
        (outcome,) = train_all([candidate], recipe, digits, checkpoints=store, **usual)
    assert f"it is of another training (differs in {differs})" in caplog.text
    assert outcome.resumed_from_epoch == 0
    assert results(outcome) == results(train_all([candidate], recipe, digits, **usual)[0])


def test_the_checkpoint_is_left_for_the_caller(train, candidate, recipe, digits, tmp_path):
    train([candidate], recipe, digits, checkpoints=FolderCheckpoints(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["trial-0.ckpt"]


def test_kept_weights_give_the_measured_network(train, candidate, recipe, digits, store):
    (outcome,) = train([candidate], recipe, digits, checkpoints=store, keep_weights=True)
    network = build_candidate(candidate.spec)
    network.load_state_dict(weights(store))
    images, labels = digits.to("cpu").val
    with torch.inference_mode():
        logits = network.eval()(images)
    assert float((logits.argmax(1) == labels).double().mean()) == pytest.approx(
        outcome.last.val_accuracy
    )
    loss = float(functional.cross_entropy(logits, labels))
    assert loss == pytest.approx(outcome.last.val_log_loss, rel=1e-4)


def test_a_subclass_brings_its_own_loss(candidate, recipe, digits):
    (usual,) = train_all([candidate], recipe, digits)
    (squared,) = train_all([candidate], recipe, digits, module_class=Squared)
    assert squared.history[0].train_loss < 1
    assert results(squared) != results(usual)


def test_a_subclass_gets_its_arguments(candidate, recipe, digits, store):
    once, twice = (
        train_all(
            [candidate], recipe, digits, module_class=Margin, module_args={"weight": weight}
        )[0]
        for weight in (1.0, 2.0)
    )
    first, second = once.gradient_norms[0], twice.gradient_norms[0]
    assert second == pytest.approx(2 * first, rel=1e-4)
    args = {"weight": 0.5, "names": ["a"]}
    train_all(
        [candidate], recipe, digits, module_class=Margin, module_args=args, checkpoints=store
    )
    saved = torch.load(io.BytesIO(store.kept["trial-0"]), weights_only=True)
    assert saved["hyper_parameters"]["weight"] == 0.5
    assert json.loads(json.dumps(saved["hyper_parameters"]))["names"] == ["a"]


def test_what_a_subclass_measures_beside_is_kept_where_it_is_a_number(candidate, recipe, digits):
    (outcome,) = train_all([candidate], recipe, digits, module_class=Margin, test=True)
    assert [list(epoch.more) for epoch in outcome.history] == [["top2"]] * 3
    assert outcome.last.val_accuracy <= outcome.last.more["top2"] <= 1
    assert list(outcome.test_more) == ["top2"]
    assert outcome.last.validation.keys() == {"log_loss", "accuracy", "top2"}
    assert Measurement.from_dict(json.loads(json.dumps(outcome.to_dict()))) == outcome


def test_dropout_of_a_subclass_hangs_on_the_seed_alone(
    candidate, recipe, digits, store, make_progress
):
    arguments = {"module_class": Margin, "checkpoints": store}
    torch.manual_seed(1)
    (straight,) = train_all([candidate], recipe, digits, **arguments)
    store.delete("trial-0")
    torch.manual_seed(2)
    other = Candidate(key="trial-1", spec=candidate.spec, seed=12)
    train_all([other, candidate], recipe, digits, make_progress(trial_0=1), **arguments)
    (resumed,) = train_all([candidate], recipe, digits, **arguments)
    assert resumed.resumed_from_epoch == 1
    assert results(resumed) == results(straight)


def test_clipping_and_bf16_of_the_recipe_reach_the_trainer(train, candidate, recipe, digits):
    changed = recipe.model_copy(update={"gradient_clip_norm": 0.01, "precision": "bf16-mixed"})
    (usual,) = train([candidate], recipe, digits)
    (clipped,) = train([candidate], changed, digits)
    assert isinstance(clipped, Measurement)
    assert clipped.history[0].train_loss > usual.history[0].train_loss


def test_a_diverged_training_is_a_failure_with_that_reason(train, candidate, digits, store):
    recipe = Recipe(epochs=3, batch_size=64, lr=1e6, warmup_epochs=0)
    (outcome,) = train([candidate], recipe, digits, checkpoints=store)
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.DIVERGED
    assert outcome.message.startswith("DivergedError: Epoch ")
    assert "the loss must be finite, got train/loss=nan" in outcome.message
    assert len(store.saves) == len(outcome.history)


def test_a_failing_candidate_does_not_stop_the_others(
    train, make_spec, recipe, digits, make_progress
):
    candidates = [Candidate(key=f"trial-{i}", spec=make_spec(), seed=i) for i in (1, 2, 3)]
    progress = make_progress()
    first, second, third = train_all(candidates, recipe, digits, progress, module_class=Broken)
    assert isinstance(first, Measurement)
    assert isinstance(third, Measurement)
    assert isinstance(second, Failure)
    assert (second.key, second.seed, second.reason) == ("trial-2", 2, Reason.ERROR)
    assert second.spec_id == candidates[1].spec.spec_id
    assert second.message == "ZeroDivisionError: no luck"
    assert 'raise ZeroDivisionError("no luck' in second.traceback
    assert [epoch.epoch for epoch in second.history] == [1]
    assert second.seconds > 0
    assert results(third) == results(
        train_all([candidates[2]], recipe, digits, path="ordinary")[0]
    )


def test_full_memory_is_a_failure_with_that_reason(candidate, recipe, digits):
    (outcome,) = train_all([candidate], recipe, digits, module_class=Greedy)
    assert isinstance(outcome, Failure)
    assert (outcome.reason, outcome.history) == (Reason.OOM, ())


def test_a_module_that_does_not_log_is_told_so(candidate, recipe, digits):
    (outcome,) = train_all([candidate], recipe, digits, module_class=Mute)
    assert isinstance(outcome, Failure)
    assert "got none of val/log_loss, val/accuracy. Keep the hooks" in outcome.message


def test_ctrl_c_passes_through_as_what_it_is(candidate, recipe, digits):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train_all([candidate], recipe, digits, module_class=Interrupted)
    assert signal.getsignal(signal.SIGINT) is before


def test_sigterm_is_an_exit_with_the_code_that_shells_expect(candidate, recipe, digits):
    with pytest.raises(SystemExit, match="143"):
        train_all([candidate], recipe, digits, module_class=Terminated)


def test_an_exit_passes_through(candidate, recipe, digits):
    with pytest.raises(SystemExit, match="7"):
        train_all([candidate], recipe, digits, module_class=Exiting)


def test_signal_handlers_are_as_before(train, candidate, recipe, digits):
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    train([candidate], recipe, digits)
    after = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    assert after == before


def test_what_the_owner_raises_is_no_failure_of_the_candidate(
    train, candidate, recipe, digits, store
):
    class Gone:
        def epoch_done(self, key, metrics):
            raise BrokenPipeError("the owner is gone")

    with pytest.raises(BrokenPipeError, match="the owner is gone"):
        train([candidate], recipe, digits, Gone(), checkpoints=store)
    (outcome,) = train([candidate], recipe, digits, checkpoints=store)
    assert outcome.resumed_from_epoch == 1


def test_nothing_is_printed(train, candidate, recipe, digits, store, capfd):
    train([candidate], recipe, digits, checkpoints=store, test=True, keep_weights=True)
    train([candidate], recipe, digits, checkpoints=store)
    assert capfd.readouterr() == ("", "")


HALF_FROZEN = """
import torch
from torch import nn
from search_spaces.blocks import BasicBranch

class HalfFrozen(BasicBranch):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.scale = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, x):
        return self.scale * super().forward(x)
"""


def test_frozen_weights_of_a_block_stay_as_they_are(
    make_spec, recipe, digits, store, tmp_path, monkeypatch
):
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(HALF_FROZEN)
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = make_spec().changed(block={"class_path": f"{name}.HalfFrozen", "layers": 2})
    candidate = Candidate(key="trial-0", spec=spec, seed=1)
    changed = recipe.model_copy(update={"weight_decay": 0.1})
    (outcome,) = train_all([candidate], changed, digits, checkpoints=store, keep_weights=True)
    assert outcome.path == f"ordinary: {name}.HalfFrozen may have weights that are not trained"
    frozen = [value for key, value in weights(store).items() if key.endswith("scale")]
    assert len(frozen) == 2
    assert all(torch.equal(value, torch.ones_like(value)) for value in frozen)
