"""The space under the contract: from this folder, `python -m pytest test_isotropic.py`."""

import pytest
from isotropic import IsotropicSpace

from nas.testing import SpaceContract
from search_spaces import InputShape, SearchSpace


class TestIsotropicSpace(SpaceContract):
    """A small one, since the contract builds and runs networks."""

    @pytest.fixture
    def space(self) -> SearchSpace:
        """Return the space under test."""
        images = InputShape(channels=1, height=8, width=8)
        return IsotropicSpace(width=4, max_blocks=3, input=images, num_classes=10)
