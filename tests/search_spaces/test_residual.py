from typing import Any

import pytest
from pydantic import ValidationError

from search_spaces import (
    ArchitectureSpec,
    InputShape,
    Kind,
    Place,
    ResidualSpace,
    ResidualSpaceConfig,
    SpaceError,
)

DIGITS = InputShape(channels=1, height=8, width=8)


def make(**fields: Any) -> ResidualSpace:
    return ResidualSpace(ResidualSpaceConfig(**fields), DIGITS, num_classes=10)


def full(space: ResidualSpace, kind: Kind) -> ArchitectureSpec:
    """The deepest network of the space with one kind everywhere."""
    return space.uniform(space.deepest, kind)


def test_default_space_has_the_digits_networks() -> None:
    space = make()
    # Per stage 3 + 9 + 27 + 81 + 243.
    assert space.size == 363**3
    assert space.deepest == (5, 5, 5)
    assert full(space, Kind.IDENTITY).layers == 32


def test_stages_double_the_width_and_halve_the_image() -> None:
    stages = full(make(), Kind.NONE).stages
    assert [(stage.width, stage.stride) for stage in stages] == [(8, 1), (16, 2), (32, 2)]


def test_fixed_depth_counts_kinds_to_the_power_of_blocks() -> None:
    assert make(stages=2, min_blocks=3, max_blocks=3).size == 3**6


@pytest.mark.parametrize(
    ("low", "high", "blocks"), [(1, 5, [1, 3, 5]), (1, 2, [1, 2]), (4, 4, [4])]
)
def test_anchors_have_the_fewest_the_middle_and_the_most_blocks(
    low: int, high: int, blocks: list[int]
) -> None:
    space = make(stages=2, min_blocks=low, max_blocks=high)
    assert space.anchor_depths == tuple((number, number) for number in blocks)


def test_decisions_are_depths_then_kinds_in_network_order() -> None:
    space = make(stages=2, max_blocks=2)
    spec = space.spec((1, 2), {Place(2, 2): Kind.PROJECTION})
    assert list(space.decisions(spec).items()) == [
        ("depth.stage1", 1),
        ("depth.stage2", 2),
        ("skip.stage1.block1", "none"),
        ("skip.stage2.block1", "none"),
        ("skip.stage2.block2", "projection"),
    ]


def test_more_fewest_than_most_blocks_is_an_error() -> None:
    with pytest.raises(ValidationError, match="got min_blocks=4 and max_blocks=3"):
        make(min_blocks=4, max_blocks=3)


def test_kind_named_twice_is_an_error() -> None:
    with pytest.raises(ValidationError, match=r"each kind once, got \['none', 'none'\]"):
        make(kinds=("none", "none"))


def test_no_kind_at_all_is_an_error() -> None:
    with pytest.raises(ValidationError, match=r"each kind once, got \[\]"):
        make(kinds=())


def test_spec_of_another_depth_is_outside() -> None:
    with pytest.raises(SpaceError, match="3 stages of 1 to 2 blocks, got 5-5-5 blocks"):
        make(max_blocks=2).decisions(full(make(), Kind.NONE))


def test_spec_of_a_kind_that_is_not_searched_is_outside() -> None:
    space = make(kinds=("none", "identity"))
    with pytest.raises(
        SpaceError, match=r"stage1.block1 must be one of none, identity, got 'proj"
    ):
        space.decisions(full(make(), Kind.PROJECTION))


def test_spec_of_another_width_is_outside() -> None:
    with pytest.raises(SpaceError, match="width 16 for inputs of 1x8x8 and 10 classes"):
        make(width=16).decisions(full(make(), Kind.NONE))


def test_spec_with_a_longer_skip_is_outside() -> None:
    data = full(make(), Kind.NONE).to_dict()
    data["skips"] = [{"from": "stage1.block1", "to": "stage1.block3", "kind": "identity"}]
    spec = ArchitectureSpec.from_dict(data)
    with pytest.raises(SpaceError, match=r"got '5-5-5 NNNNN NNNNN NNNNN \+1 long'"):
        make().decisions(spec)
