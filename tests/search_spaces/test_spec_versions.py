import pytest

from search_spaces import ArchitectureSpec, SpecError, preset
from search_spaces.spec_versions import SCHEMA_VERSION, upgrade

VERSION_1 = {
    "schema_version": 1,
    "input": {"channels": 1, "height": 8, "width": 8},
    "num_classes": 10,
    "stem_width": 8,
    "block": "basic",
    "stages": [{"blocks": 2, "width": 8, "stride": 1}, {"blocks": 1, "width": 16, "stride": 2}],
    "skips": [
        {"from": "stage1.block1", "to": "stage1.block1", "kind": "identity"},
        {"from": "stage1.block2", "to": "stage2.block1", "kind": "projection"},
    ],
}


def test_version_1_is_read() -> None:
    spec = ArchitectureSpec.from_dict(VERSION_1)
    assert spec.schema_version == SCHEMA_VERSION
    assert spec.code == "2-1 IN P2"


def test_version_1_keeps_its_id() -> None:
    assert ArchitectureSpec.from_dict(VERSION_1).spec_id == "f4f41391d1d18812"


def test_what_was_read_is_written_in_the_present_version() -> None:
    data = ArchitectureSpec.from_dict(VERSION_1).to_dict()
    assert data["schema_version"] == SCHEMA_VERSION
    assert ArchitectureSpec.from_dict(data) == ArchitectureSpec.from_dict(VERSION_1)


def test_present_version_is_left_as_it_is() -> None:
    data = preset("resnet-20").to_dict()
    assert upgrade(data) == data


def test_data_without_a_version_has_the_present_one() -> None:
    data = preset("resnet-20").to_dict()
    del data["schema_version"]
    assert ArchitectureSpec.from_dict(data) == preset("resnet-20")


def test_upgrading_leaves_the_given_data_alone() -> None:
    upgrade(VERSION_1)
    assert VERSION_1["schema_version"] == 1


@pytest.mark.parametrize(("field", "value"), [("stem", "large"), ("block", "bottleneck")])
def test_version_1_has_no_fields_of_version_2(field: str, value: str) -> None:
    match = f"schema_version 1 must have the fields of that version, got {field}='{value}'"
    with pytest.raises(SpecError, match=match):
        upgrade({**VERSION_1, field: value})
