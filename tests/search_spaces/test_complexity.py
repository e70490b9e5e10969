from itertools import product

import pytest

from search_spaces import ArchitectureSpec, InputShape, Kind, Place, complexity, preset
from tests.contracts.space_contract import measured_complexity


def test_smallest_network_agrees_with_a_count_by_hand() -> None:
    spec = ArchitectureSpec.from_dict(
        {
            "input": {"channels": 1, "height": 4, "width": 4},
            "num_classes": 2,
            "stem_width": 2,
            "stages": [{"blocks": 1, "width": 3, "stride": 2}],
            "skips": [{"from": "stage1.block1", "to": "stage1.block1", "kind": "projection"}],
        }
    )
    stem, conv1, conv2, projection, head = 9 * 2, 9 * 2 * 3, 9 * 3 * 3, 2 * 3, 3 * 2
    norms = 2 * 2 + 3 * (2 * 3)
    counted = complexity(spec)
    assert counted.params == stem + conv1 + conv2 + projection + head + 2 + norms
    assert counted.macs == stem * 16 + (conv1 + conv2 + projection) * 4 + head


def test_identity_costs_nothing() -> None:
    assert complexity(preset("resnet-20")) == complexity(preset("plain-20"))


def test_one_projection_adds_its_convolution_and_norm() -> None:
    plain = complexity(preset("plain-20"))
    one = complexity(preset("plain-20").with_kinds({Place(2, 1): Kind.PROJECTION}))
    assert one.params - plain.params == 16 * 32 + 2 * 32
    assert one.macs - plain.macs == 16 * 32 * 16 * 16


@pytest.mark.parametrize("kind", ["identity", "projection"])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("stage1.block1", "stage1.block2", id="within a stage"),
        pytest.param("stage1.block2", "stage3.block1", id="over two transitions"),
    ],
)
def test_longer_skips_equal_the_built_network(kind: str, start: str, end: str) -> None:
    data = preset("resnet-14-b").to_dict()
    data["input"] = {"channels": 3, "height": 15, "width": 9}
    data["skips"].append({"from": start, "to": end, "kind": kind})
    spec = ArchitectureSpec.from_dict(data)
    assert (complexity(spec).params, complexity(spec).macs) == measured_complexity(spec)


@pytest.mark.parametrize(
    ("activation", "norm", "block", "stem", "projection"),
    list(
        product(
            ("post", "pre"),
            ("batch", "none"),
            ("basic", "bottleneck"),
            ("small", "large"),
            ("strided", "avgpool"),
        )
    ),
)
def test_every_combination_equals_the_built_network(
    activation: str, norm: str, block: str, stem: str, projection: str
) -> None:
    spec = preset("resnet-14-b", input=InputShape(channels=1, height=15, width=9), width=4)
    long = {"from": "stage1.block2", "to": "stage3.block1", "kind": "projection"}
    spec = spec.changed(
        activation=activation,
        norm=norm,
        block=block,
        stem=stem,
        projection=projection,
        skips=[*spec.to_dict()["skips"], long],
    )
    assert (complexity(spec).params, complexity(spec).macs) == measured_complexity(spec)


@pytest.mark.parametrize("stride", ["3x3", "1x1"])
def test_stride_of_a_bottleneck_moves_its_cost(stride: str) -> None:
    spec = preset("resnet-50", width=4).changed(bottleneck_stride=stride)
    spec = spec.changed(input={"channels": 3, "height": 33, "width": 40})
    assert (complexity(spec).params, complexity(spec).macs) == measured_complexity(spec)
