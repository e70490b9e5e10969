import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from search_spaces import Kind, build_candidate
from search_spaces.blocks import ResidualBlock
from trainer.evidence import gradient_norms
from trainer.seeding import generator


@pytest.fixture
def batch(digits):
    split = digits.to("cpu").train
    return split.images[:32], split.labels[:32]


@pytest.fixture
def network(make_spec):
    return build_candidate(make_spec(Kind.PROJECTION, blocks=2), generator(5, "init"))


def test_norms_equal_those_of_an_ordinary_backward_pass(network, batch):
    found = gradient_norms(network, functional.cross_entropy, *batch)
    functional.cross_entropy(network(batch[0]), batch[1]).backward()
    wanted = []
    for block in network.blocks:
        branch = block.branch
        layers = (branch.conv1, branch.norm1, branch.conv2, branch.norm2)
        parts = [p.grad.flatten() for layer in layers for p in layer.parameters()]
        wanted.append(float(torch.cat(parts).norm()))
    assert found == pytest.approx(wanted)
    assert len(found) == 4


def test_the_network_stays_untouched(network, batch):
    network.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    gradient_norms(network, functional.cross_entropy, *batch)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in network.parameters())
    assert not network.training


def test_global_random_states_stay_untouched(network, batch):
    before = (torch.random.get_rng_state(), random.getstate(), np.random.get_state()[1])  # noqa: NPY002
    gradient_norms(network, functional.cross_entropy, *batch)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert before[1] == random.getstate()
    assert np.array_equal(before[2], np.random.get_state()[1])  # noqa: NPY002


def test_gradients_are_measured_even_where_they_are_switched_off(network, batch):
    wanted = gradient_norms(network, functional.cross_entropy, *batch)
    with torch.no_grad():
        assert gradient_norms(network, functional.cross_entropy, *batch) == wanted


def test_a_network_without_residual_blocks_has_no_norms(batch):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    assert gradient_norms(network, functional.cross_entropy, *batch) == ()


def test_weights_that_a_branch_does_not_use_and_branches_without_any_count_as_zero(batch):
    class Half(nn.Module):
        def __init__(self, size):
            super().__init__()
            self.used = nn.Parameter(torch.ones(1))
            self.idle = nn.Parameter(torch.ones(size))

        def forward(self, x):
            return x * self.used

    class Chain(nn.Module):
        def __init__(self, *branches):
            super().__init__()
            self.blocks = nn.ModuleList(ResidualBlock(branch, []) for branch in branches)
            self.head = nn.Linear(64, 10)

        def forward(self, x):
            for block in self.blocks:
                x = block(x, [])
            return self.head(x.flatten(1))

    found = gradient_norms(Chain(Half(3), nn.Identity()), functional.cross_entropy, *batch)
    assert found[0] > 0
    assert found[1] == 0
    only_idle = Chain(nn.Identity())
    assert gradient_norms(only_idle, functional.cross_entropy, *batch) == (0.0,)
