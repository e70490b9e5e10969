from typing import Any

import numpy as np
import pytest

from nas.testing.rewriting import rewrite
from search_spaces import ArchitectureSpec, InputShape, Kind, Place, make_space

DIGITS = InputShape(channels=1, height=8, width=8)
SPACE = make_space({"stages": 2, "max_blocks": 3, "width": 4}, DIGITS, num_classes=10)
PLAIN = SPACE.uniform((3, 2), Kind.NONE)
MIXED = PLAIN.with_kinds({Place(1, 3): Kind.IDENTITY, Place(2, 1): Kind.PROJECTION})


@pytest.mark.parametrize("spec", [PLAIN, MIXED], ids=["plain", "mixed"])
def test_every_way_to_write_it_is_the_same_network(spec: ArchitectureSpec) -> None:
    ids = {ArchitectureSpec.from_dict(d).spec_id for d in ways(spec)}
    assert ids == {spec.spec_id}


def ways(spec: ArchitectureSpec) -> list[dict[str, Any]]:
    """Forty ways to write a spec."""
    rng = np.random.default_rng(0)
    return [rewrite(spec, rng) for _ in range(40)]


def test_stages_are_parted_and_skips_renamed() -> None:
    parted = next(way for way in ways(MIXED) if len(way["stages"]) == 5)
    ends = {skip["to"] for skip in parted["skips"]}
    assert ends == {"stage3.block1", "stage4.block1"}


def test_all_that_may_differ_does_in_some_way() -> None:
    found = ways(PLAIN)
    assert {way["schema_version"] for way in found} == {1, 2}
    written = [way for way in found if way["schema_version"] == 2]
    for field in ("zero_init", "projection", "bottleneck_stride"):
        assert len({way[field] for way in written}) == 2, field


def test_fields_with_an_effect_are_kept() -> None:
    written = [way for way in ways(MIXED) if way["schema_version"] == 2]
    assert {(way["zero_init"], way["projection"]) for way in written} == {(False, "strided")}


def test_first_version_is_left_alone_where_it_cannot_say_the_network() -> None:
    spec = ArchitectureSpec.from_dict(MIXED.to_dict() | {"activation": "pre"})
    assert {way["schema_version"] for way in ways(spec)} == {2}
