from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from search_spaces import InputShape, ResidualSpace, SpaceError, list_spaces, make_space
from search_spaces.longskip import LongSkipSpace
from search_spaces.registry import resolve_space

DIGITS = InputShape(channels=1, height=8, width=8)

OWN = """
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig
from search_spaces.space import SearchSpace


class Deep(ResidualSpace):
    def __init__(self, blocks, *, input, num_classes):
        if blocks > 9:
            raise ValueError(f"{blocks} blocks are too many")
        if blocks < 0:
            raise KeyError(blocks)
        super().__init__(
            ResidualSpaceConfig(min_blocks=blocks, max_blocks=blocks), input, num_classes
        )


class Unfinished(SearchSpace):
    size = 1


class Uncounted(Deep):
    size = 2.0


class Failing(Deep):
    @property
    def size(self):
        return self.nope
"""


def own(name: str, **init_args: Any) -> dict[str, Any]:
    return {"class_path": f"my_space_of_test.{name}", "init_args": init_args}


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A space of the user's in the current folder."""
    (tmp_path / "my_space_of_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)


def test_two_spaces_are_shipped() -> None:
    assert list_spaces() == ["longskip", "residual"]


def test_space_without_a_name_is_the_residual_one() -> None:
    space = make_space({"width": 4}, DIGITS, num_classes=3)
    assert isinstance(space, ResidualSpace)
    assert (space.config.width, space.backbone.input, space.backbone.num_classes) == (4, DIGITS, 3)


def test_space_of_long_skips_is_made_by_name() -> None:
    space = make_space({"name": "longskip", "max_span": 2}, DIGITS, num_classes=3)
    assert isinstance(space, LongSkipSpace)
    assert (space.config.max_span, space.backbone.num_classes) == (2, 3)


def test_defaults_are_filled_in_with_the_name_first() -> None:
    resolved = resolve_space({"max_blocks": 2})
    assert resolved == {
        "name": "residual",
        "stages": 3,
        "min_blocks": 1,
        "max_blocks": 2,
        "width": 8,
        "block": "basic",
        "kinds": ["none", "identity", "projection"],
        "stem": "small",
        "activation": "post",
        "norm": "batch",
        "zero_init": False,
        "projection": "strided",
        "bottleneck_stride": "3x3",
    }
    assert next(iter(resolved)) == "name"


def test_fields_of_long_skips_have_defaults() -> None:
    resolved = resolve_space({"name": "longskip"})
    assert (resolved["max_span"], resolved["across_stages"], resolved["max_fan_in"]) == (
        4,
        True,
        1,
    )


@pytest.mark.parametrize(
    "config",
    [
        {"kinds": ["none", "identity"]},
        {"name": "longskip", "width": [8, 16], "min_blocks": [1, 2, 1]},
        {"block": ["basic", {"class_path": "my_blocks.Mine", "init_args": {"ratio": 4}}]},
        own("Deep", blocks=2),
    ],
)
def test_resolved_configuration_resolves_to_itself(config: Mapping[str, Any]) -> None:
    resolved = resolve_space(config)
    assert resolve_space(resolved) == resolved


def test_space_of_the_users_is_kept_as_given_and_made_for_the_data() -> None:
    assert resolve_space(own("Deep", blocks=2)) == own("Deep", blocks=2)
    space = make_space(own("Deep", blocks=2), DIGITS, num_classes=3)
    assert space.deepest == (2, 2, 2)
    assert next(iter(space)).input == DIGITS


def test_arguments_of_the_users_space_may_be_left_out() -> None:
    path = "search_spaces.residual.ResidualSpace"
    with pytest.raises(
        SpaceError, match=r"init_args=\{\}, .* missing a required argument: 'config'"
    ):
        resolve_space({"class_path": path})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (own("Deep", block=2), r"Deep must take init_args=\{'block': 2\}, .* got TypeError"),
        (own("Deep", blocks=2, input=1), "multiple values for keyword argument 'input'"),
        (own("Unfinished"), "without anchor_depths, decide, decisions, deepest, uniform. Define"),
        (
            own("Missing"),
            "space.class_path must name an importable class, got 'my_space_of_test.M",
        ),
        (
            own("ResidualSpaceConfig"),
            "must name a subclass of search_spaces.SearchSpace, got .*Con",
        ),
        ({"class_path": 3}, "space.class_path must be a dotted path .* got class_path=3"),
        ({"class_path": "a.B", "init_args": [1]}, r"must be a mapping .* got init_args=\[1\]"),
        ({"class_path": "a.B", "max_blocks": 2}, "Unknown key 'space.max_blocks' beside class_pa"),
        ({"class_path": "a.B", "init_arg": {}}, "'space.init_arg' .* Did you mean 'init_args'"),
    ],
)
def test_wrong_class_is_an_error_that_names_it(config: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        resolve_space(config)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (10, "ValueError: 10 blocks are too many"),
        (-1, "KeyError: -1"),
        ("two", "TypeError: '>' not supported"),
    ],
)
def test_space_that_cannot_be_made_is_an_error_with_its_reason(blocks: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=f"Deep must take .* got {message}.* Check init_args"):
        make_space(own("Deep", blocks=blocks), DIGITS, num_classes=3)


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("Uncounted", r"2\.0"),
        ("Failing", r"AttributeError: .* no attribute 'nope' in my_space_of_test.py, line \d+"),
    ],
)
def test_size_that_is_no_number_of_architectures_is_an_error(name: str, got: str) -> None:
    with pytest.raises(SpaceError, match=rf"{name}.size must be an int >= 1, got {got}\. Mend"):
        make_space(own(name, blocks=2), DIGITS, num_classes=3)


def test_wrong_field_of_a_shipped_configuration_within_is_named_in_one_sentence() -> None:
    with pytest.raises(
        SpaceError, match=r"Deep must .* ValidationError: space.min_blocks .* min_blocks=0\. Ch"
    ):
        make_space(own("Deep", blocks=0), DIGITS, num_classes=3)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "residul"}, "search space 'residul'. Did you mean 'residual'?"),
        ({"name": ["residual"]}, r"Unknown search space \['residual'\]"),
        ({"name": "longskp"}, "search space 'longskp'. Did you mean 'longskip'?"),
        ({"name": "longskip", "max_fan_in": 5}, "space.max_fan_in must be <= 4, got max_fan_in=5"),
        ({"max_span": 2}, "Unknown key 'space.max_span'"),
        ({"wdth": 8}, "Unknown key 'space.wdth'. Did you mean 'space.width'?"),
        ({"kinds": ["none", "identiy"]}, "'identiy' in space.kinds. Did you mean 'identity'?"),
        ({"kinds": "none"}, "space.kinds must be a list, got kinds='none'"),
        ({"kinds": []}, r"space.kinds must name each kind once, got \[\]"),
        ({"width": 0}, "space.width must be an int >= 1 .*, got width=0"),
        ({"min_blocks": 0}, "space.min_blocks must be an int >= 1 .*, got min_blocks=0"),
        ({"stages": 9}, "space.stages must be <= 8, got stages=9"),
        ({"min_blocks": 3, "max_blocks": 2}, "got min_blocks=3 and max_blocks=2"),
    ],
)
def test_wrong_configuration_is_an_error_that_names_it(
    config: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpaceError, match=message):
        make_space(config, DIGITS, num_classes=10)
