"""Specs that older versions of the toolkit wrote, brought up to the present schema; no torch here.

1   basic blocks with batch norm and ReLU after the addition, 3x3 stem
2   adds stem, block types, activation, norm, zero_init, projection, bottleneck_stride
"""

from collections.abc import Callable, Mapping
from typing import Any

from search_spaces.errors import SpecError

SCHEMA_VERSION = 2
"""Version that is written."""
_SINCE_2 = ("stem", "activation", "norm", "zero_init", "projection", "bottleneck_stride")


def upgrade(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of a spec in the present schema.

    Raises:
        SpecError: The version is not one that this toolkit reads, or it has no such field.
    """
    found = dict(data)
    while True:
        version = found.get("schema_version", SCHEMA_VERSION)
        # A truth value is an int to Python, and 2.0 equals 2.
        is_int = type(version) is int
        if is_int and version == SCHEMA_VERSION:
            return found
        if not is_int or version not in _STEPS:
            known = ", ".join(map(str, [*_STEPS, SCHEMA_VERSION]))
            raise SpecError(
                f"An architecture spec must have schema_version {known}, got "
                f"schema_version={version!r}. It was written by another version of the toolkit."
            )
        found = _STEPS[version](found)


def _from_version_1(data: dict[str, Any]) -> dict[str, Any]:
    """What version 1 could not say has the defaults of version 2."""
    newer = [name for name in _SINCE_2 if name in data]
    if data.get("block", "basic") != "basic":
        newer.append("block")
    if newer:
        raise SpecError(
            f"An architecture spec of schema_version 1 must have the fields of that version, got "
            f"{newer[0]}={data[newer[0]]!r}. Write schema_version 2, or leave the field out."
        )
    return data | {"schema_version": 2}


_STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_version_1}
