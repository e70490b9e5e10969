from typing import Any

import pytest
from pydantic import ValidationError

from search_spaces.backbone_fields import BackboneFields, block_word
from search_spaces.spec import BlockClass

MINE = {"class_path": "my_blocks.Mine", "init_args": {"ratio": 4}}


def test_one_number_of_blocks_stands_for_all_stages() -> None:
    fields = BackboneFields(stages=2, min_blocks=2, max_blocks=(3, 4))
    assert fields.depth_ranges == ((2, 3), (2, 4))


def test_one_width_and_block_type_are_choices_without_alternative() -> None:
    assert BackboneFields().widths == (8,)
    assert BackboneFields().blocks == ("basic",)


def test_several_widths_and_block_types_keep_their_order() -> None:
    fields = BackboneFields.model_validate({"width": [16, 8], "block": [MINE, "basic"]})
    assert fields.widths == (16, 8)
    assert [block_word(block) for block in fields.blocks] == ["Mine", "basic"]


def test_block_type_may_be_a_class_of_the_users() -> None:
    fields = BackboneFields.model_validate({"block": MINE})
    assert fields.blocks == (
        BlockClass(class_path="my_blocks.Mine", init_args={"ratio": 4}, layers=2),
    )


def test_json_reads_back_as_the_same_fields() -> None:
    fields = BackboneFields.model_validate({"width": [16, 8], "block": [MINE, "basic"]})
    assert BackboneFields.model_validate(fields.model_dump(mode="json")) == fields


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stages": 0}, "greater than or equal to 1"),
        ({"min_blocks": 4, "max_blocks": 3}, "got min_blocks=4 and max_blocks=3"),
        ({"min_blocks": (1, 3, 1), "max_blocks": 2}, r"got min_blocks=\(1, 3, 1\) and max_bl"),
        ({"max_blocks": 0}, "space.max_blocks must be an int >= 1 .* got max_blocks=0"),
        ({"max_blocks": 10**7}, "max_blocks must be .* at most 10000.* got max_blocks=10000000"),
        ({"width": 10**9}, "at most 1000000 and each once, got width=1000000000"),
        ({"max_blocks": True}, "must be an int >= 1 .* got max_blocks=True"),
        ({"max_blocks": [1, "2", 3]}, r"must be an int >= 1 .* got max_blocks=\[1, '2', 3\]"),
        (
            {"max_blocks": [3, 4, 6, 3]},
            r"each of the 3 stages, got max_blocks=\[3, 4, 6, 3\]. Set",
        ),
        ({"min_blocks": []}, r"each of the 3 stages, got min_blocks=\[\]"),
        ({"width": 0}, "space.width must be an int >= 1 or a list .* got width=0"),
        ({"width": []}, r"space.width must be .* got width=\[\]"),
        ({"width": [8, 8]}, r"each once, got width=\[8, 8\]"),
        ({"width": "wide"}, "got width='wide'"),
        (
            {"block": "basik"},
            "space.block must be a known type, got block='basik'. Did you mean 'basic'",
        ),
        ({"block": 3}, "space.block must be a known type, got block=3"),
        ({"block": []}, r"each block type once, got \[\]"),
        ({"block": ["basic", "basic"]}, r"each block type once, got \['basic', 'basic'\]"),
        ({"block": [MINE, {"class_path": "other.Mine"}]}, r"once, got \['Mine', 'Mine'\]"),
        ({"block": {"class_path": "Mine"}}, "block.class_path must be .* class_path='Mine'"),
        ({"block": {"init_args": {}}}, "Key 'space.block.class_path' must be given"),
        ({"kinds": ("none", "none")}, r"each kind once, got \['none', 'none'\]"),
        ({"kinds": ()}, r"each kind once, got \[\]"),
        ({"zero_init": 1}, "valid boolean"),
        ({"norm": "layer"}, "'batch' or 'none'"),
    ],
)
def test_wrong_field_is_an_error_that_names_it(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BackboneFields.model_validate(fields)
