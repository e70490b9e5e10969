import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from search_spaces import ArchitectureSpec, Kind, Place, SpecError, preset

Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> dict[str, Any]:
    """ResNet-14 as plain data (2-2-2 blocks), with something changed."""
    data = copy.deepcopy(preset("resnet-14").to_dict())
    change(data)
    return data


def edge(start: str, end: str, kind: str = "identity") -> dict[str, str]:
    return {"from": start, "to": end, "kind": kind}


def with_skips(*skips: dict[str, str]) -> ArchitectureSpec:
    return ArchitectureSpec.from_dict(changed(lambda data: data.update(skips=list(skips))))


# Canonical form


def test_order_of_the_given_skips_is_irrelevant() -> None:
    edges = preset("resnet-14").to_dict()["skips"]
    spec = with_skips(*reversed(edges))
    assert spec == preset("resnet-14")
    assert spec.spec_id == preset("resnet-14").spec_id
    assert spec.to_json() == preset("resnet-14").to_json()


def test_order_of_the_keys_is_irrelevant() -> None:
    data = preset("resnet-14").to_dict()
    reordered = dict(reversed(data.items()))
    assert ArchitectureSpec.from_dict(reordered).spec_id == preset("resnet-14").spec_id


def test_stages_that_build_one_network_share_an_id() -> None:
    split = changed(
        lambda data: data.update(
            stages=[
                {"blocks": 1, "width": 16, "stride": 1},
                {"blocks": 1, "width": 16, "stride": 1},
                *data["stages"][1:],
            ],
            skips=[edge("stage2.block1", "stage2.block1")],
        )
    )
    joined = with_skips(edge("stage1.block2", "stage1.block2"))
    assert ArchitectureSpec.from_dict(split).spec_id == joined.spec_id


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: d["input"].update(channels=1), id="channels"),
        pytest.param(lambda d: d["input"].update(height=31), id="height"),
        pytest.param(lambda d: d["input"].update(width=31), id="width"),
        pytest.param(lambda d: d.update(num_classes=11), id="classes"),
        pytest.param(lambda d: d.update(stem_width=8), id="stem"),
        pytest.param(lambda d: d["stages"][0].update(width=17), id="stage width"),
        pytest.param(lambda d: d["stages"][2].update(stride=1), id="stride"),
        pytest.param(lambda d: d["stages"][2].update(blocks=3), id="blocks"),
        pytest.param(lambda d: d["skips"].pop(), id="skip left out"),
        pytest.param(lambda d: d["skips"][0].update(kind="projection"), id="kind"),
        pytest.param(lambda d: d["skips"][1].update({"from": "stage1.block1"}), id="span"),
    ],
)
def test_whatever_changes_the_network_changes_the_id(change: Change) -> None:
    assert ArchitectureSpec.from_dict(changed(change)).spec_id != preset("resnet-14").spec_id


def test_id_has_sixteen_hexadecimal_digits() -> None:
    spec_id = preset("plain-20").spec_id
    assert len(spec_id) == 16
    int(spec_id, base=16)


def test_spec_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        preset("plain-20").num_classes = 3  # pyright: ignore[reportAttributeAccessIssue]


# JSON


def test_json_names_the_ends_of_a_skip_from_and_to() -> None:
    assert json.loads(preset("resnet-14").to_json())["skips"][0] == edge(
        "stage1.block1", "stage1.block1"
    )


def test_json_for_people_is_indented() -> None:
    text = preset("resnet-14").to_json(indent=2)
    assert text.startswith('{\n  "schema_version": 1')
    assert ArchitectureSpec.from_json(text) == preset("resnet-14")


def test_longer_skips_survive_the_round_trip() -> None:
    spec = with_skips(
        edge("stage1.block2", "stage2.block1", "projection"),
        edge("stage1.block1", "stage2.block1"),
        edge("stage2.block1", "stage2.block1"),
    )
    assert ArchitectureSpec.from_json(spec.to_json()) == spec
    assert [skip.start for skip in spec.skips] == [
        "stage1.block1",
        "stage1.block2",
        "stage2.block1",
    ]


@pytest.mark.parametrize("version", [2, "1", None])
def test_another_schema_version_is_an_error(version: object) -> None:
    data = changed(lambda d: d.update(schema_version=version))
    with pytest.raises(SpecError, match=f"schema_version=1, got schema_version={version!r}"):
        ArchitectureSpec.from_dict(data)


def test_text_that_is_no_json_is_an_error() -> None:
    with pytest.raises(SpecError, match="must be JSON, got Expecting value: line 1 column 1"):
        ArchitectureSpec.from_json("depth: 3")


