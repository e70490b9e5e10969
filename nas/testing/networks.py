"""What the contract suite asks of built networks: functions, gradients, counts."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.counting import count_module
from search_spaces.resnet import CandidateResNet, build_candidate
from search_spaces.shapes import block_shapes
from search_spaces.spec import ArchitectureSpec, Kind


def images_for(spec: ArchitectureSpec, batch: int) -> Tensor:
    """Return random images of the spec's input shape."""
    shape = (batch, spec.input.channels, spec.input.height, spec.input.width)
    return torch.randn(shape, generator=_generator(0))


def measured_complexity(spec: ArchitectureSpec) -> tuple[int, int]:
    """Count trainable parameters and multiply-adds of the built network, by torch."""
    return count_module(build_candidate(spec, _generator(0)), images_for(spec, batch=1))


def fingerprint(spec: ArchitectureSpec) -> tuple[object, ...]:
    """Return what the network computes with weights that hide nothing; equal for equal networks.

    Names and shapes of all weights, and the logits that it gives with random ones. Biases are
    positive, so that few ReLUs are dead.
    """
    network = build_candidate(spec, _generator(0)).double().eval()
    generator = _generator(1)
    for parameter in network.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.25, 1.0, generator=generator)
        else:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5, generator=generator)
    with torch.no_grad():
        logits = network(images_for(spec, batch=2).double())
    shapes = tuple((name, tuple(weight.shape)) for name, weight in network.named_parameters())
    # Digits enough to tell networks apart, and few enough to be the same on every machine.
    digits = tuple(f"{logit:.8e}" for logit in logits.flatten().tolist())
    return (spec.zero_init, shapes, digits)


def parameters_without_gradient(spec: ArchitectureSpec, seed: int) -> list[str]:
    """Return the names of the parameters that get no gradient.

    In the first step of SGD, or with zero-initialised branches in as many as there are blocks and
    one more: such a branch passes no gradient back before its own last layer has left zero, and
    behind a skip that bypasses several blocks these branches may follow one another.
    """
    network = build_candidate(spec, _generator(seed)).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    left = {name for name, _ in network.named_parameters()}
    classes = torch.arange(8) % spec.num_classes
    for _ in range(spec.num_blocks + 1 if spec.zero_init else 1):
        optimizer.zero_grad()
        functional.cross_entropy(network(images_for(spec, batch=8)), classes).backward()
        optimizer.step()
        left -= {
            name
            for name, parameter in network.named_parameters()
            if parameter.grad is not None and parameter.grad.any()
        }
        if not left:
            break
    return sorted(left)


def without_branches(spec: ArchitectureSpec) -> CandidateResNet:
    """Build the network with every branch set to zero."""
    network = build_candidate(spec, _generator(0)).eval()
    for block in network.blocks:
        for parameter in block.branch.last.parameters():  # pyright: ignore[reportAttributeAccessIssue]
            nn.init.zeros_(parameter)
    return network


def shortcut_logits(network: CandidateResNet, images: Tensor) -> Tensor:
    """Compute the logits of a network from its shortcuts alone, as if it had no branches."""
    spec, shapes = network.spec, block_shapes(network.spec)
    index_of = {str(place): index for index, place in enumerate(spec.places())}
    x = network.stem(images)
    inputs: list[Tensor] = []
    for block, skips, shape in zip(network.blocks, spec.incoming, shapes, strict=True):
        inputs.append(x)
        x = x.new_zeros(len(images), shape.out_channels, shape.out_height, shape.out_width)
        for skip, module in zip(skips, block.shortcuts, strict=True):  # pyright: ignore[reportArgumentType]
            start = index_of[skip.start]
            if skip.kind is Kind.IDENTITY:
                stride = math.prod(shape.stride for shape in shapes[start : len(inputs)])
                x = x + _identity(inputs[start], x.shape[1], stride)
            else:
                x = x + module(inputs[start])
        x = functional.relu(x) if spec.activation == "post" else x
    if spec.activation == "pre":
        x = functional.relu(network.final_norm(x))
    return network.head(x.mean(dim=(2, 3)))


def _identity(source: Tensor, channels: int, stride: int) -> Tensor:
    """Take every so-many-th pixel; cut channels or add zeros."""
    source = source[:, :channels, ::stride, ::stride]
    zeros = source.new_zeros(len(source), channels - source.shape[1], *source.shape[2:])
    return torch.cat([source, zeros], dim=1)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
