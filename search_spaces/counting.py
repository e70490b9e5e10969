"""Parameters and multiply-adds of a module that is built, counted by torch."""

from torch import Tensor, nn, no_grad
from torch.utils.flop_counter import FlopCounterMode


def count_module(module: nn.Module, example: Tensor) -> tuple[int, int]:
    """Run a module on one example; return its trainable parameters and the multiply-adds.

    Both may be on the meta device, which costs nothing.

    Args:
        module: What is counted; it is set to evaluation mode.
        example: Input of batch size 1.
    """
    with no_grad(), FlopCounterMode(display=False) as counter:
        module.eval()(example)
    params = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return params, counter.get_total_flops() // 2
