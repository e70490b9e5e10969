"""What a block of `skipbench` stands for, so that it is counted right; it is never trained."""

from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import Activation, BasicBranch, Norm, ResidualBranch


class BlockPair(ResidualBranch):
    """The four layers of two consecutive basic blocks.

    The networks of the table have a skip around each of the two blocks, or none around either; a
    study of `skipbench` has one decision for both.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        stride: Stride of the first convolution.
        norm: `batch`, or `none` and biases.
        activation: `post` or `pre`.
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
        self.ends_with_relu = activation == "post"
        self.first = BasicBranch(
            in_channels, out_channels, stride, norm=norm, activation=activation
        )
        self.second = BasicBranch(out_channels, out_channels, 1, norm=norm, activation=activation)

    @property
    def last(self) -> nn.Module:
        """The last module of the second block."""
        return self.second.last

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""
        out = self.first(x)
        return self.second(functional.relu(out) if self.ends_with_relu else out)
