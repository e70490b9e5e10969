import math

import pytest
import torch
from torch import nn

from search_spaces import Kind, Place, build_candidate
from trainer.block_evidence import (
    accuracy,
    block_outputs,
    branch_lesions,
    branch_shortcut_ratios,
    linear_probe,
    shortcut_lesions,
)
from trainer.seeding import generator


@pytest.fixture
def split(digits):
    return digits.to("cpu").val


@pytest.fixture
def mixed(make_spec):
    spec = make_spec(Kind.IDENTITY, blocks=2).with_kinds({Place(1, 2): Kind.NONE})
    return build_candidate(spec, generator(5, "init"))


def test_the_ratio_is_that_of_branch_and_shortcut(mixed, split):
    found = branch_shortcut_ratios(mixed, split.images)
    mixed.eval()
    with torch.no_grad():
        x = mixed.stem(split.images)
        branch = mixed.blocks[0].branch(x)
    assert found[0] == pytest.approx(float(branch.norm() / x.norm()), rel=1e-4)
    assert [math.isnan(value) for value in found] == [False, True, False, False]


def test_several_skips_at_one_block_are_added_before_they_are_measured(make_spec, split):
    spec = make_spec(Kind.IDENTITY, blocks=2)
    edges = [skip.model_dump(mode="json", by_alias=True) for skip in spec.skips]
    long = {"from": "stage1.block1", "to": "stage1.block2", "kind": "identity"}
    network = build_candidate(spec.with_skips([*edges, long]), generator(5, "init"))
    found = branch_shortcut_ratios(network, split.images)
    network.eval()
    with torch.no_grad():
        first = network.stem(split.images)
        second = network.blocks[0](first, [first])
        branch = network.blocks[1].branch(second)
    assert found[1] == pytest.approx(float(branch.norm() / (first + second).norm()), rel=1e-4)


@pytest.mark.parametrize("activation", ["post", "pre"])
def test_lesions_of_a_network_that_reads_one_block_are_those_of_that_block(
    make_spec, split, activation
):
    spec = make_spec(Kind.IDENTITY, blocks=2).changed(activation=activation)
    network = build_candidate(spec, generator(5, "init"))
    # A branch that gives zeros can be taken out without a trace.
    with torch.no_grad():
        for parameter in network.blocks[1].branch.last.parameters():
            parameter.zero_()
    branches = branch_lesions(network, split.images, split.labels)
    shortcuts = shortcut_lesions(network, split.images, split.labels)
    assert branches[1] == 0
    assert len(branches) == len(shortcuts) == 4
    whole = accuracy(network, split.images, split.labels)
    assert all(whole - 1 <= drop <= whole for drop in (*branches, *shortcuts))


def test_a_block_without_a_skip_has_no_lesion_of_one(mixed, split):
    found = shortcut_lesions(mixed, split.images, split.labels)
    assert [math.isnan(value) for value in found] == [False, True, False, False]
    # Nothing passes the plain block any more: one class for all images.
    dead = (
        accuracy(mixed, split.images, split.labels)
        - branch_lesions(mixed, split.images, split.labels)[1]
    )
    shares = torch.bincount(split.labels) / len(split.labels)
    assert min(abs(dead - float(share)) for share in shares) < 1e-6


def test_the_network_stays_as_it_was(mixed, split):
    mixed.train()
    before = {name: value.clone() for name, value in mixed.state_dict().items()}
    branch_shortcut_ratios(mixed, split.images)
    branch_lesions(mixed, split.images, split.labels)
    block_outputs(mixed, split.images, -1)
    assert mixed.training
    assert all(torch.equal(before[name], value) for name, value in mixed.state_dict().items())
    assert not any(module._forward_hooks for module in mixed.modules())


def test_networks_without_blocks_have_no_evidence(split):
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    assert branch_shortcut_ratios(network, split.images) == ()
    assert branch_lesions(network, split.images, split.labels) == ()
    assert shortcut_lesions(network, split.images, split.labels) == ()


def test_outputs_are_those_of_the_block(mixed, split):
    found = block_outputs(mixed, split.images, -1)
    mixed.eval()
    with torch.no_grad():
        logits = mixed.head(found.mean(dim=(2, 3)))
        assert torch.allclose(logits, mixed(split.images), atol=1e-5)


def test_a_probe_explains_what_is_linear_and_nothing_else():
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(600, 5, generator=draws)
    linear = x @ torch.randn(5, 3, generator=draws)
    noise = torch.randn(600, 3, generator=draws)
    fitted, held = slice(0, 400), slice(400, 600)
    features = (x[fitted], x[held])
    assert linear_probe(features, (linear[fitted], linear[held])) > 0.99
    assert linear_probe(features, (noise[fitted], noise[held])) < 0.05
    mixed = linear + linear.std() * noise
    assert 0.3 < linear_probe(features, (mixed[fitted], mixed[held])) < 0.7


def test_knowing_the_class_explains_nothing_within_classes():
    draws = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (800,), generator=draws)
    features = nn.functional.one_hot(labels, 4).float()
    features += 0.01 * torch.randn(features.shape, generator=draws)
    targets = torch.randn(4, 2, generator=draws)[labels]
    targets = targets + 0.1 * torch.randn(targets.shape, generator=draws)
    pairs = [(part[:500], part[500:]) for part in (features, targets, labels)]
    assert linear_probe(pairs[0], pairs[1]) > 0.8
    assert linear_probe(*pairs) < 0.05


def test_features_that_never_move_do_no_harm_and_constant_targets_have_no_share():
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    x[:, 1] = 3.0
    y = x[:, :1] * 2
    assert linear_probe((x[:30], x[30:]), (y[:30], y[30:])) > 0.99
    flat = torch.ones(50, 1)
    assert math.isnan(linear_probe((x[:30], x[30:]), (flat[:30], flat[30:])))
