"""Residual blocks and their shortcuts, as in He et al. 2015 (arXiv:1512.03385).

Shapes: N batch, C channels, H and W px. A block maps (N, C_in, H, W) to (N, C_out, H/stride,
W/stride), sizes rounded up.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


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


class ProjectionShortcut(nn.Sequential):
    """1x1 convolution with the stride, and batch norm.

    Source:
        He et al. 2015, section 3.3, options B and C.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)


class BasicBlock(nn.Module):
    """relu(branch(x) + shortcuts), the branch two 3x3 convolutions with batch norm.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        stride: Stride of the first convolution.
        shortcuts: One module per skip that ends at this block's addition; none for a plain block.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, shortcuts: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.shortcuts = nn.ModuleList(shortcuts)

    def branch(self, x: Tensor) -> Tensor:
        """Residual branch F(x)."""
        out = functional.relu(self.norm1(self.conv1(x)))
        return self.norm2(self.conv2(out))

    def forward(self, x: Tensor, sources: Sequence[Tensor]) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride).

        Args:
            x: The block's input.
            sources: For each shortcut the tensor that it carries; `x` itself for span 1.
        """
        out = self.branch(x)
        for shortcut, source in zip(self.shortcuts, sources, strict=True):
            out = out + shortcut(source)
        return functional.relu(out)


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights anew from `generator`, so that no global random state is used.

    Convolutions: normal, variance 2 / fan-out (He et al. 2015, arXiv:1502.01852, section 2.2).
    Batch norm: scale 1, shift 0. Classifier: uniform within 1 / sqrt(fan-in), as torch does.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(
                module.weight, mode="fan_out", nonlinearity="relu", generator=generator
            )
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.Linear):
            bound = module.in_features**-0.5
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            nn.init.uniform_(module.bias, -bound, bound, generator=generator)
