"""Shipped search spaces by name; no torch here."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from search_spaces.errors import SpaceError, did_you_mean
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig
from search_spaces.space import SearchSpace
from search_spaces.spec import InputShape

_SHIPPED = {"residual": (ResidualSpaceConfig, ResidualSpace)}


def list_spaces() -> list[str]:
    """Names of the shipped spaces."""
    return sorted(_SHIPPED)


def resolve_space(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a shipped space's configuration and fill in the defaults.

    Raises:
        SpaceError: The name, a field or a value is not known.
    """
    name = config.get("name", "residual")
    if not isinstance(name, str) or name not in _SHIPPED:
        raise SpaceError(f"Unknown search space {name!r}. {did_you_mean(str(name), _SHIPPED)}")
    model, _ = _SHIPPED[name]
    try:
        return model.model_validate(dict(config)).model_dump(mode="json")
    except ValidationError as error:
        raise SpaceError(_explain(error, list(model.model_fields))) from error


def make_space(config: Mapping[str, Any], input: InputShape, num_classes: int) -> SearchSpace:
    """Make the space that `config` names, for images of this shape and number of classes.

    Raises:
        SpaceError: The name, a field or a value is not known.
    """
    resolved = resolve_space(config)
    model, space = _SHIPPED[resolved["name"]]
    return space(model.model_validate(resolved), input, num_classes)


def _explain(error: ValidationError, fields: list[str]) -> str:
    problem = error.errors(include_url=False)[0]
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, SpaceError):
        return str(cause)
    key = str(problem["loc"][0]) if problem["loc"] else ""
    if problem["type"] == "extra_forbidden":
        return f"Unknown key 'space.{key}'. {did_you_mean(key, fields)}"
    if key == "kinds" and problem["type"] == "enum":
        word = problem["input"]
        kinds = did_you_mean(str(word), ("none", "identity", "projection"))
        return f"Unknown kind of shortcut {word!r} in space.kinds. {kinds}"
    where = ".".join(["space", *(str(part) for part in problem["loc"])])
    return f"{where}: {problem['msg']}, got {problem['input']!r}."
