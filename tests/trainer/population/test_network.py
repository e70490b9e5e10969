import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from search_spaces import ArchitectureSpec, InputShape, Kind
from tests.trainer.population.conftest import own_networks, sampled_specs
from trainer.population.network import FusedResNet

CPU = torch.device("cpu")
CLOSE = 1e-10
"""How far double precision may be apart."""


def batch(members: int, *, size: int = 8, side: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Return every member's own images and labels."""
    draws = torch.Generator().manual_seed(1)
    images = torch.randn(size, members, side, side, generator=draws, dtype=torch.double)
    labels = torch.randint(0, 10, (members, size), generator=draws)
    return images.contiguous(memory_format=torch.channels_last), labels


def backward(network: FusedResNet, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Take every member's loss back through the network; return the logits."""
    network.parameter_vector.zero_grad()
    logits = network(images)
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    losses.view(labels.shape).mean(1).sum().backward()
    return logits.detach()


def gradients(network: FusedResNet, member: int) -> list[torch.Tensor]:
    vector = network.parameter_vector
    assert vector.vector.grad is not None
    return vector.of_member(vector.vector.grad, network.networks[member])


def check_against_alone(specs: list[ArchitectureSpec], side: int = 8) -> None:
    """Compare logits, gradients, statistics and evaluation with those of every own network."""
    own = own_networks(specs)
    alone = copy.deepcopy(own)
    network = FusedResNet(own, CPU)
    images, labels = batch(len(specs), side=side)
    logits = backward(network, images, labels)
    norms = network.branch_gradient_norms()
    network.count_batches(1)
    for k, single in enumerate(alone):
        reference = single(images[:, k : k + 1])
        functional.cross_entropy(reference, labels[k]).backward()
        torch.testing.assert_close(logits[k], reference.detach(), rtol=CLOSE, atol=CLOSE)
        for ours, weight in zip(gradients(network, k), single.parameters(), strict=True):
            wanted = torch.zeros_like(weight) if weight.grad is None else weight.grad
            torch.testing.assert_close(ours, wanted, rtol=CLOSE, atol=CLOSE)
        for (name, ours), wanted in zip(own[k].named_buffers(), single.buffers(), strict=True):
            torch.testing.assert_close(ours, wanted, rtol=CLOSE, atol=CLOSE, msg=name)
        branches = [list(block.branch.parameters()) for block in single.blocks]  # pyright: ignore
        flat = [torch.cat([w.grad.flatten() for w in weights]) for weights in branches]
        assert norms[k] == pytest.approx([float(part.norm()) for part in flat], rel=1e-8)
    evaluated = network.eval()(images)
    for k, single in enumerate(alone):
        reference = single.eval()(images[:, k : k + 1])
        torch.testing.assert_close(evaluated[k], reference, rtol=CLOSE, atol=CLOSE)


FORMS: list[dict[str, Any]] = [
    {"activation": "pre"},
    {"norm": "none"},
    {"norm": "none", "activation": "pre"},
    {"block": "bottleneck"},
    {"block": "bottleneck", "activation": "pre", "bottleneck_stride": "1x1"},
    {"projection": "avgpool"},
    {"projection": "avgpool", "activation": "pre"},
    {"zero_init": True},
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
def test_every_form_of_network_is_fused_exactly(form):
    check_against_alone(sampled_specs(5, seed=3, **form))


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**16),
    members=st.integers(2, 6),
    across=st.booleans(),
    form=st.sampled_from([{}, *FORMS]),
)
def test_random_networks_are_fused_exactly(seed, members, across, form):
    space = {"max_fan_in": 3, "across_stages": across}
    check_against_alone(sampled_specs(members, seed=seed, space=space, **form))


def test_wide_maps_of_two_pixels_a_side_are_fused_exactly():
    # Products of matrices take the place of their convolutions.
    check_against_alone(sampled_specs(3, seed=1, space={"width": 16, "max_blocks": 2}))


def test_members_may_share_images_of_a_large_stem():
    specs = sampled_specs(
        2, seed=1, stem="large", input=InputShape(channels=1, height=32, width=32)
    )
    check_against_alone(specs, side=32)


def test_projections_with_and_without_pooling_are_fused_exactly(make_spec):
    plain = make_spec(Kind.PROJECTION, stages=3)
    check_against_alone([plain, plain.changed(projection="avgpool"), make_spec(stages=3)])


def test_equal_networks_need_no_gates(make_spec):
    check_against_alone([make_spec(Kind.IDENTITY, blocks=2)] * 3)


@pytest.mark.parametrize("where", ["images", "weights", "last weights"])
@pytest.mark.parametrize("form", [{}, {"activation": "pre"}, {"norm": "none"}])
def test_infinity_of_one_member_is_nobody_elses(where, form):
    specs = sampled_specs(5, seed=6, **form)
    images, labels = batch(5)
    clean = FusedResNet(own_networks(specs), CPU)
    wanted = backward(clean, images, labels)

    network = FusedResNet(own_networks(specs), CPU)
    if where == "images":
        images[:, 2] = float("inf")
    else:
        weights = list(network.networks[2].parameters())
        with torch.no_grad():
            weights[0 if where == "weights" else -2].fill_(float("inf"))
    logits = backward(network, images, labels)
    assert not logits[2].isfinite().all()
    for k in (0, 1, 3, 4):
        assert torch.equal(logits[k], wanted[k])
        pairs = zip(gradients(network, k), gradients(clean, k), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs)
        buffers = zip(network.networks[k].buffers(), clean.networks[k].buffers(), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in buffers)


def test_weights_and_statistics_of_the_members_are_views_of_the_group():
    own = own_networks(sampled_specs(3))
    network = FusedResNet(own, CPU)
    with torch.no_grad():
        network.parameter_vector.vector.fill_(0.25)
    assert all(bool((weight == 0.25).all()) for n in own for weight in n.parameters())
    backward(network, *batch(3))
    means = [buffer for n in own for name, buffer in n.named_buffers() if "running_mean" in name]
    assert any(bool(mean.any()) for mean in means)


def test_statistics_stay_where_they_are_to_be_left_alone():
    own = own_networks(sampled_specs(3))
    before = [buffer.clone() for n in own for buffer in n.buffers()]
    network = FusedResNet(own, CPU)
    network.keep_statistics(False)
    backward(network, *batch(3))
    after = [buffer for n in own for buffer in n.buffers()]
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_every_member_counts_the_batches():
    own = own_networks(sampled_specs(2))
    FusedResNet(own, CPU).count_batches(7)
    counts = [b for n in own for name, b in n.named_buffers() if "num_batches" in name]
    assert counts
    assert all(int(count) == 7 for count in counts)


def test_bf16_is_as_close_as_bf16_is():
    specs = sampled_specs(4, seed=2, space={"width": 8})
    own = own_networks(specs, double=False)
    alone = copy.deepcopy(own)
    network = FusedResNet(own, CPU)
    images, labels = batch(4)
    images = images.float()
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
    functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten()).backward()
    for k, single in enumerate(alone):
        with torch.autocast("cpu", torch.bfloat16):
            reference = single(images[:, k : k + 1].contiguous())
        torch.testing.assert_close(logits[k].float(), reference.float(), rtol=0.1, atol=0.1)
    assert all(bool(part.isfinite().all()) for k in range(4) for part in gradients(network, k))
