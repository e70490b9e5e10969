"""What the card says of blocks and skips is what the architecture has."""

import pytest

from nas.export.card_network import network_facts
from search_spaces import complexity
from tests.nas.export.networks import VARIED, architecture


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none", ["Skips: none.", "Stem: 3x3 convolution, 4 channels."]),
        (
            "long",
            [
                "Skips: 2 identity, 2 projection; 2 of 4 blocks have none.",
                "they pass: 1 (the classic block): 1 projection; 2: 1 identity, 1 projection; "
                "3: 1 identity.",
                "Several skips end at the additions of stage2.block1.",
            ],
        ),
        ("bottleneck", ["bottleneck, 1x1, 3x3 and 1x1 convolutions each, the stride in the 3x3;"]),
        (
            "bottleneck with the stride in its first convolution",
            ["the stride in the first 1x1; post-activation"],
        ),
        (
            "no norm, pre-activation",
            [
                "pre-activation (ReLU before each convolution)",
                "no normalisation, convolutions with a bias.",
            ],
        ),
        ("identity", ["Skips: 4 identity; no block is without."]),
        ("average pooling", ["Projections that make images smaller pool by the average first."]),
        ("large stem", ["7x7 convolution with stride 2, then 3x3 maximum pooling with stride 2"]),
    ],
)
def test_facts_are_those_of_the_architecture(name: str, words: list[str]) -> None:
    spec = VARIED[name]
    text = "\n".join(network_facts(spec))
    for part in words:
        assert part in text
    assert f"Parameters: {complexity(spec).params:,}." in text
    assert ("average" in text) == (spec.projection == "avgpool")


def test_many_crowded_additions_are_counted_after_the_first() -> None:
    edges = [(f"stage1.block{i}", f"stage1.block{i}", "identity") for i in range(1, 10)]
    edges += [(f"stage1.block{i}", f"stage1.block{i + 1}", "identity") for i in range(1, 9)]
    text = "\n".join(network_facts(architecture((9,), edges)))
    assert "stage1.block6, stage1.block7 and 2 more." in text
