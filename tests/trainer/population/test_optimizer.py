import copy

import pytest
import torch

from trainer import Recipe
from trainer.population.network import FusedResNet
from trainer.population.optimizer import PopulationOptimizer
from trainer.population.single import SingleNetwork

CPU = torch.device("cpu")
OWN = [{"lr": 0.05, "weight_decay": 0.01}, {"lr": 0.2, "weight_decay": 0.0}]


def torchs_own(network, recipe):
    if recipe.optimizer == "adamw":
        rate = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
        return torch.optim.AdamW(network.parameters(), **rate)
    return torch.optim.SGD(
        network.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
    )


@pytest.mark.parametrize("own", [OWN, [{}, {}]], ids=["own values", "equal"])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"nesterov": False},
        {"momentum": 0.0},
        {"weight_decay": 0.0},
        {"gradient_clip_norm": 0.3},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "adamw", "gradient_clip_norm": 0.3},
    ],
    ids=str,
)
def test_members_move_as_by_torchs_own_optimiser(build, sample, fields, own):
    recipes = [Recipe(**{**fields, **values}) for values in own]
    networks = build(sample(2, seed=1))
    alone = copy.deepcopy(networks)
    fused = FusedResNet(networks, CPU)
    optimizer = PopulationOptimizer(fused.parameter_vector, recipes)
    references = [torchs_own(n, r) for n, r in zip(alone, recipes, strict=True)]
    draws = torch.Generator().manual_seed(0)
    for step in range(3):
        factor = 1 / (step + 1)
        optimizer.param_groups[0]["lr"] = factor
        optimizer.zero_grad()
        for k, single in enumerate(alone):
            vector = fused.parameter_vector
            parts = vector.of_member(vector.vector.grad, networks[k])
            for weight, part in zip(single.parameters(), parts, strict=True):
                weight.grad = torch.randn(weight.shape, generator=draws, dtype=torch.double)
                part.copy_(weight.grad)
            if recipes[k].gradient_clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(single.parameters(), recipes[k].gradient_clip_norm)
            references[k].param_groups[0]["lr"] = factor * recipes[k].lr
            references[k].step()
        optimizer.step()
    assert optimizer.steps == 3
    for single, network in zip(alone, networks, strict=True):
        for weight, ours in zip(single.parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(ours, weight, rtol=1e-10, atol=1e-12)


def test_a_gradient_that_is_not_finite_moves_its_own_member_alone(build, sample):
    networks = build(sample(3, seed=1))
    fused = FusedResNet(networks, CPU)
    vector = fused.parameter_vector
    optimizer = PopulationOptimizer(vector, [Recipe(gradient_clip_norm=1.0)] * 3)
    next(iter(vector.of_member(vector.vector.grad, networks[1]))).fill_(float("nan"))
    optimizer.step()
    assert all(bool(w.isfinite().all()) for k in (0, 2) for w in networks[k].parameters())
    assert any(bool(w.isnan().any()) for w in networks[1].parameters())


def test_zero_grad_keeps_what_the_layers_share(build, sample):
    (own,) = build(sample(1))
    network = SingleNetwork(own, CPU)
    optimizer = PopulationOptimizer(network.parameter_vector, [Recipe()])
    gradient = network.parameter_vector.vector.grad
    optimizer.zero_grad(set_to_none=True)
    assert network.parameter_vector.vector.grad is gradient
    assert all(weight.grad is not None for weight in own.parameters())


def test_a_closure_is_called_and_without_gradients_nothing_moves(build, sample):
    network = SingleNetwork(build(sample(1))[0], CPU)
    optimizer = PopulationOptimizer(network.parameter_vector, [Recipe()])
    assert optimizer.step(torch.is_grad_enabled) is True
    weights = network.parameter_vector.vector.detach().clone()
    network.parameter_vector.vector.grad = None
    assert optimizer.step() is None
    assert torch.equal(network.parameter_vector.vector, weights)
