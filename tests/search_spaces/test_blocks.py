import math
from collections.abc import Sequence

import pytest
import torch
from torch import nn
from torch.nn import functional

from search_spaces.blocks import (
    Activation,
    BasicBranch,
    BottleneckBranch,
    IdentityShortcut,
    Norm,
    ProjectionShortcut,
    ResidualBlock,
    ResidualBranch,
)


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


def basic_block(
    in_channels: int, out_channels: int, stride: int, shortcuts: Sequence[nn.Module]
) -> ResidualBlock:
    return ResidualBlock(BasicBranch(in_channels, out_channels, stride), shortcuts)


def with_zero_branch(block: ResidualBlock) -> ResidualBlock:
    """The block with F(x) = 0."""
    for parameter in block.branch.last.parameters():
        nn.init.zeros_(parameter)
    return block


def test_block_with_a_zero_branch_is_its_shortcut_after_relu() -> None:
    block = with_zero_branch(basic_block(4, 8, 2, [IdentityShortcut(4, 8, 2)]))
    x = images(2, 4, 6, 6)
    assert torch.equal(block(x, [x]), functional.relu(option_a(x, 8, 2)))


def test_plain_block_with_a_zero_branch_is_zero() -> None:
    block = with_zero_branch(basic_block(4, 4, 1, []))
    x = images(2, 4, 6, 6)
    assert not block(x, []).any()


def test_several_shortcuts_are_summed() -> None:
    x, earlier = images(2, 4, 6, 6), images(2, 2, 12, 12)
    shortcuts = [IdentityShortcut(4, 4, 1), IdentityShortcut(2, 4, 2)]
    block = with_zero_branch(basic_block(4, 4, 1, shortcuts))
    assert torch.equal(block(x, [x, earlier]), functional.relu(x + option_a(earlier, 4, 2)))


def test_block_adds_branch_and_shortcut_before_relu() -> None:
    block = basic_block(4, 4, 1, [IdentityShortcut(4, 4, 1)]).eval()
    x = images(2, 4, 6, 6)
    assert torch.equal(block(x, [x]), functional.relu(block.branch(x) + x))


def test_a_source_too_few_is_an_error() -> None:
    block = basic_block(4, 4, 1, [IdentityShortcut(4, 4, 1)])
    with pytest.raises(ValueError, match="shorter"):
        block(images(1, 4, 3, 3), [])


def test_projection_of_a_network_without_norm_has_a_bias() -> None:
    names = dict(ProjectionShortcut(4, 8, 2, norm="none").named_parameters())
    assert list(names) == ["conv.weight", "conv.bias"]


def test_pooling_projection_reads_the_mean_of_every_pixel() -> None:
    shortcut = ProjectionShortcut(1, 1, 2, norm="none", pools=True)
    nn.init.ones_(shortcut.conv.weight)
    assert shortcut.conv.bias is not None
    nn.init.zeros_(shortcut.conv.bias)
    x = torch.arange(9.0).view(1, 1, 3, 3)
    # Windows at the border hold the pixels that are there.
    wanted = torch.tensor([[[[2.0, 3.5], [6.5, 8.0]]]])
    torch.testing.assert_close(shortcut(x), wanted)


def test_strided_projection_reads_every_second_pixel() -> None:
    shortcut = ProjectionShortcut(1, 1, 2, norm="none")
    nn.init.ones_(shortcut.conv.weight)
    assert shortcut.conv.bias is not None
    nn.init.zeros_(shortcut.conv.bias)
    x = torch.arange(9.0).view(1, 1, 3, 3)
    assert torch.equal(shortcut(x), torch.tensor([[[[0.0, 2.0], [6.0, 8.0]]]]))


def test_pre_activation_projection_normalises_its_source_first() -> None:
    shortcut = ProjectionShortcut(4, 8, 2, activation="pre").eval()
    x = images(2, 4, 6, 6)
    wanted = shortcut.conv(functional.relu(shortcut.norm(x)))
    assert torch.equal(shortcut(x), wanted)
    assert isinstance(shortcut.norm, nn.BatchNorm2d)
    assert shortcut.norm.num_features == 4


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("activation", ["post", "pre"])
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("branch", [BasicBranch, BottleneckBranch])
def test_branch_keeps_the_contract_of_shapes(
    branch: type[BasicBranch], norm: Norm, activation: Activation, stride: int
) -> None:
    made = branch(4, 8, stride, norm=norm, activation=activation)
    wanted = (2, 8, math.ceil(7 / stride), math.ceil(5 / stride))
    assert made(images(2, 4, 7, 5)).shape == wanted


@pytest.mark.parametrize("activation", ["post", "pre"])
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("branch", [BasicBranch, BottleneckBranch])
def test_branch_is_zero_when_its_last_module_is(
    branch: type[BasicBranch], norm: Norm, activation: Activation
) -> None:
    made: ResidualBranch = branch(4, 8, 2, norm=norm, activation=activation)
    for parameter in made.last.parameters():
        nn.init.zeros_(parameter)
    assert not made(images(2, 4, 6, 6)).any()


def test_post_activation_branch_is_convolutions_and_norms_in_turn() -> None:
    branch = BasicBranch(4, 8, 2).eval()
    x = images(2, 4, 6, 6)
    inner = functional.relu(branch.norm1(branch.conv1(x)))
    assert torch.equal(branch(x), branch.norm2(branch.conv2(inner)))


def test_pre_activation_branch_begins_with_norm_and_relu() -> None:
    branch = BasicBranch(4, 8, 2, activation="pre").eval()
    x = images(2, 4, 6, 6)
    inner = branch.conv1(functional.relu(branch.norm1(x)))
    assert torch.equal(branch(x), branch.conv2(functional.relu(branch.norm2(inner))))


@pytest.mark.parametrize(("stride_at", "strides"), [("3x3", (1, 2, 1)), ("1x1", (2, 1, 1))])
def test_bottleneck_has_its_stride_where_it_is_told(
    stride_at: str, strides: tuple[int, ...]
) -> None:
    branch = BottleneckBranch(8, 16, 2, stride_at=stride_at)  # pyright: ignore[reportArgumentType]
    convolutions = (branch.conv1, branch.conv2, branch.conv3)
    assert tuple(conv.stride[0] for conv in convolutions) == strides
    assert [conv.out_channels for conv in convolutions] == [4, 4, 16]


def test_pre_activation_block_ends_without_relu() -> None:
    block = ResidualBlock(
        BasicBranch(4, 4, 1, activation="pre"), [IdentityShortcut(4, 4, 1)], "pre"
    )
    x = images(2, 4, 6, 6)
    assert torch.equal(with_zero_branch(block)(x, [x]), x)


@pytest.mark.parametrize("branch", [BasicBranch, BottleneckBranch])
def test_branch_without_norm_has_a_bias_with_every_convolution(branch: type[BasicBranch]) -> None:
    names = [name for name, _ in branch(4, 8, 2, norm="none").named_parameters()]
    assert all(name.startswith("conv") for name in names)
    assert {name.split(".")[1] for name in names} == {"weight", "bias"}
