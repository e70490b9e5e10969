"""The shipped spaces under the contract, at their default and at the edges of what they allow."""

from typing import Any

import pytest

from search_spaces import InputShape, SearchSpace, list_spaces, make_space
from tests.contracts.space_contract import SpaceContract

DIGITS = InputShape(channels=1, height=8, width=8)
ODD_COLOUR = InputShape(channels=3, height=7, width=5)

TINY: dict[str, Any] = {"stages": 2, "max_blocks": 2, "width": 4}
LONG: dict[str, Any] = {"name": "longskip", **TINY}

RESIDUAL: dict[str, dict[str, Any]] = {
    "one block": {"stages": 1, "max_blocks": 1},
    "fixed depth": {"min_blocks": 2, "max_blocks": 2, "stages": 2},
    "depth per stage": {"stages": 3, "min_blocks": [1, 2, 1], "max_blocks": [1, 3, 2]},
    "two kinds": TINY | {"kinds": ["identity", "none"]},
    "depth only": {"max_blocks": 3, "kinds": ["projection"]},
    "three widths": TINY | {"width": [4, 8, 12], "kinds": ["none", "identity"]},
    "consecutive widths": TINY | {"width": [4, 5], "max_blocks": 1},
    "bottleneck": TINY | {"block": "bottleneck"},
    "both block types": TINY | {"block": ["bottleneck", "basic"], "width": [2, 4]},
    "pre-activation": TINY | {"activation": "pre"},
    "pre-activation bottleneck": TINY | {"activation": "pre", "block": "bottleneck"},
    "no norm": TINY | {"norm": "none"},
    "no norm, pre-activation": TINY | {"norm": "none", "activation": "pre", "zero_init": True},
    "zero-init": TINY | {"zero_init": True},
    "average pooling": TINY | {"projection": "avgpool"},
    "first 1x1 strided": TINY | {"block": "bottleneck", "bottleneck_stride": "1x1"},
    "large stem": TINY | {"stem": "large"},
}

LONGSKIP: dict[str, dict[str, Any]] = {
    "span 1": LONG | {"max_span": 1},
    "within stages": LONG | {"across_stages": False, "max_blocks": 3},
    "across three stages": LONG | {"stages": 3, "max_blocks": [2, 1, 2], "max_span": 5},
    "no block plain": LONG | {"kinds": ["identity", "projection"]},
    "fan-in 2": LONG | {"max_fan_in": 2},
    "fan-in 3, one kind": LONG | {"max_fan_in": 3, "kinds": ["identity"], "max_span": 3},
    "fan-in 4, fixed depth": LONG | {"max_fan_in": 4, "min_blocks": 2, "max_blocks": 2},
    "few": LONG | {"max_fan_in": 2, "stages": 1, "kinds": ["none", "projection"]},
    "pre-activation bottleneck": LONG | {"activation": "pre", "block": "bottleneck"},
    "pre-activation, zero-init": LONG | {"activation": "pre", "zero_init": True, "max_fan_in": 2},
    "no norm": LONG | {"norm": "none", "max_fan_in": 2},
    "average pooling": LONG | {"projection": "avgpool", "kinds": ["none", "projection"]},
    "widths and blocks": LONG | {"width": [4, 12], "block": ["basic", "bottleneck"]},
}


class TestShippedSpaces(SpaceContract):
    """Each shipped space as it is without configuration."""

    @pytest.fixture(params=list_spaces())
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return make_space({"name": request.param}, DIGITS, num_classes=10)


class TestResidualSpaces(SpaceContract):
    """The residual space in other forms."""

    @pytest.fixture(params=RESIDUAL.values(), ids=list(RESIDUAL))
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return make_space(request.param, ODD_COLOUR, num_classes=3)


class TestLongSkipSpaces(SpaceContract):
    """The space of long skips in other forms."""

    @pytest.fixture(params=LONGSKIP.values(), ids=list(LONGSKIP))
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return make_space(request.param, ODD_COLOUR, num_classes=3)
