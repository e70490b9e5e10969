import pytest

from search_spaces import preset


def edge(start: str, end: str, kind: str = "identity") -> dict[str, str]:
    return {"from": start, "to": end, "kind": kind}


def test_code_shows_spans_above_one() -> None:
    spec = preset("plain-14").with_skips(
        [
            edge("stage1.block1", "stage1.block2"),
            edge("stage1.block1", "stage2.block2", "projection"),
        ]
    )
    assert spec.code == "2-2-2 NI2 NP4 NN"


def test_code_counts_further_skips_of_an_addition() -> None:
    spec = preset("resnet-14").to_dict()["skips"]
    more = preset("resnet-14").with_skips([*spec, edge("stage1.block1", "stage2.block1")])
    assert more.code == "2-2-2 II II II +1 more"


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"block": "bottleneck"}, "bottleneck"),
        ({"activation": "pre"}, "pre"),
        ({"norm": "none"}, "no-norm"),
        ({"zero_init": True}, "zero-init"),
        ({"projection": "avgpool"}, "avgpool"),
    ],
)
def test_code_names_what_is_unusual(fields: dict[str, object], word: str) -> None:
    spec = preset("resnet-8-b").changed(**fields)
    assert spec.code == f"1-1-1 I P P {word}"


def test_code_names_the_stride_of_the_first_version() -> None:
    assert preset("resnet-50-v1").code.endswith("bottleneck v1")
