from itertools import pairwise

import pytest

from search_spaces import ArchitectureSpec, InputShape, StageSpec, block_shapes, preset
from search_spaces.shapes import stem_sizes


def test_cifar_stages_have_the_published_shapes() -> None:
    shapes = block_shapes(preset("plain-20"))
    outputs = {(s.place.stage, s.out_channels, s.out_height, s.out_width) for s in shapes}
    assert outputs == {(1, 16, 32, 32), (2, 32, 16, 16), (3, 64, 8, 8)}


def test_only_the_first_block_of_a_later_stage_changes_the_shape() -> None:
    changing = [str(s.place) for s in block_shapes(preset("plain-20")) if s.changes_shape]
    assert changing == ["stage2.block1", "stage3.block1"]


def test_every_block_takes_what_the_one_before_gives() -> None:
    shapes = block_shapes(preset("plain-20"))
    for before, after in pairwise(shapes):
        assert (after.in_channels, after.in_height, after.in_width) == (
            before.out_channels,
            before.out_height,
            before.out_width,
        )


@pytest.mark.parametrize(("size", "stride", "left"), [(7, 2, 4), (8, 2, 4), (1, 2, 1), (7, 3, 3)])
def test_sizes_are_rounded_up(size: int, stride: int, left: int) -> None:
    spec = ArchitectureSpec(
        input=InputShape(channels=1, height=size, width=size),
        num_classes=2,
        stem_width=4,
        stages=(StageSpec(blocks=1, width=4, stride=stride),),
    )
    assert block_shapes(spec)[0].out_height == left


def test_a_wider_first_stage_changes_the_shape_without_a_stride() -> None:
    spec = ArchitectureSpec(
        input=InputShape(channels=1, height=8, width=8),
        num_classes=2,
        stem_width=4,
        stages=(StageSpec(blocks=2, width=8, stride=1),),
    )
    assert [shape.changes_shape for shape in block_shapes(spec)] == [True, False]


@pytest.mark.parametrize(("size", "sizes"), [(224, (112, 56)), (7, (4, 2)), (1, (1, 1))])
def test_large_stem_halves_twice(size: int, sizes: tuple[int, int]) -> None:
    spec = preset("plain-18", input=InputShape(channels=3, height=size, width=size))
    assert stem_sizes(spec) == tuple((left, left) for left in sizes)
    assert block_shapes(spec)[0].in_height == sizes[1]


def test_small_stem_keeps_the_size() -> None:
    assert stem_sizes(preset("plain-20")) == ((32, 32),)
