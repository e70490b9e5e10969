"""Search spaces by configuration: shipped ones by name, others by class path; no torch here."""

import inspect
from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from search_spaces.backbone_fields import BackboneFields
from search_spaces.class_paths import in_words, load_class
from search_spaces.errors import SpaceError, UserError, did_you_mean
from search_spaces.field_errors import explain
from search_spaces.longskip import LongSkipSpace, LongSkipSpaceConfig
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig
from search_spaces.space import SearchSpace
from search_spaces.spec import InputShape

_SHIPPED: dict[str, tuple[type[BackboneFields], Any]] = {
    "residual": (ResidualSpaceConfig, ResidualSpace),
    "longskip": (LongSkipSpaceConfig, LongSkipSpace),
}
_CLASS_KEYS = ("class_path", "init_args")


def list_spaces() -> list[str]:
    """Names of the shipped spaces."""
    return sorted(_SHIPPED)


def resolve_space(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a space's configuration; fill in the defaults of a shipped one.

    Args:
        config: `name` and the fields of a shipped space, or `class_path` and `init_args` of a
            class that is called as `cls(**init_args, input=..., num_classes=...)`.

    Raises:
        SpaceError: A name, a field, a value or the class is not usable.
    """
    if "class_path" in config:
        path, arguments = _class_config(config)
        _space_class(path, arguments)
        return {"class_path": path, "init_args": arguments}
    name, fields = _shipped_config(config)
    # The name first, for people who read the resolved configuration.
    return {"name": name, **fields.model_dump(mode="json")}


def make_space(config: Mapping[str, Any], input: InputShape, num_classes: int) -> SearchSpace:
    """Make the space that `config` describes, for images of this shape and number of classes.

    Raises:
        SpaceError: A name, a field, a value or the class is not usable.
    """
    if "class_path" in config:
        return _make_own(*_class_config(config), input, num_classes)
    name, fields = _shipped_config(config)
    _, space = _SHIPPED[name]
    return space(fields, input, num_classes)


def _shipped_config(config: Mapping[str, Any]) -> tuple[str, BackboneFields]:
    name = config.get("name", "residual")
    if not isinstance(name, str) or name not in _SHIPPED:
        raise SpaceError(
            f"Unknown search space {name!r}. {did_you_mean(str(name), _SHIPPED)} One of your own "
            "is written {class_path: my_space.MySpace, init_args: {...}}."
        )
    model, _ = _SHIPPED[name]
    try:
        return name, model.model_validate(dict(config))
    except ValidationError as error:
        raise _explain(error, model) from error


def _class_config(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the class path and the arguments of a space of the user's own."""
    for key in config:
        if key not in _CLASS_KEYS:
            raise SpaceError(
                f"Unknown key 'space.{key}' beside class_path. "
                f"{did_you_mean(str(key), _CLASS_KEYS)} Arguments of the class go into init_args."
            )
    path, arguments = config["class_path"], config.get("init_args", {})
    if not isinstance(path, str):
        raise SpaceError(
            "space.class_path must be a dotted path such as 'my_space.MySpace', got "
            f"class_path={path!r}."
        )
    if not isinstance(arguments, Mapping):
        raise SpaceError(
            f"space.init_args must be a mapping of arguments by name, got init_args={arguments!r}."
        )
    return path, dict(cast(Mapping[str, Any], arguments))


def _space_class(path: str, arguments: dict[str, Any]) -> type[SearchSpace]:
    """Load a class and check that it is a whole space that takes these arguments."""
    found = load_class("space", path)
    if not (isinstance(found, type) and issubclass(found, SearchSpace)):
        raise SpaceError(
            "space.class_path must name a subclass of search_spaces.SearchSpace, got "
            f"class_path={path!r}."
        )
    missing = sorted(cast(Any, found).__abstractmethods__)
    if missing:
        raise SpaceError(
            f"space: {path} must define every abstract method of SearchSpace, got a class without "
            f"{', '.join(missing)}. Define them."
        )
    try:
        inspect.signature(found).bind(**arguments, input=None, num_classes=None)
    except TypeError as error:
        raise _wrong_arguments(path, arguments, error) from error
    return found


def _make_own(
    path: str, arguments: dict[str, Any], input: InputShape, num_classes: int
) -> SearchSpace:
    make: Any = _space_class(path, arguments)
    try:
        space = make(**arguments, input=input, num_classes=num_classes)
    except UserError:
        raise
    # A class of the user's can fail in any way.
    except Exception as error:
        raise _wrong_arguments(path, arguments, error) from error
    # A configuration asks for it, before a study tries out the rest.
    try:
        size = space.size
        said = None if type(size) is int and size >= 1 else repr(size)
    except Exception as error:
        raise _wrong_size(path, in_words(error, path)) from error
    if said is not None:
        raise _wrong_size(path, said)
    return space


def _wrong_size(path: str, got: str) -> SpaceError:
    return SpaceError(f"space: {path}.size must be an int >= 1, got {got}. Mend the class.")


def _wrong_arguments(path: str, arguments: dict[str, Any], error: Exception) -> SpaceError:
    # A class of the user's may use the configurations of the shipped spaces.
    reason = error if not isinstance(error, ValidationError) else _explain(error, BackboneFields)
    return SpaceError(
        f"space: {path} must take init_args={arguments!r}, input and num_classes, got "
        f"{type(error).__name__}: {str(reason).rstrip('.')}. Check init_args and the __init__ of the class."
    )


def _explain(error: ValidationError, model: type[BaseModel]) -> UserError:
    problem = error.errors(include_url=False)[0]
    if problem["type"] == "enum" and "kinds" in problem["loc"]:
        word = problem["input"]
        kinds = did_you_mean(str(word), ("none", "identity", "projection"))
        return SpaceError(f"Unknown kind of shortcut {word!r} in space.kinds. {kinds}")
    return explain(error, model, SpaceError, ("space",))
