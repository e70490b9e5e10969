"""Parameters to the last digit and multiply-adds as published, of the networks for large images."""

import json
from pathlib import Path

import pytest

from search_spaces import complexity, preset
from tests.contracts.space_contract import measured_complexity

STORED = json.loads((Path(__file__).parent / "imagenet_resnets.json").read_text())


@pytest.mark.parametrize(("name", "params", "gmacs", "digits"), STORED["rows"])
def test_arithmetic_gives_the_published_network(
    name: str, params: int, gmacs: float, digits: int
) -> None:
    counted = complexity(preset(name))
    assert counted.params == params
    assert round(counted.macs / 1e9, digits) == gmacs


@pytest.mark.parametrize("name", ["resnet-18", "resnet-50", "resnet-50-v1", "resnet-50-d"])
def test_built_network_equals_arithmetic_at_published_width(name: str) -> None:
    counted = complexity(preset(name))
    assert measured_complexity(preset(name)) == (counted.params, counted.macs)
