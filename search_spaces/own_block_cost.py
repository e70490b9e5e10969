"""Parameters and multiply-adds of a user's own block, counted by torch in a block that is built.

What is counted is tried as well: the block adds shortcuts to its branch, so that an output of a
wrong shape may broadcast and never be noticed.
"""

from functools import lru_cache

import torch
from torch import Tensor

from search_spaces.blocks import ResidualBranch
from search_spaces.branches import make_branch
from search_spaces.counting import count_module
from search_spaces.errors import SpecError
from search_spaces.initial_weights import initialise
from search_spaces.shapes import BlockShape
from search_spaces.spec import ArchitectureSpec

_MOST_TRIED = 2**26
"""Weights and multiply-adds up to which a branch also computes numbers, in well under a second."""


def count_branch(spec: ArchitectureSpec, shape: BlockShape) -> tuple[int, int]:
    """Return parameters and multiply-adds of the branch that `spec` has at `shape`.

    Raises:
        SpecError: The user's class cannot be loaded or made, or its output is none of a branch.
    """
    # Skips cost nothing here; without them networks of the same blocks are counted once.
    return _count(spec.with_skips([]), shape)


@lru_cache(maxsize=1024)
def _count(spec: ArchitectureSpec, shape: BlockShape) -> tuple[int, int]:
    # On the meta device, so that it costs no memory.
    with torch.device("meta"):
        image = torch.empty(1, shape.in_channels, shape.in_height, shape.in_width)
        branch = make_branch(spec, shape)
        _check_shape(spec, shape, _output(spec, shape, branch, image))
        params, macs = count_module(branch, image)
    if max(params, macs) <= _MOST_TRIED:
        _check_finite(spec, shape)
    return params, macs


def _output(
    spec: ArchitectureSpec, shape: BlockShape, branch: ResidualBranch, images: Tensor
) -> object:
    try:
        with torch.no_grad():
            return branch.eval()(images)
    # A class of the user's can fail in any way.
    except Exception as error:
        words = " ".join(str(error).split())
        raise SpecError(
            f"{_where(spec, shape)} must take an input of shape {tuple(images.shape)}, got "
            f"{type(error).__name__}: {words}. Mend its forward."
        ) from error


def _check_shape(spec: ArchitectureSpec, shape: BlockShape, output: object) -> None:
    expected = (1, shape.out_channels, shape.out_height, shape.out_width)
    found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    if found != expected:
        raise SpecError(
            f"{_where(spec, shape)} must return an output of shape {expected}, got shape={found}. "
            "It maps (N, C_in, H, W) to (N, C_out, H/stride, W/stride), sizes rounded up."
        )


def _check_finite(spec: ArchitectureSpec, shape: BlockShape) -> None:
    """Let fresh weights compute the output of noise; torch's own random state stays as it is."""
    draws = torch.Generator().manual_seed(0)
    size = (1, shape.in_channels, shape.in_height, shape.in_width)
    # torch does not annotate fork_rng.
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        branch = make_branch(spec, shape)
        initialise(branch, draws)
        output = _output(spec, shape, branch, torch.randn(size, generator=draws))
    if isinstance(output, Tensor) and not bool(output.isfinite().all()):
        raise SpecError(
            f"{_where(spec, shape)} must return finite numbers for fresh weights and an input of "
            "noise, got NaN or infinity. Mend its forward."
        )


def _where(spec: ArchitectureSpec, shape: BlockShape) -> str:
    path = spec.block if isinstance(spec.block, str) else spec.block.class_path
    return f"block: {path} at {shape.place}"
