"""Residual blocks and their shortcuts, as in He et al. 2015 and 2016.

Shapes: N batch, C channels, H and W px. A branch, a shortcut and a block map (N, C_in, H, W) to
(N, C_out, H/stride, W/stride), sizes rounded up.

Source:
    He et al. 2015, arXiv:1512.03385 (post-activation); He et al. 2016, arXiv:1603.05027
    (pre-activation).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

Norm = Literal["batch", "none"]
Activation = Literal["post", "pre"]


def convolution(
    in_channels: int, out_channels: int, size: int, stride: int = 1, *, norm: Norm
) -> nn.Conv2d:
    """Make a convolution that keeps the size at stride 1; with a bias where no norm has one."""
    return nn.Conv2d(
        in_channels, out_channels, size, stride, padding=size // 2, bias=norm == "none"
    )


def normalisation(channels: int, norm: Norm) -> nn.Module:
    """Make the norm of so many channels; nothing for `none`."""
    return nn.BatchNorm2d(channels) if norm == "batch" else nn.Identity()


class IdentityShortcut(nn.Module):
    """The input itself; where the shape changes, option A: subsample, pad with zero channels.

    Source:
        He et al. 2015, section 3.3, option A. It has no parameters.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""
        if self.stride != 1:
            x = x[:, :, :: self.stride, :: self.stride]
        missing = self.out_channels - self.in_channels
        if missing > 0:
            x = functional.pad(x, (0, 0, 0, 0, 0, missing))
        elif missing < 0:
            x = x[:, : self.out_channels]
        return x


class ProjectionShortcut(nn.Module):
    """1x1 convolution with the stride and a norm: after it, or with a ReLU before it.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        stride: Of the convolution, or of the pooling.
        norm: `batch`, or `none` and a bias.
        activation: `post`: convolution, norm; `pre`: norm, ReLU, convolution.
        pools: Whether average pooling makes the image smaller, so that no pixel is dropped.

    Source:
        He et al. 2015, section 3.3, options B and C. Pre-activation: He et al. 2016, which shares
        norm and ReLU with the branch of the block where the skip begins; here they are its own, so
        that skips can begin anywhere. Pooling: ResNet-D of He et al. 2018, arXiv:1812.01187.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        norm: Norm = "batch",
        activation: Activation = "post",
        pools: bool = False,
    ) -> None:
        super().__init__()
        pools = pools and stride > 1
        self.pre_activation = activation == "pre"
        self.pool = (
            nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
            if pools
            else nn.Identity()
        )
        self.conv = convolution(in_channels, out_channels, 1, 1 if pools else stride, norm=norm)
        self.norm = normalisation(in_channels if self.pre_activation else out_channels, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""
        if self.pre_activation:
            return self.conv(self.pool(functional.relu(self.norm(x))))
        return self.norm(self.conv(self.pool(x)))


class ResidualBranch(nn.Module, ABC):
    """F(x) of a block; subclass it for a block type of your own.

    A subclass is made once per block as `MyBranch(in_channels, out_channels, stride, norm=...,
    activation=..., **init_args)`. It keeps the contract of shapes at the top of this module, ends
    without a ReLU (the block adds its shortcuts, then applies it for `post`), and for `pre` begins
    with its own norm and ReLU. Its convolutions, norms and linear layers are initialised by
    `search_spaces.initial_weights`; parameters of other modules need a `reset_parameters` that
    draws nothing at random.
    """

    @property
    @abstractmethod
    def last(self) -> nn.Module:
        """The module with `weight` and `bias` or None whose zeros make the whole branch zero."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""


