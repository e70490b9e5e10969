import pytest
import torch
from torch import nn

from trainer.population.parameters import ParameterVector

CPU = torch.device("cpu")


def two_members():
    """A convolution that both have and a linear layer of the second alone."""
    networks = [nn.ModuleList([nn.Conv2d(2, 3, 3)]), nn.ModuleList([nn.Conv2d(2, 3, 3)])]
    networks[1].append(nn.Linear(4, 2))
    vector = ParameterVector()
    convolutions = [network[0] for network in networks]
    stacks = {
        "conv": vector.add([0, 1], [layer.weight for layer in convolutions]),
        "bias": vector.add([0, 1], [layer.bias for layer in convolutions]),
        "head": vector.add([1], [networks[1][1].weight]),
        "head bias": vector.add([1], [networks[1][1].bias]),
    }
    before = [[weight.detach().clone() for weight in n.parameters()] for n in networks]
    vector.build(2, CPU)
    return vector, networks, stacks, before


def test_weights_keep_their_values_and_become_views():
    vector, networks, stacks, before = two_members()
    for network, values in zip(networks, before, strict=True):
        parts = vector.of_member(vector.vector, network)
        for weight, part, value in zip(network.parameters(), parts, values, strict=True):
            assert torch.equal(weight, value)
            assert weight.data_ptr() == part.data_ptr()
            assert part.shape == value.shape
    assert torch.equal(stacks["conv"].value, torch.cat([values[0] for values in before]))
    assert stacks["conv"].value.is_contiguous(memory_format=torch.channels_last)


def test_gradients_lie_in_the_vector_and_keep_their_memory():
    vector, _, stacks, _ = two_members()
    gradient = vector.vector.grad
    assert gradient is not None
    for stacked in stacks.values():
        (2 * stacked.value).sum().backward()
    assert bool((gradient == 2).all())
    vector.zero_grad()
    assert vector.vector.grad is gradient
    assert not gradient.any()
    stacks["head"].value.sum().backward()
    assert int(gradient.sum()) == 8


def test_norms_and_scales_are_each_members_own():
    vector, networks, stacks, _ = two_members()
    for stacked in stacks.values():
        (3 * stacked.value).sum().backward()
    counts = [sum(weight.numel() for weight in network.parameters()) for network in networks]
    wanted = [3 * count**0.5 for count in counts]
    assert vector.member_norms().tolist() == pytest.approx(wanted)
    assert stacks["head"].gradient_norms.tolist() == pytest.approx([3 * 8**0.5])
    vector.scale_gradients(torch.tensor([0.5, float("nan")]))
    assert vector.vector.grad is not None
    parts = [vector.of_member(vector.vector.grad, network) for network in networks]
    assert all(bool((part == 1.5).all()) for part in parts[0])
    assert all(bool(part.isnan().all()) for part in parts[1])


def test_a_weight_without_a_gradient_has_the_norm_zero():
    vector, _, stacks, _ = two_members()
    for stacked in stacks.values():
        stacked.value.grad = None
    assert vector.member_norms().tolist() == [0, 0]
    vector.scale_gradients(torch.ones(2))


def test_values_of_the_members_are_spread_only_where_they_differ():
    vector, networks, _, _ = two_members()
    assert vector.spread([0.1, 0.1]) == 0.1
    spread = vector.spread([0.1, 0.2])
    assert isinstance(spread, torch.Tensor)
    for network, value in zip(networks, (0.1, 0.2), strict=True):
        parts = vector.of_member(spread, network)
        assert all(bool((part == value).all()) for part in parts)
