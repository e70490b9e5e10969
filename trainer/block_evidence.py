"""What the blocks of a trained network do: branch against shortcut, lesions, linear probes.

All of it describes one trained network. None of it says what retraining without a skip would give:
a lesion measures how far the trained weights rely on a part, not whether the part was needed.

Source:
    Veit et al. 2016, arXiv:1605.06431 (branches taken out of a trained network); He et al. 2015,
    section 4.2 (sizes of the branches' responses); Alain and Bengio 2016, arXiv:1610.01644 (linear
    probes; theirs predict the class, ours may predict anything).
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from search_spaces.blocks import ResidualBlock
from trainer.loaders import EVAL_BATCH_SIZE

_TINY = 1e-12


def residual_blocks(network: nn.Module) -> list[ResidualBlock]:
    """Return the blocks in network order."""
    return [module for module in network.modules() if isinstance(module, ResidualBlock)]


def branch_shortcut_ratios(network: nn.Module, images: Tensor) -> tuple[float, ...]:
    """Return per block rms(branch output) / rms(sum of its shortcuts), in network order.

    The root mean square is over images, channels and pixels. NaN for a block without a shortcut,
    or whose shortcuts carry zeros alone.

    Args:
        network: A network whose blocks are `ResidualBlock`s; it stays as it is.
        images: Normalised, (N, C, H, W), on the network's device.
    """
    blocks = residual_blocks(network)
    squares = [[0.0, 0.0] for _ in blocks]
    carried: dict[int, Tensor] = {}

    def see_branch(index: int) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            squares[index][0] += float(output.double().square().sum())
            carried.pop(index, None)

        return hook

    def see_shortcut(index: int) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            # Several skips may end here; they are added, so their sum is what the branch meets.
            total = carried.pop(index, None)
            carried[index] = output if total is None else total + output

        return hook

    def see_block(index: int) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            total = carried.pop(index, None)
            if total is not None:
                squares[index][1] += float(total.double().square().sum())

        return hook

    with _hooks() as handles:
        for index, block in enumerate(blocks):
            handles.append(block.branch.register_forward_hook(see_branch(index)))
            handles.extend(s.register_forward_hook(see_shortcut(index)) for s in block.shortcuts)
            handles.append(block.register_forward_hook(see_block(index)))
        _logits(network, images)
    return tuple(
        math.sqrt(branch / shortcut) if shortcut > 0 else math.nan for branch, shortcut in squares
    )


def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of images that the network classifies rightly, in eval mode."""
    return float((_logits(network, images).argmax(dim=1) == labels).double().mean())


def branch_lesions(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, ...]:
    """Return per block the drop of accuracy when its branch gives zeros, in network order.

    A block without a shortcut then passes nothing at all.

    Args:
        network: A trained network; it stays as it is.
        images: Normalised, (N, C, H, W).
        labels: Classes, (N,).
    """
    whole = accuracy(network, images, labels)
    return tuple(
        whole - _without([block.branch], network, images, labels)
        for block in residual_blocks(network)
    )


def shortcut_lesions(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, ...]:
    """Return per block the drop of accuracy when all skips that end at it give zeros.

    NaN for a block at which no skip ends.

    Args:
        network: A trained network; it stays as it is.
        images: Normalised, (N, C, H, W).
        labels: Classes, (N,).
    """
    whole = accuracy(network, images, labels)
    return tuple(
        whole - _without(list(block.shortcuts), network, images, labels)
        if len(block.shortcuts)
        else math.nan
        for block in residual_blocks(network)
    )


def block_outputs(network: nn.Module, images: Tensor, index: int) -> Tensor:
    """Return what one block gives, (N, C, H, W), in eval mode.

    Args:
        network: A network whose blocks are `ResidualBlock`s.
        images: Normalised, (N, C, H, W).
        index: Block in network order, from 0; negative ones count from the end.
    """
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
        kept.append(output)

    with _hooks() as handles:
        handles.append(residual_blocks(network)[index].register_forward_hook(keep))
        _logits(network, images)
    return torch.cat(kept)


def linear_probe(
    features: tuple[Tensor, Tensor],
    targets: tuple[Tensor, Tensor],
    labels: tuple[Tensor, Tensor] | None = None,
    *,
    penalty: float = 1e-2,
) -> float:
    """Return the share of the targets' variance that a linear map of the features explains, R².

    The map is a ridge fit on the first of each pair; R² is that of the second, over all targets
    together, and so may be negative. Targets that hardly vary count little.

    Args:
        features: (N, D) to fit with, and (M, D) held out.
        targets: (N, T) and (M, T).
        labels: Classes, (N,) and (M,). Where given, the class means of the first split are taken
            off features and targets alike: what is explained is then within classes.
        penalty: Ridge penalty per image, on features of unit variance.
    """
    x, held_x = (part.flatten(1).double() for part in features)
    y, held_y = (part.flatten(1).double() for part in targets)
    groups = (None, None) if labels is None else labels
    x, held_x = _centred(x, held_x, *groups)
    y, held_y = _centred(y, held_y, *groups)
    scale = x.square().mean(dim=0).sqrt()
    # A feature that never moves says nothing; dividing by nearly nothing would make it loud.
    scale = torch.where(scale > _TINY, scale, torch.inf)
    x, held_x = x / scale, held_x / scale
    gram = x.T @ x / len(x) + penalty * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    weights = torch.linalg.solve(gram, x.T @ y / len(x))
    left = (held_y - held_x @ weights).square().sum()
    whole = held_y.square().sum()
    return float(1 - left / whole) if float(whole) > 0 else math.nan


def _centred(
    fitted: Tensor, held: Tensor, labels: Tensor | None, held_labels: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Take the first part's mean, or its mean per class, off both."""
    if labels is None or held_labels is None:
        mean = fitted.mean(dim=0)
        return fitted - mean, held - mean
    number = int(max(labels.max(), held_labels.max())) + 1
    sums = fitted.new_zeros(number, fitted.shape[1]).index_add_(0, labels, fitted)
    counts = torch.bincount(labels, minlength=number).clamp(min=1)
    means = sums / counts[:, None]
    return fitted - means[labels], held - means[held_labels]


def _without(
    parts: Sequence[nn.Module], network: nn.Module, images: Tensor, labels: Tensor
) -> float:
    """Return the accuracy with zeros in place of what these modules give."""

    def silence(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        return torch.zeros_like(output)

    with _hooks() as handles:
        handles.extend(part.register_forward_hook(silence) for part in parts)
        return accuracy(network, images, labels)


@torch.no_grad()
def _logits(network: nn.Module, images: Tensor) -> Tensor:
    """Run the network in eval mode, in batches, and put its mode back."""
    was_training = network.training
    network.eval()
    try:
        return torch.cat([network(part) for part in images.split(EVAL_BATCH_SIZE)])
    finally:
        network.train(was_training)


@contextlib.contextmanager
def _hooks() -> Iterator[list[RemovableHandle]]:
    handles: list[RemovableHandle] = []
    try:
        yield handles
    finally:
        for handle in handles:
            handle.remove()
