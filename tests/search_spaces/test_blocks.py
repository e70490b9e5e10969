import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from search_spaces.blocks import BasicBlock, IdentityShortcut, ProjectionShortcut, initialise


def images(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def option_a(x: torch.Tensor, out_channels: int, stride: int) -> torch.Tensor:
    """He et al. 2015, option A, element by element."""
    batch, in_channels, height, width = x.shape
    out = torch.zeros(batch, out_channels, math.ceil(height / stride), math.ceil(width / stride))
    for channel in range(min(in_channels, out_channels)):
        for row in range(out.shape[2]):
            for column in range(out.shape[3]):
                out[:, channel, row, column] = x[:, channel, row * stride, column * stride]
    return out


@pytest.mark.parametrize(
    ("in_channels", "out_channels", "stride", "height", "width"),
    [(4, 4, 1, 5, 5), (4, 8, 2, 8, 8), (4, 8, 2, 7, 5), (3, 5, 1, 4, 4), (6, 4, 3, 7, 8)],
)
def test_identity_is_option_a(
    in_channels: int, out_channels: int, stride: int, height: int, width: int
) -> None:
    x = images(2, in_channels, height, width)
    shortcut = IdentityShortcut(in_channels, out_channels, stride)
    assert torch.equal(shortcut(x), option_a(x, out_channels, stride))


def test_identity_has_no_parameters() -> None:
    assert list(IdentityShortcut(4, 8, 2).parameters()) == []


def test_identity_where_shapes_match_is_the_input_itself() -> None:
    x = images(1, 4, 3, 3)
    assert IdentityShortcut(4, 4, 1)(x) is x


def test_projection_halves_resolution_at_stride_two() -> None:
    assert ProjectionShortcut(4, 8, 2)(images(2, 4, 8, 6)).shape == (2, 8, 4, 3)


def test_projection_is_a_convolution_without_bias_and_a_norm() -> None:
    names = dict(ProjectionShortcut(4, 8, 2).named_parameters())
    assert {name: tuple(p.shape) for name, p in names.items()} == {
        "conv.weight": (8, 4, 1, 1),
        "norm.weight": (8,),
        "norm.bias": (8,),
    }


def with_zero_branch(block: BasicBlock) -> BasicBlock:
    """The block with F(x) = 0, by a last norm of scale and shift zero."""
    nn.init.zeros_(block.norm2.weight)
    nn.init.zeros_(block.norm2.bias)
    return block


def test_block_with_a_zero_branch_is_its_shortcut_after_relu() -> None:
    block = with_zero_branch(BasicBlock(4, 8, 2, [IdentityShortcut(4, 8, 2)]))
    x = images(2, 4, 6, 6)
    assert torch.equal(block(x, [x]), functional.relu(option_a(x, 8, 2)))


def test_plain_block_with_a_zero_branch_is_zero() -> None:
    block = with_zero_branch(BasicBlock(4, 4, 1, []))
    x = images(2, 4, 6, 6)
    assert not block(x, []).any()


def test_several_shortcuts_are_summed() -> None:
    x, earlier = images(2, 4, 6, 6), images(2, 2, 12, 12)
    shortcuts = [IdentityShortcut(4, 4, 1), IdentityShortcut(2, 4, 2)]
    block = with_zero_branch(BasicBlock(4, 4, 1, shortcuts))
    assert torch.equal(block(x, [x, earlier]), functional.relu(x + option_a(earlier, 4, 2)))


def test_block_adds_branch_and_shortcut_before_relu() -> None:
    block = BasicBlock(4, 4, 1, [IdentityShortcut(4, 4, 1)]).eval()
    x = images(2, 4, 6, 6)
    assert torch.equal(block(x, [x]), functional.relu(block.branch(x) + x))


def test_a_source_too_few_is_an_error() -> None:
    block = BasicBlock(4, 4, 1, [IdentityShortcut(4, 4, 1)])
    with pytest.raises(ValueError, match="shorter"):
        block(images(1, 4, 3, 3), [])


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
