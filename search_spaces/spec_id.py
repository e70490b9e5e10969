"""The canonical form of a network and its hash; no torch here."""

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search_spaces.spec import ArchitectureSpec


def spec_id_of(spec: "ArchitectureSpec") -> str:
    """Return 16 hexadecimal digits that are equal for equal networks and differ otherwise."""
    canonical = json.dumps(canonical_form(spec), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def canonical_form(spec: "ArchitectureSpec") -> dict[str, Any]:
    """Return what the network is, free of how the spec was written.

    Blocks stand one by one, so that two neighbouring stages of one width and stride 1 have the
    form of the single stage that builds the same network. What the first version of the schema
    could not say is left out at its default, so that ids never change.
    """
    index_of = {str(place): index for index, place in enumerate(spec.places())}
    data = spec.model_dump(mode="json")
    if not isinstance(data["block"], str):
        # How many layers are counted per block is no part of the network.
        del data["block"]["layers"]
    form = {
        "input": data["input"],
        "num_classes": spec.num_classes,
        "stem_width": spec.stem_width,
        "block": data["block"],
        "blocks": list(_blocks(spec)),
        "skips": [[index_of[s.start], index_of[s.end], s.kind.value] for s in spec.skips],
    }
    for name in ("stem", "activation", "norm", "zero_init", "projection", "bottleneck_stride"):
        if data[name] != type(spec).model_fields[name].default:
            form[name] = data[name]
    return form


def _blocks(spec: "ArchitectureSpec") -> Iterator[list[int]]:
    """Yield width and stride of every block."""
    for stage, stride in zip(spec.stages, effective_strides(spec), strict=True):
        yield [stage.width, stride]
        yield from ([stage.width, 1] for _ in range(stage.blocks - 1))


def effective_strides(spec: "ArchitectureSpec") -> list[int]:
    """Return for every stage the smallest stride that reads the same pixels as its own.

    All strides that leave one pixel read the first pixel alone.
    """
    height, width = spec.input.height, spec.input.width
    if spec.stem == "large":
        height, width = -(-height // 4), -(-width // 4)
    strides: list[int] = []
    for stage in spec.stages:
        stride = min(stage.stride, max(height, width))
        strides.append(stride)
        height, width = -(-height // stride), -(-width // stride)
    return strides
