import pytest

from search_spaces import InputShape, Kind, SpecError, block_shapes, preset


@pytest.mark.parametrize("layers", [20, 32, 44, 56, 110, 1202])
def test_name_gives_the_number_of_layers(layers: int) -> None:
    assert preset(f"resnet-{layers}").layers == layers


def test_plain_network_has_no_skips() -> None:
    assert preset("plain-20").skips == ()


def test_option_a_is_identity_everywhere() -> None:
    assert set(preset("resnet-20").kinds) == {Kind.IDENTITY}


def test_option_b_projects_exactly_where_the_shape_changes() -> None:
    spec = preset("resnet-20-b")
    projected = [kind is Kind.PROJECTION for kind in spec.kinds]
    assert projected == [shape.changes_shape for shape in block_shapes(spec)]
    assert sum(projected) == 2


def test_option_c_is_projection_everywhere() -> None:
    assert set(preset("resnet-20-c").kinds) == {Kind.PROJECTION}


@pytest.mark.parametrize("layers", [18, 34, 50, 101, 152])
def test_networks_for_large_images_have_their_layers(layers: int) -> None:
    spec = preset(f"resnet-{layers}")
    assert spec.layers == preset(f"plain-{layers}").layers == layers
    assert (spec.stem, spec.input.height, spec.num_classes) == ("large", 224, 1000)


def test_networks_for_large_images_project_where_the_shape_changes() -> None:
    spec = preset("resnet-50")
    projected = [kind is Kind.PROJECTION for kind in spec.kinds]
    assert projected == [shape.changes_shape for shape in block_shapes(spec)]
    assert sum(projected) == 4


def test_option_d_pools_before_it_projects() -> None:
    assert preset("resnet-50-d").projection == "avgpool"
    assert preset("resnet-50-d").kinds == preset("resnet-50").kinds


def test_first_version_has_its_stride_in_the_first_convolution() -> None:
    assert preset("resnet-50-v1").bottleneck_stride == "1x1"


def test_preset_can_be_built_for_other_images() -> None:
    digits = InputShape(channels=1, height=8, width=8)
    spec = preset("resnet-20-b", input=digits, num_classes=7, width=4)
    assert (spec.input, spec.num_classes, spec.stem_width) == (digits, 7, 4)
    assert [stage.width for stage in spec.stages] == [4, 8, 16]
    assert spec.kinds == preset("resnet-20-b").kinds


def test_bottleneck_preset_can_be_narrower() -> None:
    spec = preset("resnet-50", width=8)
    assert (spec.stem_width, [stage.width for stage in spec.stages]) == (8, [32, 64, 128, 256])


@pytest.mark.parametrize(
    "name",
    [
        "resnet-21",
        "resnet-2",
        "resnet-1208",
        "resnet-20-d",
        "resnet-18-v1",
        "resnet-18-b",
        "plain-50-c",
        "resnet-19",
        "plain-20-b",
        "vgg-16",
        "resnet-20\n",
        "",
    ],
)
def test_unknown_name_is_an_error_that_lists_the_known(name: str) -> None:
    with pytest.raises(SpecError, match="Known: plain-N and resnet-N") as caught:
        preset(name)
    assert f"Unknown preset {name!r}" in str(caught.value)
