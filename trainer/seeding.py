"""One master seed, many independent child seeds with names; torch is imported when needed."""

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def child_seed(seed: int, name: str, *indices: int) -> int:
    """Return the seed of one named use of randomness, in [0, 2**63).

    It is a hash, so it is the same on every machine and in every version, and uses with other
    names or indices are unrelated.

    Args:
        seed: The master seed.
        name: What the randomness is for, such as `init` or `order`.
        indices: Further numbers that tell uses apart, such as the epoch.

    >>> child_seed(0, "order", 3) == child_seed(0, "order", 3)
    True
    >>> child_seed(0, "order", 3) == child_seed(0, "order", 4)
    False
    """
    text = json.dumps([seed, name, *indices], separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, name: str, *indices: int) -> "torch.Generator":
    """Return a new CPU generator, seeded with `child_seed` of the same arguments."""
    import torch

    return torch.Generator().manual_seed(child_seed(seed, name, *indices))
