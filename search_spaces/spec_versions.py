"""Specs that older versions of the toolkit wrote, brought up to the present schema; no torch here.

1   basic blocks with batch norm and ReLU after the addition, 3x3 stem
2   adds stem, block types, activation, norm, zero_init, projection, bottleneck_stride
"""

from collections.abc import Callable, Mapping
from typing import Any

from search_spaces.errors import SpecError

SCHEMA_VERSION = 2
"""Version that is written."""


def upgrade(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of a spec in the present schema.

    Raises:
        SpecError: The version is not one that this toolkit reads.
    """
    found = dict(data)
    while (version := found.get("schema_version", SCHEMA_VERSION)) != SCHEMA_VERSION:
        # A truth value is an int to Python, and 1.0 equals 1.
        if type(version) is not int or version not in _STEPS:
            known = ", ".join(map(str, [*_STEPS, SCHEMA_VERSION]))
            raise SpecError(
                f"An architecture spec must have schema_version {known}, got "
                f"schema_version={version!r}. It was written by another version of the toolkit."
            )
        found = _STEPS[version](found)
    return found


def _from_version_1(data: dict[str, Any]) -> dict[str, Any]:
    """What version 1 could not say has the defaults of version 2."""
    return data | {"schema_version": 2}


_STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_version_1}
