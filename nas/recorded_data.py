"""Studies on recorded data: the configuration that their table needs; no torch here."""

from collections.abc import Mapping
from typing import Any

from nas.errors import ConfigError
from search_spaces.registry import resolve_space
from trainer.recipe import Recipe
from trainer.recorded.skipbench import NAME, RECIPE, SPACE

_SEARCH = {"trials": 64, "duplicates": "reseed"}
"""Its space has 64 architectures, each recorded on several seeds."""


def with_recorded(data: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in what a study on recorded data has beside the defaults, under what is given.

    Args:
        data: A configuration as it was written.
    """
    if data.get("data") != NAME:
        return dict(data)
    filled = {"name": NAME, "space": SPACE, **data}
    for section, defaults in (("recipe", RECIPE), ("search", _SEARCH)):
        given = data.get(section, {})
        # What is no mapping is refused where the section is read.
        if isinstance(given, Mapping):
            filled[section] = {**defaults, **given}
    return filled


def check_recorded(
    space: Mapping[str, Any], recipe: Recipe, *, has_ranges: bool, has_task: bool
) -> None:
    """Check that everything that a study on recorded data may train is in the table.

    Args:
        space: Resolved configuration of the space.
        recipe: The study's recipe.
        has_ranges: Whether the recipe has ranges.
        has_task: Whether the study has a task of the user's.

    Raises:
        ConfigError: The space, the recipe or the task is not the recorded one.
    """
    if has_task:
        raise ConfigError(
            f"task: data={NAME!r} must have no task, since nothing is trained, got one. Leave "
            "`task` out, or train on data=digits."
        )
    if dict(space) != resolve_space(SPACE):
        raise ConfigError(
            f"space: data={NAME!r} must have the space that was recorded, got "
            f"name={space.get('name', space.get('class_path'))!r} with other fields. Leave "
            "`space` out, or train on data=digits."
        )
    recorded, given = Recipe(**RECIPE).model_dump(), recipe.model_dump()
    others = [f"{key}={given[key]!r}" for key in recorded if given[key] != recorded[key]]
    if others or has_ranges:
        got = ", ".join(others) or "a range"
        raise ConfigError(
            f"recipe: data={NAME!r} must have the recipe that was recorded, got {got}. Leave "
            "`recipe` out, or train on data=digits."
        )