class BasicBranch(ResidualBranch):
    """Two 3x3 convolutions, the first with the stride.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        stride: Stride of the first convolution.
        norm: `batch`, or `none` and biases.
        activation: `post`: conv, norm, ReLU, conv, norm; `pre`: norm, ReLU, conv, twice.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        norm: Norm = "batch",
        activation: Activation = "post",
    ) -> None:
        super().__init__()
        self.pre_activation = activation == "pre"
        first = in_channels if self.pre_activation else out_channels
        self.conv1 = convolution(in_channels, out_channels, 3, stride, norm=norm)
        self.norm1 = normalisation(first, norm)
        self.conv2 = convolution(out_channels, out_channels, 3, norm=norm)
        self.norm2 = normalisation(out_channels, norm)

    @property
    def last(self) -> nn.Module:
        """The last norm, or convolution where none comes after it."""
        ends_with_norm = not self.pre_activation and isinstance(self.norm2, nn.BatchNorm2d)
        return self.norm2 if ends_with_norm else self.conv2

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""
        if self.pre_activation:
            out = self.conv1(functional.relu(self.norm1(x)))
            return self.conv2(functional.relu(self.norm2(out)))
        out = functional.relu(self.norm1(self.conv1(x)))
        return self.norm2(self.conv2(out))


class BottleneckBranch(ResidualBranch):
    """1x1, 3x3 and 1x1 convolutions, the first two with a quarter of the output channels.

    Args:
        in_channels: C_in.
        out_channels: C_out, a multiple of 4.
        stride: Stride of the 3x3, or of the first 1x1 convolution.
        norm: `batch`, or `none` and biases.
        activation: `post`: a norm after each convolution; `pre`: norm and ReLU before each.
        stride_at: Which convolution has the stride.

    Source:
        He et al. 2015, figure 5; there the first 1x1 has the stride (v1), later code gives it to
        the 3x3, which reads all pixels (v1.5).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        norm: Norm = "batch",
        activation: Activation = "post",
        stride_at: Literal["3x3", "1x1"] = "3x3",
    ) -> None:
        super().__init__()
        self.pre_activation = activation == "pre"
        inner = out_channels // 4
        first, middle = (stride, 1) if stride_at == "1x1" else (1, stride)
        norms = (
            (in_channels, inner, inner) if self.pre_activation else (inner, inner, out_channels)
        )
        self.conv1 = convolution(in_channels, inner, 1, first, norm=norm)
        self.norm1 = normalisation(norms[0], norm)
        self.conv2 = convolution(inner, inner, 3, middle, norm=norm)
        self.norm2 = normalisation(norms[1], norm)
        self.conv3 = convolution(inner, out_channels, 1, norm=norm)
        self.norm3 = normalisation(norms[2], norm)

    @property
    def last(self) -> nn.Module:
        """The last norm, or convolution where none comes after it."""
        ends_with_norm = not self.pre_activation and isinstance(self.norm3, nn.BatchNorm2d)
        return self.norm3 if ends_with_norm else self.conv3

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""
        if self.pre_activation:
            out = self.conv1(functional.relu(self.norm1(x)))
            out = self.conv2(functional.relu(self.norm2(out)))
            return self.conv3(functional.relu(self.norm3(out)))
        out = functional.relu(self.norm1(self.conv1(x)))
        out = functional.relu(self.norm2(self.conv2(out)))
        return self.norm3(self.conv3(out))


class ResidualBlock(nn.Module):
    """branch(x) + shortcuts, and a ReLU after the addition for post-activation.

    Args:
        branch: Residual branch F.
        shortcuts: One module per skip that ends at this block's addition; none for a plain block.
        activation: `post` or `pre`.
    """

    def __init__(
        self,
        branch: ResidualBranch,
        shortcuts: Sequence[nn.Module],
        activation: Activation = "post",
    ) -> None:
        super().__init__()
        self.branch: ResidualBranch = branch
        self.shortcuts = nn.ModuleList(shortcuts)
        self.ends_with_relu = activation == "post"

    def forward(self, x: Tensor, sources: Sequence[Tensor]) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride).

        Args:
            x: The block's input.
            sources: For each shortcut the tensor that it carries; `x` itself for span 1.
        """
        out = self.branch(x)
        for shortcut, source in zip(self.shortcuts, sources, strict=True):
            out = out + shortcut(source)
        return functional.relu(out) if self.ends_with_relu else out
