import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from search_spaces import ArchitectureSpec, InputShape, Kind, Place, SpecError, preset
from search_spaces.spec import SkipSpec

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
        pytest.param(lambda d: d.update(stem="large"), id="large stem"),
        pytest.param(lambda d: d.update(block="bottleneck"), id="block"),
        pytest.param(lambda d: d.update(activation="pre"), id="activation"),
        pytest.param(lambda d: d.update(norm="none"), id="norm"),
        pytest.param(lambda d: d.update(zero_init=True), id="zero init"),
        pytest.param(lambda d: d.update(block={"class_path": "a.B"}), id="own block"),
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


@pytest.mark.parametrize(
    "fields",
    [
        {"zero_init": True},
        {"projection": "avgpool"},
        {"bottleneck_stride": "1x1"},
        {"zero_init": True, "projection": "avgpool", "bottleneck_stride": "1x1"},
    ],
)
def test_fields_that_a_network_does_not_use_are_forgotten(fields: dict[str, object]) -> None:
    plain = preset("plain-14")
    assert plain.changed(**fields) == plain
    assert plain.changed(**fields).spec_id == plain.spec_id


def test_pooling_is_forgotten_where_no_projection_meets_a_stride() -> None:
    within = {Place(1, 1): Kind.PROJECTION, Place(2, 2): Kind.PROJECTION}
    spec = preset("resnet-14").with_kinds(within)
    assert spec.changed(projection="avgpool") == spec
    across = preset("plain-14").with_skips([edge("stage1.block2", "stage2.block2", "projection")])
    assert across.changed(projection="avgpool") != across


def test_strides_that_read_the_same_pixels_share_an_id() -> None:
    def last_stride(stride: int) -> ArchitectureSpec:
        data = changed(lambda d: d["stages"][2].update(stride=stride))
        return ArchitectureSpec.from_dict(
            data | {"input": {"channels": 3, "height": 3, "width": 4}}
        )

    # The last stage sees 2x2 px.
    assert last_stride(2).spec_id == last_stride(4).spec_id != last_stride(1).spec_id


def test_strides_on_a_single_pixel_use_no_field() -> None:
    spec = preset("resnet-8-b", input=InputShape(channels=1, height=1, width=1))
    assert spec.changed(projection="avgpool") == spec
    bottleneck = spec.changed(block="bottleneck")
    assert bottleneck.changed(bottleneck_stride="1x1") == bottleneck


def test_equal_specs_have_equal_hashes() -> None:
    assert len({preset("resnet-20"), preset("resnet-20"), preset("plain-20")}) == 2


# JSON


def test_json_names_the_ends_of_a_skip_from_and_to() -> None:
    assert json.loads(preset("resnet-14").to_json())["skips"][0] == edge(
        "stage1.block1", "stage1.block1"
    )


def test_json_for_people_is_indented() -> None:
    text = preset("resnet-14").to_json(indent=2)
    assert text.startswith('{\n  "schema_version": 2')
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


@pytest.mark.parametrize("version", [0, 3, "1", "2", 1.0, 2.0, True, None])
def test_another_schema_version_is_an_error(version: object) -> None:
    data = changed(lambda d: d.update(schema_version=version))
    with pytest.raises(SpecError, match=f"schema_version 1, 2, got schema_version={version!r}"):
        ArchitectureSpec.from_dict(data)


