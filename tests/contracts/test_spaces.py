"""The shipped spaces under the contract, at their default and at the edges of what they allow."""

from typing import Any

import pytest

from search_spaces import InputShape, SearchSpace, list_spaces, make_space
from tests.contracts.space_contract import SpaceContract

DIGITS = InputShape(channels=1, height=8, width=8)
ODD_COLOUR = InputShape(channels=3, height=7, width=5)


class TestShippedSpaces(SpaceContract):
    """Each shipped space as it is without configuration."""

    @pytest.fixture(params=list_spaces())
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return make_space({"name": request.param}, DIGITS, num_classes=10)


class TestResidualSpaces(SpaceContract):
    """The residual space in other forms."""

    @pytest.fixture(
        params=[
            pytest.param({"stages": 1, "max_blocks": 1}, id="one block"),
            pytest.param({"min_blocks": 2, "max_blocks": 2, "stages": 2}, id="fixed depth"),
            pytest.param({"max_blocks": 2, "width": 4}, id="small"),
            pytest.param({"max_blocks": 2, "kinds": ["identity", "none"]}, id="two kinds"),
            pytest.param({"max_blocks": 3, "kinds": ["projection"]}, id="depth only"),
        ]
    )
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        config: dict[str, Any] = request.param
        return make_space(config, ODD_COLOUR, num_classes=3)