@pytest.mark.parametrize(("text", "kind"), [("[]", "list"), ("null", "NoneType"), ("1", "int")])
def test_json_that_is_no_object_is_an_error(text: str, kind: str) -> None:
    with pytest.raises(SpecError, match=f"must be a JSON object, got {kind}"):
        ArchitectureSpec.from_json(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(stage=1), "unknown key 'stage'"),
        (lambda d: d["stages"][1].update(widht=1), "unknown key 'stages.1.widht'"),
        (lambda d: d.pop("input"), "key 'input' is missing"),
        (lambda d: d["skips"][0].pop("from"), "key 'skips.0.from' is missing"),
        (lambda d: d["stages"][0].update(blocks=0), "stages.0.blocks: .*1, got 0"),
        (lambda d: d["stages"][0].update(blocks="2"), "stages.0.blocks: .*integer, got '2'"),
        (lambda d: d["stages"][0].update(blocks=True), "stages.0.blocks: .*integer, got True"),
        (lambda d: d["stages"][0].update(stride=5), "stages.0.stride: .*4, got 5"),
        (lambda d: d["stages"][0].update(width=-8), "stages.0.width: .*1, got -8"),
        (lambda d: d["input"].update(height=0), "input.height: .*1, got 0"),
        (lambda d: d.update(num_classes=1), "num_classes: .*2, got 1"),
        (lambda d: d.update(stem_width=0), "stem_width: .*1, got 0"),
        (lambda d: d.update(stages=[]), r"stages: .*at least 1 item.*, got \[\]"),
        (lambda d: d.update(block="bottleneck"), "block: .*'basic', got 'bottleneck'"),
    ],
)
def test_wrong_field_is_an_error_that_names_it(change: Change, message: str) -> None:
    with pytest.raises(SpecError, match=f"Architecture spec: {message}"):
        ArchitectureSpec.from_dict(changed(change))


# Skips


def test_misspelt_kind_is_an_error_with_a_proposal() -> None:
    with pytest.raises(SpecError, match=r"Unknown kind .* 'identiy'. Did you mean 'identity'"):
        with_skips(edge("stage1.block1", "stage1.block1", "identiy"))


def test_edge_of_kind_none_is_an_error() -> None:
    with pytest.raises(SpecError, match=r"got kind='none'. Leave the edge out"):
        with_skips(edge("stage1.block1", "stage1.block1", "none"))


@pytest.mark.parametrize("place", ["stage4.block1", "stage2.block3"])
def test_skip_to_a_block_that_does_not_exist_is_an_error(place: str) -> None:
    with pytest.raises(SpecError, match=f"got '{place}' in a network of 2-2-2 blocks"):
        with_skips(edge("stage1.block1", place))


def test_skip_that_runs_backwards_is_an_error() -> None:
    with pytest.raises(SpecError, match=r"got from='stage2.block1' to='stage1.block2'"):
        with_skips(edge("stage2.block1", "stage1.block2"))


def test_second_skip_between_two_places_is_an_error() -> None:
    with pytest.raises(SpecError, match=r"second one from='stage1.block1' to='stage1.block2'"):
        with_skips(
            edge("stage1.block1", "stage1.block2"),
            edge("stage1.block1", "stage1.block2", "projection"),
        )


@pytest.mark.parametrize(
    "text", ["stage0.block1", "stage1.block0", "stage1", "stage01.block1", "stage1.block1\n", ""]
)
def test_place_of_another_form_is_an_error(text: str) -> None:
    with pytest.raises(SpecError, match=r"named like 'stage2.block1'") as caught:
        Place.parse(text)
    assert repr(text) in str(caught.value)


def test_place_reads_what_it_writes() -> None:
    assert Place.parse("stage2.block13") == Place(stage=2, block=13)
    assert str(Place(2, 13)) == "stage2.block13"


def test_kind_reads_its_name_only() -> None:
    assert Kind.parse("projection") is Kind.PROJECTION
    with pytest.raises(SpecError, match="Unknown kind of shortcut 'Projection'"):
        Kind.parse("Projection")


# What is derived


def test_layers_count_stem_two_per_block_and_classifier() -> None:
    spec = preset("resnet-56")
    assert (spec.depths, spec.num_blocks, spec.layers) == ((9, 9, 9), 27, 56)


def test_places_are_in_network_order() -> None:
    assert [str(place) for place in preset("plain-8").places()] == [
        "stage1.block1",
        "stage2.block1",
        "stage3.block1",
    ]


def test_kinds_are_those_of_span_one() -> None:
    spec = with_skips(
        edge("stage1.block1", "stage1.block2"),
        edge("stage1.block2", "stage1.block2", "projection"),
        edge("stage3.block1", "stage3.block1"),
    )
    none, identity, projection = Kind.NONE, Kind.IDENTITY, Kind.PROJECTION
    assert spec.kinds == (none, projection, none, none, identity, none)


def test_code_shows_depths_and_kinds() -> None:
    assert preset("resnet-14-b").code == "2-2-2 II PI PI"


def test_code_marks_longer_skips() -> None:
    assert with_skips(edge("stage1.block1", "stage1.block2")).code == "2-2-2 NN NN NN +1 long"


def test_with_kinds_replaces_only_what_it_is_given() -> None:
    long = edge("stage1.block1", "stage1.block2")
    spec = with_skips(long, *preset("resnet-14").to_dict()["skips"])
    other = spec.with_kinds({Place(1, 2): Kind.NONE, Place(3, 1): Kind.PROJECTION})
    assert other.code == "2-2-2 IN II PI +1 long"
    assert spec.code == "2-2-2 II II II +1 long"


def test_with_kinds_of_a_place_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(SpecError, match=r"got 'stage1.block3'"):
        preset("plain-14").with_kinds({Place(1, 3): Kind.IDENTITY})
