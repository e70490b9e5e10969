import pytest

from search_spaces import Kind, SpecError, block_shapes, preset


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


@pytest.mark.parametrize(
    "name",
    [
        "resnet-21",
        "resnet-2",
        "resnet-1208",
        "resnet-20-d",
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
