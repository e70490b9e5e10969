"""Suites that extensions of yours can be put under; they need `pip install 'skip-nas[testing]'`.

from nas.testing import SpaceContract

class TestMySpace(SpaceContract):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return MySpace(...)
"""

import pytest

# Before the import: failed assertions then show their values, as in a test file.
pytest.register_assert_rewrite("nas.testing.space_contract")

from nas.testing.space_contract import SpaceContract  # noqa: E402

__all__ = ["SpaceContract"]
