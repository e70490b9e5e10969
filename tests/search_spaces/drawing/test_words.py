import pytest

from search_spaces.drawing.words import block_words, describe, unusual_words
from search_spaces.presets import preset
from search_spaces.shapes import block_shapes
from search_spaces.spec import ArchitectureSpec


def changed(name: str, **fields: object) -> ArchitectureSpec:
    return ArchitectureSpec.from_dict(preset(name).to_dict() | fields)


def test_long_skips_are_counted_in_the_description() -> None:
    spec = preset("plain-8").with_skips(
        [{"from": "stage1.block1", "to": "stage3.block1", "kind": "projection"}]
    )
    assert describe(spec) == (
        "Network of 1-1-1 blocks per stage: 0 identity and 1 projection skips, 2 blocks without "
        "a skip. Skips that pass several blocks: 1."
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, []),
        ({"activation": "pre"}, ["pre-activation"]),
        ({"norm": "none"}, ["no batch norm"]),
        ({"zero_init": True}, ["branches beside a skip begin as zero"]),
        (
            {"block": {"class_path": "mine.Wide", "init_args": {"by": 2}}},
            ["blocks mine.Wide(by=2)"],
        ),
    ],
)
def test_only_what_is_unusual_is_said(fields: dict[str, object], words: list[str]) -> None:
    assert unusual_words(changed("resnet-8", **fields)) == words


def test_block_types_of_stages() -> None:
    shape = block_shapes(preset("resnet-50"))[0]
    assert block_words(preset("resnet-50"), shape) == "bottleneck 64-64-256"
    assert block_words(preset("resnet-8"), shape) == ""
    own = changed("resnet-8", block={"class_path": "mine." + "Long" * 9})
    assert block_words(own, shape) == "LongLongLongLongLon..."
