from typing import Any

import pytest

from search_spaces import InputShape, ResidualSpace, SpaceError, list_spaces, make_space
from search_spaces.registry import resolve_space

DIGITS = InputShape(channels=1, height=8, width=8)


def test_residual_is_shipped() -> None:
    assert list_spaces() == ["residual"]


def test_space_without_a_name_is_the_residual_one() -> None:
    space = make_space({"width": 4}, DIGITS, num_classes=3)
    assert isinstance(space, ResidualSpace)
    assert (space.config.width, space.input, space.num_classes) == (4, DIGITS, 3)


def test_defaults_are_filled_in() -> None:
    assert resolve_space({"max_blocks": 2}) == {
        "name": "residual",
        "stages": 3,
        "min_blocks": 1,
        "max_blocks": 2,
        "width": 8,
        "kinds": ["none", "identity", "projection"],
    }


def test_resolved_configuration_resolves_to_itself() -> None:
    resolved = resolve_space({"kinds": ["none", "identity"]})
    assert resolve_space(resolved) == resolved


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "residul"}, "search space 'residul'. Did you mean 'residual'?"),
        ({"name": ["residual"]}, r"Unknown search space \['residual'\]"),
        ({"wdth": 8}, "Unknown key 'space.wdth'. Did you mean 'width'?"),
        ({"kinds": ["none", "identiy"]}, "'identiy' in space.kinds. Did you mean 'identity'?"),
        ({"kinds": "none"}, "space.kinds: .*, got 'none'"),
        ({"kinds": []}, r"space.kinds must name each kind once, got \[\]"),
        ({"width": 0}, "space.width: .*1, got 0"),
        ({"min_blocks": 0}, "space.min_blocks: .*1, got 0"),
        ({"stages": 9}, "space.stages: .*8, got 9"),
        ({"min_blocks": 3, "max_blocks": 2}, "got min_blocks=3 and max_blocks=2"),
    ],
)
def test_wrong_configuration_is_an_error_that_names_it(
    config: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpaceError, match=message):
        make_space(config, DIGITS, num_classes=10)
