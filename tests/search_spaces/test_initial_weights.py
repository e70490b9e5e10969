import math

import pytest
import torch
from torch import nn

from search_spaces import Kind, Place, build_candidate, preset
from search_spaces.blocks import ResidualBlock
from search_spaces.initial_weights import initialise


def test_initial_weights_have_the_variance_of_he_et_al() -> None:
    conv = nn.Conv2d(64, 64, 3, bias=False)
    initialise(conv, torch.Generator().manual_seed(0))
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.02)
    assert conv.weight.mean().item() == pytest.approx(0, abs=1e-3)


def test_initial_classifier_is_uniform_within_its_bound() -> None:
    linear = nn.Linear(25, 400)
    initialise(linear, torch.Generator().manual_seed(0))
    for parameter in (linear.weight, linear.bias):
        assert parameter.abs().max().item() == pytest.approx(0.2, rel=0.02)
        assert parameter.abs().max().item() <= 0.2


def test_initial_norm_passes_everything() -> None:
    norm = nn.BatchNorm2d(3)
    nn.init.constant_(norm.weight, 7)
    nn.init.constant_(norm.bias, 7)
    initialise(norm, torch.Generator().manual_seed(0))
    assert torch.equal(norm.weight, torch.ones(3))
    assert torch.equal(norm.bias, torch.zeros(3))


def test_initial_biases_of_convolutions_are_zero() -> None:
    conv = nn.Conv2d(4, 4, 3)
    initialise(conv, torch.Generator().manual_seed(0))
    assert conv.bias is not None
    assert not conv.bias.any()


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("activation", ["post", "pre"])
@pytest.mark.parametrize("generator", [None, torch.Generator().manual_seed(0)])
def test_zero_init_begins_branches_beside_a_skip_as_zero(
    norm: str, activation: str, generator: torch.Generator | None
) -> None:
    skipped = {Place(1, 2): Kind.IDENTITY, Place(3, 1): Kind.PROJECTION}
    spec = preset("plain-14").with_kinds(skipped)
    spec = spec.changed(norm=norm, activation=activation, zero_init=True)
    network = build_candidate(spec, generator)
    is_zero = [
        not any(p.any() for p in block.branch.last.parameters())
        for block in network.blocks
        if isinstance(block, ResidualBlock)
    ]
    assert is_zero == [False, True, False, False, True, False]


def test_zero_init_changes_nothing_but_the_last_modules() -> None:
    spec = preset("resnet-8")
    usual = build_candidate(spec, torch.Generator().manual_seed(0)).state_dict()
    zeroed = build_candidate(
        spec.changed(zero_init=True), torch.Generator().manual_seed(0)
    ).state_dict()
    differing = {name for name in usual if not torch.equal(usual[name], zeroed[name])}
    assert differing == {f"blocks.{index}.branch.norm2.weight" for index in range(3)}