def test_text_that_is_no_json_is_an_error() -> None:
    with pytest.raises(SpecError, match="must be JSON, got Expecting value: line 1 column 1"):
        ArchitectureSpec.from_json("depth: 3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "must be JSON, got lists or mappings nested too deeply"),
        ('{"stem_width": ' + "9" * 5000 + "}", "must be JSON, got Exceeds the limit"),
        ('{"stem_width": 8, "stem_width": 16}', "every key once, got 'stem_width' twice"),
        ('{"input": {"height": 8, "height": 9}}', "every key once, got 'height' twice"),
    ],
    ids=["deep", "digits", "twice", "twice inside"],
)
def test_json_that_python_cannot_hold_is_an_error(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ArchitectureSpec.from_json(text)


def test_edges_in_data_have_from_and_to_only() -> None:
    fields: dict[str, Any] = {"start": "stage1.block1", "end": "stage1.block1", "kind": "identity"}
    with pytest.raises(SpecError, match=r"Unknown key 'skips\.0\.(start|end)'"):
        ArchitectureSpec.from_dict(changed(lambda data: data.update(skips=[fields])))
    in_python = SkipSpec(**fields)
    assert preset("resnet-14").changed(skips=[in_python]).skips == (in_python,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["stages"][0].update(blocks=10_000_000), "stages.0.blocks must be <= 10000"),
        (lambda d: d["stages"][0].update(width=10**11), r"stages.0.width must be <= 1000000"),
        (lambda d: d["input"].update(height=10**9), r"input.height must be <= 1000000"),
        (
            lambda d: [stage.update(blocks=4000) for stage in d["stages"]],
            "at most 10000 blocks in all, got 12000 in 3 stages",
        ),
        (
            lambda d: d["skips"][0].update({"from": "stage1.block" + "1" * 5000}),
            "is named like 'stage2.block1' .from 1., got 'stage1.block1",
        ),
    ],
)
def test_sizes_have_bounds(change: Change, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        ArchitectureSpec.from_dict(changed(change))


@pytest.mark.parametrize(("text", "kind"), [("[]", "list"), ("null", "NoneType"), ("1", "int")])
def test_json_that_is_no_object_is_an_error(text: str, kind: str) -> None:
    with pytest.raises(SpecError, match=f"must be a JSON object, got {kind}"):
        ArchitectureSpec.from_json(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(stage=1), "Unknown key 'stage'. Did you mean 'stages'"),
        (lambda d: d["stages"][1].update(widht=1), "Unknown key 'stages.1.widht'. Did you mean"),
        (lambda d: d.pop("input"), "Key 'input' must be given, got none"),
        (lambda d: d["skips"][0].pop("from"), "Key 'skips.0.from' must be given, got none"),
        (
            lambda d: d["skips"][0].update(form="x"),
            "Unknown key 'skips.0.form'. Did .*'skips.0.fr",
        ),
        (lambda d: d["stages"][0].update(blocks=0), "stages.0.blocks must be >= 1, got blocks=0"),
        (lambda d: d["stages"][0].update(blocks="2"), "stages.0.blocks must be an int, got .*'2'"),
        (
            lambda d: d["stages"][0].update(blocks=True),
            "stages.0.blocks must be an int, got .*True",
        ),
        (lambda d: d["stages"][0].update(stride=5), "stages.0.stride must be <= 4, got stride=5"),
        (lambda d: d["stages"][0].update(width=-8), "stages.0.width must be >= 1, got width=-8"),
        (lambda d: d["input"].update(height=0), "input.height must be >= 1, got height=0"),
        (lambda d: d.update(num_classes=1), "num_classes must be >= 2, got num_classes=1"),
        (lambda d: d.update(stem_width=0), "stem_width must be >= 1, got stem_width=0"),
        (lambda d: d.update(stages=[]), r"stages must be a list of 1 or more, got stages=\[\]"),
        (lambda d: d.update(block={"path": "a.B"}), "Unknown key 'block.path'"),
        (lambda d: d.update(block={}), "Key 'block.class_path' must be given"),
        (
            lambda d: d.update(block={"class_path": "a.B", "layers": 0}),
            "block.layers must be >= 1, got layers=0",
        ),
        (lambda d: d.update(stem="huge"), "stem must be 'small' or 'large', got stem='huge'"),
        (lambda d: d.update(activation="mid"), "activation must be 'post' or 'pre', got .*'mid'"),
        (lambda d: d.update(norm="layer"), "norm must be 'batch' or 'none', got norm='layer'"),
        (lambda d: d.update(zero_init=1), "zero_init must be true or false, got zero_init=1"),
        (lambda d: d.update(projection="d"), "projection must be 'strided' or 'avgpool', got"),
        (lambda d: d.update(bottleneck_stride="5x5"), "bottleneck_stride must be '3x3' or '1x1'"),
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


def test_incoming_skips_are_sorted_by_span() -> None:
    spec = with_skips(
        edge("stage1.block1", "stage2.block1"),
        edge("stage2.block1", "stage2.block1", "projection"),
        edge("stage1.block2", "stage2.block2"),
    )
    assert [[spec.span(skip) for skip in skips] for skips in spec.incoming] == [
        *([], []),
        *([1, 3], [3]),
        *([], []),
    ]
    none, identity, projection = Kind.NONE, Kind.IDENTITY, Kind.PROJECTION
    assert spec.ending_kinds == (none, none, projection, identity, none, none)
    assert spec.spans == (0, 0, 1, 3, 0, 0)


def test_skip_passes_its_first_and_last_block() -> None:
    spec = with_skips(edge("stage1.block2", "stage2.block2"))
    assert spec.passed(spec.skips[0]) == ("stage1.block2", "stage2.block1", "stage2.block2")


def test_bottlenecks_have_three_layers_per_block() -> None:
    assert preset("resnet-50").layers == 50


def test_own_blocks_say_how_many_layers_they_have() -> None:
    own = {"class_path": "my_blocks.Branch", "layers": 4}
    assert preset("plain-14").changed(block=own).layers == 4 * 6 + 2


def test_with_kinds_replaces_only_what_it_is_given() -> None:
    long = edge("stage1.block1", "stage1.block2")
    spec = with_skips(long, *preset("resnet-14").to_dict()["skips"])
    other = spec.with_kinds({Place(1, 2): Kind.NONE, Place(3, 1): Kind.PROJECTION})
    assert other.code == "2-2-2 II2 II PI"
    assert spec.code == "2-2-2 II II II +1 more"


def test_with_kinds_of_a_place_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(SpecError, match=r"got 'stage1.block3'"):
        preset("plain-14").with_kinds({Place(1, 3): Kind.IDENTITY})


# Blocks


def test_unknown_block_type_is_an_error_with_a_proposal() -> None:
    with pytest.raises(SpecError, match=r"got block='botleneck'. Did you mean 'bottleneck'"):
        preset("plain-14").changed(block="botleneck")
    with pytest.raises(SpecError, match=r"block must be a known type, got block=3"):
        preset("plain-14").changed(block=3)


def test_block_that_ships_has_no_class_path() -> None:
    with pytest.raises(SpecError, match=r"got class_path='search_spaces.blocks.BasicBranch'. The"):
        preset("plain-14").changed(block={"class_path": "search_spaces.blocks.BasicBranch"})


def test_number_of_layers_that_an_own_block_counts_is_no_part_of_its_id() -> None:
    ids = {
        preset("plain-14").changed(block={"class_path": "a.B", "layers": layers}).spec_id
        for layers in (1, 2, 3)
    }
    assert len(ids) == 1


def test_bottleneck_width_that_four_does_not_divide_is_an_error() -> None:
    with pytest.raises(SpecError, match="multiple of 4, got width=18"):
        ArchitectureSpec.from_dict(
            changed(lambda d: d.update(block="bottleneck", stages=[stage(18)], skips=[]))
        )


def stage(width: int) -> dict[str, int]:
    return {"blocks": 1, "width": width, "stride": 1}


@pytest.mark.parametrize("path", ["Branch", "my blocks.Branch", "a..B", ".B", "a.", "a.B\n"])
def test_class_path_of_another_form_is_an_error(path: str) -> None:
    with pytest.raises(SpecError, match="must be a dotted path") as caught:
        preset("plain-14").changed(block={"class_path": path})
    assert repr(path) in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}])
def test_arguments_of_a_block_that_are_no_json_are_an_error(value: object) -> None:
    with pytest.raises(SpecError, match=r"block.init_args must be JSON values, got"):
        preset("plain-14").changed(block={"class_path": "a.B", "init_args": {"x": value}})


def test_own_block_survives_the_round_trip() -> None:
    own = {"class_path": "my_blocks.Branch", "init_args": {"ratio": 4, "sizes": (3, 5)}}
    spec = preset("resnet-14").changed(block=own)
    assert ArchitectureSpec.from_json(spec.to_json()) == spec
    assert spec.code.endswith("Branch")
