"""A block type of one's own: squeeze and excitation around the basic branch.

Run `nas search squeeze_excite.yaml` in this folder.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import Activation, BasicBranch, Norm, ResidualBranch


class SqueezeExcite(ResidualBranch):
    """The basic branch, each of its output channels scaled by a gate that sees all of them.

    The gate's layers are not counted among the layers with weights, as in the original.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        stride: Stride of the first convolution.
        norm: `batch` or `none`.
        activation: `post` or `pre`.
        reduction: Channels per hidden unit of the gate.

    Source:
        Hu et al. 2018, arXiv:1709.01507, section 3.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        norm: Norm = "batch",
        activation: Activation = "post",
        reduction: int = 4,
    ) -> None:
        super().__init__()
        hidden = max(out_channels // reduction, 1)
        self.basic = BasicBranch(
            in_channels, out_channels, stride, norm=norm, activation=activation
        )
        self.squeeze = nn.Linear(out_channels, hidden)
        self.excite = nn.Linear(hidden, out_channels)

    @property
    def last(self) -> nn.Module:
        """The module whose zeros make the whole branch zero: the gate only scales."""
        return self.basic.last

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""
        out = self.basic(x)
        gate = torch.sigmoid(self.excite(functional.relu(self.squeeze(out.mean(dim=(2, 3))))))
        return out * gate[:, :, None, None]
