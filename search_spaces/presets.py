"""Published networks by name; no torch here.

Source:
    He et al. 2015, arXiv:1512.03385, section 4.2: 6n + 2 layers, three stages of n basic blocks,
    16, 32 and 64 channels, 32x32 images. `resnet-N`: option A, `-b`: projections where the shape
    changes, `-c`: projections everywhere, `plain-N`: no shortcuts.
"""

import re

from search_spaces.errors import SpecError
from search_spaces.shapes import block_shapes
from search_spaces.spec import ArchitectureSpec, InputShape, Kind, Place, StageSpec

_NAME = re.compile(r"(plain|resnet)-([0-9]{1,4})(?:-([bc]))?")
_MOST_LAYERS = 1202


def preset(name: str) -> ArchitectureSpec:
    """Return the spec of a published network, such as `plain-20`, `resnet-56` or `resnet-20-b`.

    Raises:
        SpecError: No network has that name.
    """
    match = _NAME.fullmatch(name)
    layers = int(match[2]) if match else 0
    exists = 8 <= layers <= _MOST_LAYERS and (layers - 2) % 6 == 0
    if match is None or not exists or (match[1] == "plain" and match[3]):
        raise SpecError(
            f"Unknown preset {name!r}. Known: plain-N and resnet-N, resnet-N-b, resnet-N-c with "
            f"N = 6n + 2 layers, 8 to {_MOST_LAYERS}, such as plain-20, resnet-56, resnet-110-c."
        )
    plain = cifar_network(blocks=(layers - 2) // 6)
    if match[1] == "plain":
        return plain
    kinds: dict[Place, Kind] = {}
    for shape in block_shapes(plain):
        projects = match[3] == "c" or (match[3] == "b" and shape.changes_shape)
        kinds[shape.place] = Kind.PROJECTION if projects else Kind.IDENTITY
    return plain.with_kinds(kinds)


def cifar_network(blocks: int) -> ArchitectureSpec:
    """Return the plain CIFAR network of three stages of `blocks` blocks."""
    return ArchitectureSpec(
        input=InputShape(channels=3, height=32, width=32),
        num_classes=10,
        stem_width=16,
        stages=tuple(
            StageSpec(blocks=blocks, width=16 * 2**i, stride=1 if i == 0 else 2) for i in range(3)
        ),
    )
