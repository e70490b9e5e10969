import json
from pathlib import Path

from search_spaces import complexity, preset
from search_spaces.published import published

GOLDEN = Path(__file__).parents[1] / "golden"


def test_every_published_network_is_a_preset_of_that_size() -> None:
    for name, size in published().items():
        assert complexity(preset(name)) == size, name


def test_table_agrees_with_the_stored_one() -> None:
    stored = json.loads((GOLDEN / "cifar_resnets.json").read_text())
    for layers, *counts in stored["rows"]:
        for option, suffix in enumerate(("", "-b", "-c")):
            size = published()[f"resnet-{layers}{suffix}"]
            assert (size.params, size.macs) == (counts[option], counts[option + 3])
