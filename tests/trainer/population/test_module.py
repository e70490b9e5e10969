import pytest
import pytorch_lightning as pl
import torch

from trainer import CandidateModule, DeviceBatches, Recipe
from trainer.module import lr_factor
from trainer.population.batches import IndexBlocks
from trainer.population.module import PopulationModule
from trainer.population.network import FusedResNet
from trainer.population.single import SingleNetwork
from trainer.quiet import quiet_lightning

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=2, batch_size=64, warmup_epochs=1)
STEPS = 17
"""Mini-batches of 64 of the digits' training split, the last, shorter one included."""


class Watch(pl.Callback):
    """Remembers what a Trainer counts and what state the network is in."""

    def __init__(self):
        self.seen = []
        self.rates = []
        self.aliased = []

    def on_train_epoch_start(self, trainer, pl_module):
        self.seen.append((trainer.current_epoch, trainer.global_step, pl_module.network.training))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        vector = pl_module.network.parameter_vector
        values = [p.data_ptr() for n in pl_module.network.networks for p in n.parameters()]
        parts = [
            p.data_ptr()
            for n in pl_module.network.networks
            for p in vector.of_member(vector.vector, n)
        ]
        self.aliased.append(values == parts and bool(vector.vector.grad.any()))
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


def new_module(build, specs, digits, *, single=False, **arguments):
    networks = build(specs, double=False)
    network = SingleNetwork(networks[0], CPU) if single else FusedResNet(networks, CPU)
    train = digits.to("cpu").train
    recipes = [RECIPE] * len(networks)
    return PopulationModule(network, recipes, train, steps_per_epoch=STEPS, **arguments)


def fitted(module, digits, *callbacks, blocks=None):
    data = digits.to("cpu")
    seeds = range(module.num_members)
    blocks = blocks or IndexBlocks(len(data.train.labels), 64, seeds, CPU)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=list(callbacks),
    )
    with quiet_lightning():
        trainer.fit(module, blocks, DeviceBatches(data.val, 512))
    return trainer


@pytest.mark.parametrize("count", [1, 3])
def test_a_trainer_counts_mini_batches(build, sample, digits, count):
    watch = Watch()
    module = new_module(build, sample(count), digits, single=count == 1)
    trainer = fitted(module, digits, watch)
    assert trainer.global_step == 2 * STEPS == module.optimizer.steps
    # In training mode again after the validation.
    assert watch.seen == [(0, 0, True), (1, STEPS, True)]
    assert len(watch.aliased) == 2
    assert all(watch.aliased)


def test_the_rate_is_the_one_of_the_schedule(build, sample, digits):
    watch = Watch()
    module = new_module(build, sample(2), digits)
    fitted(module, digits, watch)
    wanted = [lr_factor(s, warmup=STEPS, cosine_steps=STEPS) for s in (STEPS, 2 * STEPS)]
    assert watch.rates == pytest.approx(wanted)


def test_a_schedule_goes_on_where_it_was(build, sample, digits):
    module = new_module(build, sample(2), digits, steps_done=STEPS + 3)
    configured = module.configure_optimizers()
    rate = configured["lr_scheduler"]["scheduler"].get_last_lr()[0]  # pyright: ignore
    assert rate == pytest.approx(lr_factor(STEPS + 3, warmup=STEPS, cosine_steps=STEPS))


def test_a_constant_schedule_keeps_the_peak(build, sample, digits):
    networks = build(sample(2), double=False)
    recipe = RECIPE.model_copy(update={"schedule": "constant"})
    train = digits.to("cpu").train
    module = PopulationModule(
        FusedResNet(networks, CPU), [recipe] * 2, train, steps_per_epoch=STEPS, steps_done=99
    )
    rate = module.configure_optimizers()["lr_scheduler"]["scheduler"].get_last_lr()  # pyright: ignore
    assert rate == [1.0]


def test_every_member_gets_the_images_of_its_own_order(build, sample, digits):
    module = new_module(build, sample(2), digits)
    train = digits.to("cpu").train
    indices = torch.tensor([[3, 1, 2], [9, 8, 7]])
    images, labels = module.mini_batch(indices)
    assert images.shape == (3, 2, 8, 8)
    for member, own in enumerate(indices):
        assert torch.equal(images[:, member : member + 1], train.images[own])
        assert torch.equal(labels[member], train.labels[own])


def test_all_members_see_the_same_images_in_an_evaluation(build, sample, digits):
    module = new_module(build, sample(3), digits)
    images = torch.randn(2, 1, 8, 8)
    found = module.for_all(images)
    assert all(torch.equal(found[:, k : k + 1], images) for k in range(3))
    single = new_module(build, sample(1), digits, single=True)
    assert single.for_all(images) is images


def test_lightnings_zero_grad_keeps_the_gradients_memory(build, sample, digits):
    module = new_module(build, sample(2), digits)
    gradient = module.network.parameter_vector.vector.grad
    module.losses(module.mini_batch(torch.zeros(2, 4, dtype=torch.int64))).sum().backward()
    assert bool(gradient.any())
    module.zero_grad(set_to_none=True)
    assert module.network.parameter_vector.vector.grad is gradient
    assert not gradient.any()


def test_steps_in_single_precision_are_those_of_the_candidates_own_module(build, sample, digits):
    # Few, since training amplifies rounding.
    specs = sample(3, seed=2)
    module = new_module(build, specs, digits)
    indices = torch.stack(
        [torch.randperm(64, generator=torch.Generator().manual_seed(0)) for _ in specs]
    )
    alone = [CandidateModule(s.to_dict(), RECIPE.model_dump(), k) for k, s in enumerate(specs)]
    optimizers = [
        torch.optim.SGD(own.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
        for own in alone
    ]
    for _ in range(2):
        images, labels = module.mini_batch(indices)
        module.optimizer.zero_grad()
        losses = module.losses((images, labels))
        losses.sum().backward()
        module.optimizer.step()
        for k, (own, optimizer) in enumerate(zip(alone, optimizers, strict=True)):
            optimizer.zero_grad()
            loss = own.training_loss(own(images[:, k : k + 1]), labels[k])
            loss.backward()
            optimizer.step()
            torch.testing.assert_close(losses[k], loss, rtol=1e-4, atol=0)
    for network, own in zip(module.network.networks, alone, strict=True):
        for ours, weight in zip(network.parameters(), own.parameters(), strict=True):
            torch.testing.assert_close(ours, weight, rtol=1e-3, atol=1e-4)
