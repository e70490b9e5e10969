import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from trainer.population.layers import FusedConvolution, FusedHead, FusedNorm, fused_norm
from trainer.population.parameters import ParameterVector

CPU = torch.device("cpu")


def built(make, layers):
    vector = ParameterVector()
    layer = make(vector, range(len(layers)), layers)
    vector.build(len(layers), CPU)
    return layer


@pytest.mark.parametrize("side", [2, 4])
@pytest.mark.parametrize(
    ("kernel", "stride", "bias"), [(3, 1, False), (3, 2, True), (1, 2, False)]
)
def test_a_convolution_is_every_members_own(side, kernel, stride, bias):
    layers = [
        nn.Conv2d(16, 4, kernel, stride, padding=kernel // 2, bias=bias, dtype=torch.double)
        for _ in range(3)
    ]
    fused = built(FusedConvolution, layers)
    x = torch.randn(2, 48, side, side, dtype=torch.double)
    found = fused(x.contiguous(memory_format=torch.channels_last))
    parts = zip(layers, x.chunk(3, dim=1), strict=True)
    torch.testing.assert_close(found, torch.cat([layer(part) for layer, part in parts], dim=1))


def test_a_norm_is_every_members_own_with_its_statistics():
    layers = [nn.BatchNorm2d(2, dtype=torch.double) for _ in range(3)]
    for number, layer in enumerate(layers):
        nn.init.constant_(layer.weight, number + 1)
    alone = copy.deepcopy(layers)
    fused = built(FusedNorm, layers)
    fused.build(CPU)
    x = torch.randn(4, 6, 3, 3, dtype=torch.double)
    for is_training in (True, False):
        fused.train(is_training)
        parts = zip(alone, x.chunk(3, dim=1), strict=True)
        wanted = torch.cat([layer.train(is_training)(part) for layer, part in parts], dim=1)
        torch.testing.assert_close(fused(x), wanted)
    for layer, single in zip(layers, alone, strict=True):
        torch.testing.assert_close(layer.running_mean, single.running_mean)
        torch.testing.assert_close(layer.running_var, single.running_var)


def test_statistics_move_only_in_training_and_where_they_are_kept():
    layer = nn.BatchNorm2d(2)
    fused = built(FusedNorm, [layer])
    fused.build(CPU)
    x = torch.randn(4, 2, 3, 3) + 5
    fused.eval()(x)
    fused.train().keeps_statistics = False
    inside = fused(x)
    assert layer.running_mean is not None
    assert not layer.running_mean.any()
    torch.testing.assert_close(inside, functional.batch_norm(x, None, None, training=True))
    fused.keeps_statistics = True
    fused(x)
    assert bool((layer.running_mean > 0.1).all())


def test_a_norm_without_statistics_is_refused():
    fused = built(FusedNorm, [nn.BatchNorm2d(2, track_running_stats=False)])
    with pytest.raises(RuntimeError, match="must keep running statistics, got none"):
        fused.build(CPU)


def test_networks_without_norms_have_none():
    assert isinstance(fused_norm(ParameterVector(), [0], [nn.Identity()]), nn.Identity)
    assert isinstance(fused_norm(ParameterVector(), [0], [nn.BatchNorm2d(1)]), FusedNorm)


def test_a_head_is_every_members_own():
    layers = [nn.Linear(3, 5) for _ in range(2)]
    features = torch.randn(4, 6)
    found = built(FusedHead, layers)(features)
    assert found.shape == (2, 4, 5)
    for member, (layer, part) in enumerate(zip(layers, features.chunk(2, dim=1), strict=True)):
        torch.testing.assert_close(found[member], layer(part))
