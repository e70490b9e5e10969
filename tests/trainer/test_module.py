import json
import math

import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from trainer import CandidateModule, DeviceBatches, Recipe, RecipeError
from trainer.datasets import Split
from trainer.module import ImageMean, LogLoss, lr_factor


def stock_trainer(**arguments):
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }
    return pl.Trainer(accelerator="cpu", devices=1, **quiet, **arguments)


@pytest.fixture
def make_module(make_spec):
    def make(cls=CandidateModule, seed=1, **changed):
        fields = Recipe(**{"epochs": 2, "batch_size": 64, **changed}).model_dump(mode="json")
        return cls(make_spec().to_dict(), fields, seed)

    return make


@pytest.fixture
def loaders(digits):
    data = digits.to("cpu")
    dataset = [TensorDataset(*split) for split in (data.train, data.val, data.test)]
    order = torch.Generator().manual_seed(0)
    return (
        DataLoader(dataset[0], batch_size=128, shuffle=True, generator=order),
        DataLoader(dataset[1], batch_size=100),
        DataLoader(dataset[2], batch_size=100),
    )


def rates(module, loaders, **arguments):
    """Learning rate of every step of a whole fit."""
    seen = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            seen.append(trainer.optimizers[0].param_groups[0]["lr"])

    stock_trainer(callbacks=[Watch()], limit_val_batches=1, **arguments).fit(module, *loaders[:2])
    return seen


def test_a_stock_trainer_with_stock_loaders_trains_it(make_module, loaders):
    trainer = stock_trainer(max_epochs=4)
    module = make_module(epochs=4)
    trainer.fit(module, *loaders[:2])
    logged = trainer.callback_metrics
    assert set(logged) == {"train/loss", "val/accuracy", "val/log_loss"}
    assert logged["val/accuracy"] > 0.3
    tested = trainer.test(module, loaders[2], verbose=False)
    assert set(tested[0]) == {"test/accuracy", "test/log_loss"}


def test_metrics_are_those_of_the_whole_split(make_module, loaders, digits):
    trainer, module = stock_trainer(), make_module()
    found = trainer.validate(module, loaders[1], verbose=False)[0]
    images, labels = digits.to("cpu").val
    with torch.inference_mode():
        logits = module.eval()(images)
    assert found["val/log_loss"] == pytest.approx(float(functional.cross_entropy(logits, labels)))
    right = (logits.argmax(1) == labels).double().mean()
    assert found["val/accuracy"] == pytest.approx(float(right))


def test_train_loss_is_the_mean_over_images(make_module, digits):
    # A rate of next to nothing leaves the loss of every batch that of the initial weights.
    module = make_module(lr=1e-30, weight_decay=0, epochs=1)
    batches = DeviceBatches(Split(*(part[:96] for part in digits.to("cpu").train)), 64)
    with torch.no_grad():
        parts = [functional.cross_entropy(module(x), y, reduction="sum") for x, y in batches]
    trainer = stock_trainer(max_epochs=1)
    trainer.fit(module, batches, batches)
    assert float(trainer.callback_metrics["train/loss"]) == pytest.approx(
        float(sum(parts)) / 96, rel=1e-5
    )


def test_hyperparameters_are_plain_json(make_module):
    module = make_module(seed=5)
    assert json.loads(json.dumps(dict(module.hparams))) == dict(module.hparams)
    assert set(module.hparams) == {"spec", "recipe", "seed"}


def test_a_module_is_rebuilt_from_an_ordinary_checkpoint(make_module, loaders, tmp_path):
    trainer, module = stock_trainer(max_epochs=1), make_module()
    trainer.fit(module, *loaders[:2])
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = CandidateModule.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    found, wanted = again.state_dict(), module.state_dict()
    assert all(torch.equal(found[name], value) for name, value in wanted.items())


