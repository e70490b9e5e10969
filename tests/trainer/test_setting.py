import signal

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.utilities.exceptions import SIGTERMException
from safetensors.torch import load as from_safetensors
from torch import nn

from trainer import Candidate, CandidateModule, DeviceBatches, Reason, Recipe
from trainer.checkpoint_io import KeyedCheckpointIO
from trainer.quiet import quiet_lightning
from trainer.reporter import DivergedError
from trainer.setting import fit, new_trainer, peak_memory_bytes, reason_of, start_at

STEPS = 5
"""Mini-batches of 256 of the digits' training split."""


class Counters(Checkpoint):
    """Remembers what Lightning counts at the start and end; a `Checkpoint`, so that none is made."""

    def __init__(self):
        self.seen = []

    def note(self, trainer):
        loop = trainer.fit_loop
        self.seen.append(
            (
                trainer.current_epoch,
                trainer.global_step,
                loop.epoch_progress.current.completed,
                loop.epoch_progress.total.completed,
                loop.epoch_loop._batches_that_stepped,
            )
        )

    def on_train_start(self, trainer, pl_module):
        self.note(trainer)

    def on_train_end(self, trainer, pl_module):
        self.note(trainer)


class Manual(pl.LightningModule):
    """Steps by itself."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.layer = nn.Linear(64, 10)

    def training_step(self, batch, batch_idx):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(self.layer(batch[0].flatten(1)).square().mean())
        optimizer.step()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_values_of_a_candidates_own_override_the_recipe(make_setting, candidate):
    setting = make_setting()
    own = Candidate(key="b", spec=candidate.spec, seed=1, recipe_values={"lr": 0.5})
    assert setting.recipe_of(candidate) is setting.recipe
    assert setting.recipe_of(own) == setting.recipe.model_copy(update={"lr": 0.5})


def test_a_candidate_is_paused_from_its_epoch_to_the_last_but_one(make_setting):
    paused = [make_setting(pause_after=1).is_paused_at(epochs) for epochs in (0, 1, 2, 3)]
    assert paused == [False, True, True, False]
    assert not make_setting(pause_after=3).is_paused_at(3)
    assert not make_setting().is_paused_at(1)


def test_weights_are_kept_where_they_are_to_be(make_setting, store):
    layer = nn.Linear(2, 3)
    make_setting(keep_weights=True).keep("a", layer)
    make_setting(checkpoints=store).keep("a", layer)
    assert store.kept == {}
    make_setting(checkpoints=store, keep_weights=True).keep("a", layer)
    found = from_safetensors(store.kept["a-weights"])
    assert torch.equal(found["weight"], layer.weight)


def test_a_trainer_is_lean_and_as_the_recipe_says(make_setting, store):
    with quiet_lightning():
        trainer = new_trainer(make_setting(checkpoints=store), clip_norm=0.5)
    assert (trainer.max_epochs, trainer.gradient_clip_val) == (3, 0.5)
    assert (trainer.loggers, trainer.progress_bar_callback) == ([], None)
    assert isinstance(trainer.strategy.checkpoint_io, KeyedCheckpointIO)


@pytest.mark.parametrize("epochs", [1, 2])
def test_counters_begin_as_a_checkpoint_of_lightnings_would_set_them(
    make_setting, candidate, digits, store, epochs
):
    setting = make_setting(checkpoints=store)
    batches = DeviceBatches(digits.to("cpu").train, 256, seed=1)
    arguments = (candidate.spec.to_dict(), setting.recipe.model_dump(), 1)

    class Save(Checkpoint):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == epochs - 1:
                trainer.save_checkpoint("a")

    with quiet_lightning():
        new_trainer(setting, Save(), clip_norm=None).fit(CandidateModule(*arguments), batches)
        restored = Counters()
        trainer = new_trainer(setting, restored, clip_norm=None)
        trainer.fit(CandidateModule(*arguments), batches, ckpt_path="a")
        pinned = Counters()
        trainer = new_trainer(setting, pinned, clip_norm=None)
        start_at(trainer, epochs, epochs * STEPS)
        trainer.fit(CandidateModule(*arguments), batches)
    assert pinned.seen[0][:2] == (epochs, epochs * STEPS)
    assert pinned.seen[1][1] == 3 * STEPS
    assert pinned.seen == restored.seen


def test_counters_hold_for_manual_optimisation(make_setting, digits):
    counters = Counters()
    batches = DeviceBatches(digits.to("cpu").train, 256, seed=1)
    with quiet_lightning():
        trainer = new_trainer(make_setting(), counters, clip_norm=None)
        start_at(trainer, 2, 2 * STEPS)
        trainer.fit(Manual(), batches)
    assert [seen[1] for seen in counters.seen] == [2 * STEPS, 3 * STEPS]
    assert counters.seen[0][0] == 2


class Fits:
    """A Trainer whose `fit` ends as told."""

    def __init__(self, error, context=None):
        self.error, self.context = error, context

    def fit(self, *args, **options):
        try:
            if self.context is not None:
                raise self.context
        except KeyboardInterrupt:
            raise self.error  # noqa: B904  # Lightning does it so
        raise self.error


def test_ctrl_c_is_what_it_was():
    with pytest.raises(KeyboardInterrupt):
        fit(Fits(SystemExit(1), KeyboardInterrupt()))  # pyright: ignore[reportArgumentType]


def test_sigterm_ends_with_its_usual_code():
    with pytest.raises(SystemExit) as caught:
        fit(Fits(SIGTERMException()))  # pyright: ignore[reportArgumentType]
    assert caught.value.code == 128 + signal.SIGTERM


def test_another_exit_is_left_as_it_is():
    with pytest.raises(SystemExit) as caught:
        fit(Fits(SystemExit(7)))  # pyright: ignore[reportArgumentType]
    assert caught.value.code == 7


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DivergedError("nan"), Reason.DIVERGED),
        (torch.OutOfMemoryError("full"), Reason.OOM),
        (MemoryError(), Reason.OOM),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), Reason.OOM),
        (RuntimeError("shapes differ"), Reason.ERROR),
        (ValueError("wrong"), Reason.ERROR),
    ],
    ids=repr,
)
def test_a_failure_has_a_reason(error, reason):
    assert reason_of(error) is reason


def test_peak_memory_is_that_of_the_process_on_the_cpu():
    assert 2**20 < peak_memory_bytes(torch.device("cpu")) < 2**45


def test_recipes_are_not_changed_by_it(make_setting, candidate):
    recipe = Recipe(epochs=1, warmup_epochs=1)
    own = Candidate(key="b", spec=candidate.spec, seed=1, recipe_values={"weight_decay": 0.5})
    assert make_setting(recipe=recipe).recipe_of(own).weight_decay == 0.5
    assert recipe.weight_decay == 5e-4
