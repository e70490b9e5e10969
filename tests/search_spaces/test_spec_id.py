from search_spaces import preset
from search_spaces.spec_id import canonical_form


def test_canonical_form_says_nothing_of_what_is_usual() -> None:
    assert set(canonical_form(preset("resnet-20"))) == {
        "input",
        "num_classes",
        "stem_width",
        "block",
        "blocks",
        "skips",
    }


def test_canonical_form_says_what_is_unusual() -> None:
    form = canonical_form(preset("resnet-50-v1"))
    assert (form["stem"], form["bottleneck_stride"]) == ("large", "1x1")


def test_canonical_form_lists_blocks_one_by_one() -> None:
    assert canonical_form(preset("plain-14"))["blocks"] == [
        *([16, 1], [16, 1]),
        *([32, 2], [32, 1]),
        *([64, 2], [64, 1]),
    ]
