from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from search_spaces.errors import SpaceError, SpecError
from search_spaces.field_errors import explain


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    depth: int = Field(default=1, le=3, lt=5)
    at: tuple[int, ...] = ()

    @field_validator("depth")
    @classmethod
    def _no_two(cls, depth: int) -> int:
        if depth == 2:
            raise SpaceError("depth must not be 2, got depth=2.")
        return depth


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Inner = Inner()
    either: Inner | None = None
    word: Literal["on", "off"] | int | Inner = "on"
    when: complex | None = None


def explained(data: dict[str, Any]) -> Exception:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(data)
    return explain(caught.value, Outer, SpecError)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"inner": {"depth": 4}}, "inner.depth must be <= 3, got depth=4."),
        ({"inner": {"at": [1, "b"]}}, "inner.at.1 must be an int, got inner.at.1='b'."),
        ({"either": {"dept": 1}}, "Unknown key 'either.dept'. Did you mean 'either.depth'?"),
        ({"word": {"dept": 1}}, "Unknown key 'word.dept'. Did you mean 'word.depth'? Known: wo"),
        ({"word": {"depth": 9}}, "word.depth must be <= 3, got depth=9."),
        ({"word": "onn"}, "got word='onn'. Did you mean 'on'?"),
        # A rule that has no words of ours is said in pydantic's.
        ({"when": "noon"}, "when must be a valid python complex object"),
        # The first problem is told, but a misspelt key before any other.
        (
            {"inner": {"depth": 4}, "zzz": 1},
            "Unknown key 'zzz'. Known: either, inner, when, word.",
        ),
        ({"inner": {"depth": {"a": 1}}}, "inner.depth must be an int, got depth={'a': 1}."),
    ],
)
def test_first_problem_is_said_in_words_of_keys(data: dict[str, Any], message: str) -> None:
    error = explained(data)
    assert isinstance(error, SpecError)
    assert str(error).startswith(message) or message in str(error)


def test_error_of_a_check_of_ours_is_passed_on_as_it_is() -> None:
    error = explained({"inner": {"depth": 2}})
    assert isinstance(error, SpaceError)
    assert str(error) == "depth must not be 2, got depth=2."


def test_unknown_key_below_a_plain_value_lists_nothing_wrong() -> None:
    error = explained({"inner": {"depth": 1, "at": []}, "word": {"at": [], "dep": 1}})
    assert str(error).endswith("Known: word.at, word.depth.")


def test_keys_above_the_model_are_named() -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"inner": {"dept": 1}})
    message = str(explain(caught.value, Outer, SpecError, ("space",)))
    assert message.startswith("Unknown key 'space.inner.dept'. Did you mean 'space.inner.depth'?")


def test_list_that_is_too_short_is_told_its_length() -> None:
    class Listed(BaseModel):
        stages: tuple[int, ...] = Field(min_length=1)

    with pytest.raises(ValidationError) as caught:
        Listed.model_validate({"stages": []})
    assert str(explain(caught.value, Listed, SpecError)) == (
        "stages must be a list of 1 or more, got stages=[]."
    )
