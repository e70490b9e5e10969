"""Parameters and multiply-adds of the CIFAR networks of He et al. 2015, to the last digit."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from search_spaces import complexity, preset
from tests.contracts.space_contract import measured_complexity

STORED = json.loads((Path(__file__).parent / "cifar_resnets.json").read_text())


class Case(NamedTuple):
    name: str
    params: int
    macs: int


def cases() -> list[Case]:
    """One case per network of the table; a plain network counts as one with option A."""
    found: list[Case] = []
    for row in STORED["rows"]:
        entry = dict(zip(STORED["columns"], row, strict=True))
        layers = entry["layers"]
        for name, option in (("plain", "a"), ("resnet", "a"), ("resnet", "b"), ("resnet", "c")):
            suffix = "" if option == "a" else f"-{option}"
            full = f"{name}-{layers}{suffix}"
            found.append(Case(full, entry[f"params_{option}"], entry[f"macs_{option}"]))
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_arithmetic_gives_the_published_network(case: Case) -> None:
    counted = complexity(preset(case.name))
    assert (counted.params, counted.macs) == (case.params, case.macs)


@pytest.mark.parametrize(
    "case",
    [case for case in cases() if case.name.split("-")[1] in ("20", "56")],
    ids=lambda case: case.name,
)
def test_built_network_has_the_published_size(case: Case) -> None:
    assert measured_complexity(preset(case.name)) == (case.params, case.macs)
