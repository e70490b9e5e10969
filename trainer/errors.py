"""Errors of recipes and data that a user can mend."""

from search_spaces.errors import UserError


class RecipeError(UserError):
    """A training recipe with a field out of range."""


class DataError(UserError):
    """A data set that is unknown or unusable."""
