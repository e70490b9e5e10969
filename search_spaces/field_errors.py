"""What pydantic found wrong in a spec or a configuration, in the words of its keys; no torch here."""

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from search_spaces.errors import UserError, did_you_mean

# pydantic's name of a problem -> the rule, filled in from the problem's context.
_RULES = {
    "literal_error": "{expected}",
    "int_type": "an int",
    "int_parsing": "an int",
    "int_from_float": "an int",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "dict_type": "a mapping of keys and values",
    "model_type": "a mapping of keys and values",
    "tuple_type": "a list",
    "too_short": "a list of {min_length} or more",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_too_short": "text of {min_length} or more characters",
    "string_too_long": "text of at most {max_length} characters",
    "greater_than_equal": ">= {ge}",
    "greater_than": "> {gt}",
    "less_than_equal": "<= {le}",
    "less_than": "< {lt}",
}
_UNION_MEMBERS = ("int", "none")


def explain(
    error: ValidationError,
    model: type[BaseModel],
    raised: type[UserError],
    inside: tuple[str, ...] = (),
) -> UserError:
    """Turn what pydantic found first into one message that names the key.

    Args:
        error: What pydantic raised.
        model: The model that was validated, which knows the valid keys.
        raised: What to make of it; an error of ours that pydantic caught stays as it is.
        inside: Keys above those of the model.
    """
    problems: list[Any] = list(error.errors(include_url=False))
    # A misspelt key first: it may be why another one is missing.
    for problem in problems:
        if problem["type"] == "extra_forbidden":
            return raised(_unknown_key(_path(problem), model, inside))
    first = _path(problems[0])
    # The members of a union complain one by one; those below the key know more than its others.
    about = [p for p in problems if _path(p)[: len(first)] == first]
    about = [p for p in about if len(_path(p)) > len(first)] or about
    problem = about[0]
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, UserError):
        return cause
    path = [*inside, *_path(problem)]
    key = ".".join(path)
    if problem["type"] == "missing":
        return raised(f"Key {key!r} must be given, got none.")
    rules = " or ".join(dict.fromkeys(_rule(p) for p in about))
    name = key if path[-1].isdigit() else path[-1]
    return raised(f"{key} must be {rules}, got {name}={problem['input']!r}.{_hint(problem)}")


def _unknown_key(path: list[str], model: type[BaseModel], inside: tuple[str, ...]) -> str:
    key = ".".join([*inside, *path])
    prefix = key.rpartition(".")[0]
    known = [f"{prefix}.{name}".lstrip(".") for name in _fields_at(model, path[:-1])]
    return f"Unknown key {key!r}. {did_you_mean(key, known)}"


def _path(problem: Any) -> list[str]:
    """Return the keys to a problem, without the union members that pydantic adds."""
    parts = [str(part) for part in problem["loc"]]
    return [part for part in parts if not (part in _UNION_MEMBERS or _is_class(part))]


def _is_class(part: str) -> bool:
    """Say whether a part names a member of a union; keys are in lower case."""
    return part[:1].isupper() or part.startswith("literal[")


def _rule(problem: Any) -> str:
    if problem["type"] == "model_type" and problem["loc"][-1] in ("ClassPath", "BlockClass"):
        return "a mapping with class_path and init_args"
    rule = _RULES.get(problem["type"])
    if rule is None:
        # pydantic's own words: "Input should be ...".
        return problem["msg"].removeprefix("Input should be ")
    return rule.format(**{key: _plain(value) for key, value in problem.get("ctx", {}).items()})


def _plain(bound: Any) -> Any:
    """Write a bound the way people do: 1 rather than 1.0, 1000000 rather than 1e+06."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _hint(problem: Any) -> str:
    """Return the nearest of the expected words, where one is near."""
    if problem["type"] != "literal_error":
        return ""
    words = problem["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
    hint = did_you_mean(str(problem["input"]), words).partition("Known:")[0].strip()
    return f" {hint}" if hint else ""


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Return the keys that are valid below a path."""
    for key in path:
        if key.isdigit():
            continue
        annotation = model.model_fields[key].annotation
        inner = [m for m in _members(annotation) if issubclass(m, BaseModel)]
        if not inner:
            return []
        model = inner[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _members(annotation: Any) -> list[type]:
    """Return the classes that an annotation is made of, such as ClassPath in `X | None`."""
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation]
    return [member for argument in get_args(annotation) for member in _members(argument)]