def test_initial_weights_hang_on_the_seed_alone(make_module):
    def weights(seed):
        return torch.cat([p.flatten() for p in make_module(seed=seed).parameters()])

    torch.manual_seed(1)
    one = weights(3)
    torch.manual_seed(2)
    assert torch.equal(one, weights(3))
    assert not torch.equal(one, weights(4))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_optimiser_is_that_of_the_recipe(make_module, loaders, optimizer):
    module = make_module(optimizer=optimizer, momentum=0.8, weight_decay=0.01, lr=0.05)
    trainer = stock_trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=1)
    trainer.fit(module, *loaders[:2])
    group = trainer.optimizers[0].param_groups[0]
    assert (group["weight_decay"], group["initial_lr"]) == (0.01, 0.05)
    assert len(group["params"]) == len(list(module.network.parameters()))
    if optimizer == "sgd":
        assert type(trainer.optimizers[0]) is torch.optim.SGD
        assert (group["momentum"], group["nesterov"]) == (0.8, True)
    else:
        assert type(trainer.optimizers[0]) is torch.optim.AdamW


def test_momentum_zero_is_plain_sgd(make_module, loaders):
    trainer = stock_trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=1)
    trainer.fit(make_module(momentum=0), *loaders[:2])
    assert trainer.optimizers[0].param_groups[0]["nesterov"] is False


def test_the_rate_rises_linearly_then_falls_along_a_cosine(make_module, loaders):
    found = rates(make_module(lr=0.2, epochs=3, warmup_epochs=1), loaders, max_epochs=3)
    assert len(found) == 27
    assert found[:9] == pytest.approx([0.2 * (step + 1) / 9 for step in range(9)])
    cosine = [0.1 * (1 + math.cos(math.pi * step / 18)) for step in range(18)]
    assert found[9:] == pytest.approx(cosine)


def test_a_constant_schedule_keeps_the_peak(make_module, loaders):
    module = make_module(lr=0.2, epochs=2, warmup_epochs=0.5, schedule="constant")
    found = rates(module, loaders, max_epochs=2)
    assert found[:4] == pytest.approx([0.05, 0.1, 0.15, 0.2])
    assert set(found[4:]) == {0.2}


def test_warm_up_may_take_every_epoch(make_module, loaders):
    module = make_module(lr=0.2, epochs=1, warmup_epochs=1)
    found = rates(module, loaders, max_epochs=1)
    assert found[-1] == pytest.approx(0.2)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_a_schedule_needs_a_number_of_epochs(make_module, loaders, schedule):
    trainer = stock_trainer(max_epochs=-1, max_steps=4)
    with pytest.raises(RecipeError, match=f"'{schedule}' needs .* got max_epochs=-1. Set max"):
        trainer.fit(make_module(schedule=schedule), *loaders[:2])


def test_labels_are_smoothed_in_training_only(make_module):
    module = make_module(label_smoothing=0.2)
    logits, labels = (
        torch.randn(8, 10, generator=torch.Generator().manual_seed(0)),
        torch.arange(8),
    )
    wanted = functional.cross_entropy(logits, labels, label_smoothing=0.2)
    assert torch.equal(module.training_loss(logits, labels), wanted)
    module.val_metrics.update(logits, labels)
    found = module.val_metrics.compute()["val/log_loss"]
    assert float(found) == pytest.approx(float(functional.cross_entropy(logits, labels)))


def test_bf16_can_be_clipped(make_module, loaders):
    trainer = stock_trainer(
        max_epochs=1, limit_train_batches=2, precision="bf16-mixed", gradient_clip_val=0.1
    )
    trainer.fit(make_module(), *loaders[:2])
    assert math.isfinite(float(trainer.callback_metrics["val/log_loss"]))


def test_log_loss_weighs_every_image_alike():
    logits = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(10) % 3
    metric = LogLoss()
    metric.update(logits[:8], labels[:8])
    metric.update(logits[8:], labels[8:])
    wanted = float(functional.cross_entropy(logits, labels))
    assert float(metric.compute()) == pytest.approx(wanted)


def test_means_weigh_every_image_alike():
    metric = ImageMean()
    metric.update(torch.tensor(1.0), 64)
    metric.update(torch.tensor(2.0), 32)
    assert float(metric.compute()) == pytest.approx(4 / 3)


def test_the_factor_of_the_rate_has_no_gap():
    values = [lr_factor(step, warmup=3, cosine_steps=5) for step in range(9)]
    assert values[:4] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert values == sorted(values[:4]) + sorted(values[4:], reverse=True)
    assert values[-1] == 0
    assert lr_factor(10**6, warmup=0, cosine_steps=math.inf) == 1
