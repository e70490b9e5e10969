import pytest
import torch
from torch import nn

from search_spaces import Kind
from search_spaces.blocks import IdentityShortcut, ProjectionShortcut
from trainer.population.blocks import FusedBlock, FusedShortcut
from trainer.population.parameters import ParameterVector

CPU = torch.device("cpu")
PLACE = (0, 0)


def side_by_side(images, count):
    return torch.cat([images] * count, dim=1).contiguous(memory_format=torch.channels_last)


def test_a_block_is_computed_for_its_members_with_their_own_skips(make_spec, build):
    own = build([make_spec(kind) for kind in Kind])
    stack = ParameterVector()
    blocks = [network.blocks[0] for network in own]
    sources = [[PLACE] * len(network.sources[0]) for network in own]
    fused = FusedBlock(stack, [0, 1, 2], blocks, sources, {PLACE: [0, 1, 2]}, PLACE)
    x = torch.randn(2, 4, 8, 8, dtype=torch.double)
    with torch.no_grad():
        wanted = [
            block.eval()(x, [x] * len(starts))
            for block, starts in zip(blocks, sources, strict=True)
        ]
    stack.build(3, CPU)
    for module in fused.modules():
        if hasattr(module, "layers"):
            module.build(CPU)
    assert fused.members == (0, 1, 2)
    assert len(fused.shortcuts) == 2
    found = fused.eval()(side_by_side(x, 3), {})
    torch.testing.assert_close(found, torch.cat(wanted, dim=1))


@pytest.mark.parametrize(("outs", "stride"), [(4, 1), (8, 2), (2, 1), (4, 2)])
def test_an_identity_changes_shapes_as_alone(outs, stride):
    shortcut = IdentityShortcut(4, outs, stride)
    fused = FusedShortcut(ParameterVector(), [0, 1], [shortcut] * 2, [0, 1], [0, 1], 2)
    one, two = torch.randn(2, 2, 4, 4, 4)
    x = torch.zeros(2, 2 * outs, 4 // stride, 4 // stride)
    both = torch.cat([one, two], dim=1).contiguous(memory_format=torch.channels_last)
    found = fused.add_to(x, both)
    torch.testing.assert_close(found, torch.cat([shortcut(one), shortcut(two)], dim=1))


def test_a_skip_of_all_members_needs_no_gate():
    shortcut = IdentityShortcut(4, 4, 1)
    fused = FusedShortcut(ParameterVector(), [0, 1], [shortcut] * 2, [0, 1], [0, 1], 2)
    assert fused.takes_all(torch.empty(1, 8, 2, 2))
    assert not fused.takes_all(torch.empty(1, 12, 2, 2))
    some = FusedShortcut(ParameterVector(), [0], [shortcut], [0], [0], 2)
    assert not some.takes_all(torch.empty(1, 4, 2, 2))


def test_a_shortcut_knows_its_channels():
    projection = ProjectionShortcut(4, 8, 2, norm="batch", activation="post", pools=False)
    fused = FusedShortcut(ParameterVector(), [0], [projection], [0], [0], 1)
    assert (fused.in_channels, fused.out_channels) == (4, 8)


def test_a_shortcut_that_does_not_ship_is_refused():
    with pytest.raises(TypeError, match="must be one that ships, got Identity"):
        FusedShortcut(ParameterVector(), [0], [nn.Identity()], [0], [0], 1)
