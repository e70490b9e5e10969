"""Published networks by name; no torch here.

Source:
    He et al. 2015, arXiv:1512.03385. CIFAR, section 4.2: 6n + 2 layers, three stages of n basic
    blocks, 16, 32 and 64 channels, 32x32 images; `resnet-N`: option A, `-b`: projections where the
    shape changes, `-c`: projections everywhere, `plain-N`: no shortcuts. ImageNet, table 1: 18 to
    152 layers, option B, 224x224 images; `-v1` has the stride of a bottleneck in its first 1x1
    convolution, as published, the others in its 3x3 convolution, as in most code since.
"""

import re
from typing import Any, Literal

from search_spaces.errors import SpecError
from search_spaces.places import Kind
from search_spaces.shapes import BlockShape, block_shapes
from search_spaces.spec import (
    EXPANSION,
    ArchitectureSpec,
    InputShape,
    StageSpec,
    span_one_skips,
)

_NAME = re.compile(r"(plain|resnet)-([0-9]{1,4})(?:-(b|c|d|v1))?")
_MOST_LAYERS = 1202
_IMAGENET: dict[int, tuple[Literal["basic", "bottleneck"], tuple[int, ...]]] = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}


def preset(
    name: str,
    *,
    input: InputShape | None = None,
    num_classes: int | None = None,
    width: int | None = None,
) -> ArchitectureSpec:
    """Return the spec of a published network, such as `plain-20`, `resnet-56-b` or `resnet-50`.

    Args:
        name: Kind and layers, and the form of its shortcuts.
        input: Shape of the images; by default 3x32x32 or 3x224x224 as published.
        num_classes: Classes; by default 10 or 1000 as published.
        width: Channels of the stem; by default 16 or 64 as published.

    Raises:
        SpecError: No network has that name.
    """
    match = _NAME.fullmatch(name)
    layers = int(match[2]) if match else 0
    if match is None or not _exists(match[1], layers, match[3]):
        raise SpecError(
            f"Unknown preset {name!r}. Known: plain-N and resnet-N, resnet-N-b, resnet-N-c with "
            f"N = 6n + 2 layers, 8 to {_MOST_LAYERS}, such as plain-20, resnet-56, resnet-110-c; "
            "and for large images plain-N, resnet-N, resnet-N-c, resnet-N-d with N = 18, 34, 50, "
            "101, 152, and resnet-50-v1, resnet-101-v1, resnet-152-v1."
        )
    if layers in _IMAGENET:
        plain, default_form = _imagenet_network(layers, width=width or 64), "b"
    else:
        plain, default_form = cifar_network(blocks=(layers - 2) // 6, width=width or 16), "a"
    if match[1] == "plain":
        return plain.changed(**_given(input=input, num_classes=num_classes))
    form = match[3] or default_form
    kinds = {shape.place: _kind(form, shape) for shape in block_shapes(plain)}
    return plain.changed(
        **_given(input=input, num_classes=num_classes),
        projection="avgpool" if form == "d" else "strided",
        bottleneck_stride="1x1" if form == "v1" else "3x3",
        skips=span_one_skips(kinds),
    )


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _kind(form: str, shape: BlockShape) -> Kind:
    """Return the shortcut of a block: option A has no projection, C nothing else."""
    projects = {"a": False, "c": True}.get(form, shape.changes_shape)
    return Kind.PROJECTION if projects else Kind.IDENTITY


def _exists(kind: str, layers: int, form: str | None) -> bool:
    if layers in _IMAGENET:
        has_v1 = _IMAGENET[layers][0] == "bottleneck"
        forms = (None, "c", "d", "v1") if has_v1 else (None, "c", "d")
    elif 8 <= layers <= _MOST_LAYERS and (layers - 2) % 6 == 0:
        forms = (None, "b", "c")
    else:
        return False
    return form in forms and (kind == "resnet" or form is None)


def cifar_network(blocks: int, width: int = 16) -> ArchitectureSpec:
    """Return the plain CIFAR network of three stages of `blocks` blocks."""
    return ArchitectureSpec(
        input=InputShape(channels=3, height=32, width=32),
        num_classes=10,
        stem_width=width,
        stages=tuple(
            StageSpec(blocks=blocks, width=width * 2**i, stride=1 if i == 0 else 2)
            for i in range(3)
        ),
    )


def _imagenet_network(layers: int, *, width: int) -> ArchitectureSpec:
    block, depths = _IMAGENET[layers]
    expansion = EXPANSION if block == "bottleneck" else 1
    return ArchitectureSpec(
        input=InputShape(channels=3, height=224, width=224),
        num_classes=1000,
        stem="large",
        stem_width=width,
        block=block,
        stages=tuple(
            StageSpec(blocks=depth, width=width * expansion * 2**i, stride=1 if i == 0 else 2)
            for i, depth in enumerate(depths)
        ),
    )
