"""Parameters and multiply-adds of a user's own block, counted by torch in a block that is built."""

from functools import lru_cache

import torch

from search_spaces.branches import make_branch
from search_spaces.counting import count_module
from search_spaces.shapes import BlockShape
from search_spaces.spec import ArchitectureSpec


def count_branch(spec: ArchitectureSpec, shape: BlockShape) -> tuple[int, int]:
    """Return parameters and multiply-adds of the branch that `spec` has at `shape`.

    Raises:
        SpecError: The user's class cannot be loaded or made.
    """
    # Skips cost nothing here; without them networks of the same blocks are counted once.
    return _count(spec.with_skips([]), shape)


@lru_cache(maxsize=1024)
def _count(spec: ArchitectureSpec, shape: BlockShape) -> tuple[int, int]:
    # On the meta device, so that it costs no memory.
    with torch.device("meta"):
        image = torch.empty(1, shape.in_channels, shape.in_height, shape.in_width)
        return count_module(make_branch(spec, shape), image)
