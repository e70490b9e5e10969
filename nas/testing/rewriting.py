"""Other ways to write an architecture spec, all of which build the same network."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from search_spaces.spec import ArchitectureSpec, BlockClass, Kind, Place

_SINCE_VERSION_2 = {
    "stem": "small",
    "block": "basic",
    "activation": "post",
    "norm": "batch",
    "zero_init": False,
    "projection": "strided",
    "bottleneck_stride": "3x3",
}
"""What version 1 of the schema could not say, and what it meant."""


def rewrite(spec: ArchitectureSpec, rng: np.random.Generator) -> dict[str, Any]:
    """Return JSON data of the same network, written in another way.

    Stages are parted or joined where width and size stay the same, skips are shuffled, fields that
    make no difference get any value, and the schema is version 1 where that can say it.
    """
    data = spec.to_dict() | _staged(spec, rng)
    data["skips"] = [data["skips"][index] for index in rng.permutation(len(data["skips"]))]
    fits_version_1 = all(data[name] == value for name, value in _SINCE_VERSION_2.items())
    if fits_version_1 and rng.random() < 0.5:
        return {k: v for k, v in data.items() if k not in _SINCE_VERSION_2} | {"schema_version": 1}
    if isinstance(spec.block, BlockClass):
        data["block"] = data["block"] | {"layers": int(rng.integers(1, 5))}
    for name, values in _without_effect(spec):
        data[name] = values[int(rng.integers(len(values)))]
    return data


def _staged(spec: ArchitectureSpec, rng: np.random.Generator) -> dict[str, Any]:
    """Return stages and skips with new borders between stages where there may be one."""
    blocks = [
        (stage.width, stage.stride if block == 0 else 1)
        for stage in spec.stages
        for block in range(stage.blocks)
    ]
    stages: list[dict[str, int]] = []
    places: list[str] = []
    for index, (width, stride) in enumerate(blocks):
        same = index > 0 and stride == 1 and width == blocks[index - 1][0]
        if same and rng.random() < 0.7:
            stages[-1]["blocks"] += 1
        else:
            stages.append({"blocks": 1, "width": width, "stride": stride})
        places.append(str(Place(len(stages), stages[-1]["blocks"])))
    renamed = dict(zip(map(str, spec.places()), places, strict=True))
    skips = [
        {"from": renamed[skip.start], "to": renamed[skip.end], "kind": skip.kind.value}
        for skip in spec.skips
    ]
    return {"stages": stages, "skips": skips}


def _without_effect(spec: ArchitectureSpec) -> Iterator[tuple[str, list[Any]]]:
    """Yield the fields that make no difference to this network, with all their values."""
    strides = {
        str(place): spec.stages[place.stage - 1].stride if place.block == 1 else 1
        for place in spec.places()
    }
    if not spec.skips:
        yield "zero_init", [True, False]
    if not any(
        skip.kind is Kind.PROJECTION and max(strides[name] for name in spec.passed(skip)) > 1
        for skip in spec.skips
    ):
        yield "projection", ["strided", "avgpool"]
    if spec.block != "bottleneck" or max(strides.values()) == 1:
        yield "bottleneck_stride", ["3x3", "1x1"]
