import pytest

from nas.space_kinds import kinds_of
from search_spaces import InputShape, make_space


@pytest.mark.parametrize("kinds", [["none", "identity", "projection"], ["projection", "none"]])
def test_the_kinds_are_those_that_blocks_may_have(kinds: list[str]) -> None:
    space = make_space({"kinds": kinds}, InputShape(channels=1, height=8, width=8), 10)
    assert {kind.value for kind in kinds_of(space)} == set(kinds)
