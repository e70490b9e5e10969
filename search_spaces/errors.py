"""Errors a user can mend, in one tree.

    UserError (ValueError)
    +-- SpecError      an architecture spec that describes no network
    +-- SpaceError     a search space that cannot be searched, or a spec outside it
    +-- (trainer)      RecipeError, DataError
    +-- (nas)          ConfigError, RunFolderError, StorageError, ...

Every message gives the rule, the value and what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """Root of all errors that the user can mend."""


class SpecError(UserError):
    """An architecture spec that describes no network."""


class SpaceError(UserError):
    """A search space that cannot be searched, or a value outside it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the part of an error message that lists the valid names, nearest first.

    >>> did_you_mean("identiy", ["none", "identity"])
    "Did you mean 'identity'? Known: identity, none."
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    return f"{hint}Known: {', '.join(names)}."
