from typing import Any

import pytest

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
MINE = {"class_path": "my_blocks.Mine"}


def make(**fields: Any) -> ResidualSpace:
    return ResidualSpace(ResidualSpaceConfig.model_validate(fields), DIGITS, num_classes=10)


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


def test_bottleneck_stages_are_four_times_as_wide_as_the_stem() -> None:
    spec = full(make(block="bottleneck"), Kind.NONE)
    assert spec.stem_width == 8
    assert [stage.width for stage in spec.stages] == [32, 64, 128]
    assert spec.layers == 3 * 15 + 2


def test_fixed_depth_counts_kinds_to_the_power_of_blocks() -> None:
    assert make(stages=2, min_blocks=3, max_blocks=3).size == 3**6


def test_depths_per_stage_give_the_plan_of_resnet_34() -> None:
    plan = [3, 4, 6, 3]
    space = make(stages=4, min_blocks=plan, max_blocks=plan, width=64, stem="large")
    assert space.anchor_depths == ((3, 4, 6, 3),)
    assert full(space, Kind.IDENTITY).layers == 34
    assert space.size == 3**16


def test_size_counts_every_width_and_block_type() -> None:
    space = make(stages=1, max_blocks=2, width=[8, 16, 24], block=["basic", "bottleneck"])
    assert space.size == 3 * 2 * (3 + 9)


@pytest.mark.parametrize(
    ("low", "high", "anchors"),
    [
        (1, 5, [(1, 1), (3, 3), (5, 5)]),
        (1, 2, [(1, 1), (2, 2)]),
        (4, 4, [(4, 4)]),
        ([1, 2], [3, 6], [(1, 2), (2, 4), (3, 6)]),
    ],
)
def test_anchors_have_the_fewest_the_middle_and_the_most_blocks(
    low: Any, high: Any, anchors: list[tuple[int, int]]
) -> None:
    assert make(stages=2, min_blocks=low, max_blocks=high).anchor_depths == tuple(anchors)


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


def test_several_widths_and_block_types_are_decisions_before_the_depths() -> None:
    space = make(stages=1, max_blocks=1, width=[8, 16], block=["basic", MINE])
    answers = {"width": 16, "block": "Mine", "depth.stage1": 1, "skip.stage1.block1": "identity"}
    spec = space.from_decisions(answers)
    assert (spec.stem_width, spec.stages[0].width) == (16, 16)
    assert spec.to_dict()["block"] == MINE | {"init_args": {}, "layers": 2}
    assert list(space.decisions(spec).items()) == list(answers.items())


def test_reference_networks_have_the_first_width_and_block_type() -> None:
    space = make(width=[16, 8], block=["bottleneck", "basic"])
    spec = full(space, Kind.IDENTITY)
    assert (spec.stem_width, spec.block) == (16, "bottleneck")


def test_fixed_fields_are_those_of_every_spec() -> None:
    fixed = {
        "stem": "large",
        "activation": "pre",
        "norm": "none",
        "zero_init": True,
        "projection": "avgpool",
        "bottleneck_stride": "1x1",
    }
    spec = full(make(block="bottleneck", **fixed), Kind.PROJECTION)
    assert fixed.items() <= spec.to_dict().items()


def test_spec_of_another_depth_is_outside() -> None:
    with pytest.raises(SpaceError, match="3 stages of 1 to 2 blocks, got 5-5-5 blocks"):
        make(max_blocks=2).decisions(full(make(), Kind.NONE))


def test_depths_that_differ_between_stages_are_named_one_by_one() -> None:
    with pytest.raises(SpaceError, match="3 stages of 1 to 2, 1 to 5, 1 to 2 blocks, got 5-5-5"):
        make(max_blocks=[2, 5, 2]).decisions(full(make(), Kind.NONE))


def test_spec_of_a_kind_that_is_not_searched_is_outside() -> None:
    space = make(kinds=("none", "identity"))
    with pytest.raises(
        SpaceError, match=r"stage1.block1 must be one of none, identity, got 'proj"
    ):
        space.decisions(full(make(), Kind.PROJECTION))


def test_spec_of_another_width_is_outside() -> None:
    with pytest.raises(SpaceError, match="of width 16 or 32, got stem_width=8"):
        make(width=[16, 32]).decisions(full(make(), Kind.NONE))


def test_spec_of_another_block_type_is_outside() -> None:
    with pytest.raises(SpaceError, match="of block type basic, Mine, got block='bottleneck'"):
        make(block=["basic", MINE]).decisions(full(make(block="bottleneck"), Kind.NONE))


def test_class_of_the_same_name_with_other_arguments_is_outside() -> None:
    other = make(block=MINE | {"init_args": {"ratio": 4}})
    with pytest.raises(SpaceError, match="of block type Mine, got block='Mine'"):
        make(block=MINE).decisions(full(other, Kind.NONE))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"norm": "none"}, "networks of norm='batch' here, got norm='none'"),
        ({"activation": "pre"}, "networks of activation='post' here, got activation='pre'"),
        ({"stem": "large"}, "networks of stem='small' here, got stem='large'"),
        ({"zero_init": True}, "networks of zero_init=False here, got zero_init=True"),
    ],
)
def test_spec_of_other_fixed_fields_is_outside(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        make().decisions(full(make(**fields), Kind.IDENTITY))


def test_spec_of_other_stages_is_outside() -> None:
    data = full(make(stages=1), Kind.NONE).to_dict()
    data["stages"][0]["stride"] = 2
    with pytest.raises(SpaceError, match=r"'stride': 1\}\] here, got stages=\[.*'stride': 2"):
        make(stages=1).decisions(ArchitectureSpec.from_dict(data))


def test_spec_with_a_longer_skip_is_outside() -> None:
    skip = {"from": "stage1.block1", "to": "stage1.block3", "kind": "identity"}
    spec = full(make(), Kind.NONE).with_skips([skip])
    with pytest.raises(SpaceError, match=r"got a skip of span 3 from stage1.block1 to stage1.bl"):
        make().decisions(spec)
