"""A recipe of which the learning rate and the weight decay may be ranges; no torch here."""

import math
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler

from nas.errors import ConfigError
from search_spaces.errors import did_you_mean
from trainer.recipe import Recipe

RANGEABLE = ("lr", "weight_decay")
"""Fields that may be a range; each is then an Optuna parameter of the adaptive trials."""
PREFIX = "recipe."
"""First part of those parameters' names, such as `recipe.lr`."""


class LogRange(BaseModel):
    """A range of positive numbers that is searched on a logarithmic scale."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The geometric mean."""
        return math.sqrt(self.low * self.high)

    @classmethod
    def read(cls, key: str, value: Mapping[str, Any]) -> Self:
        """Read `{low: ..., high: ...}`.

        Raises:
            ConfigError: A key is unknown or missing, or 0 < low < high does not hold.
        """
        for name in value:
            if name not in cls.model_fields:
                known = [f"{key}.{field}" for field in cls.model_fields]
                unknown = f"{key}.{name}"
                raise ConfigError(f"Unknown key {unknown!r}. {did_you_mean(unknown, known)}")
        ends = [value.get(name) for name in ("low", "high")]
        low, high = (_number(end) for end in ends)
        if not 0 < low < high < math.inf:
            raise ConfigError(
                f"{key} must be a number or a range with 0 < low < high, got low={ends[0]!r} and "
                f"high={ends[1]!r}. Write {{low: 0.03, high: 0.3}}."
            )
        return cls(low=low, high=high)


def _number(value: Any) -> float:
    """Read a number, which YAML takes for text when it is written like 1e-5; else NaN."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return math.nan


class SearchedRecipe(Recipe):
    """A recipe with ranges; read as a plain recipe it is the reference.

    The reference has the geometric mean of each range: design rows and anchors are trained by it,
    so that the skip map compares networks under one recipe.
    """

    _ranges: dict[str, LogRange] = PrivateAttr(default_factory=dict[str, LogRange])

    @model_validator(mode="wrap")
    @classmethod
    def _take_ranges(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, cls):
            return data
        if isinstance(data, Recipe):
            # No field of a plain recipe is a range.
            data = data.model_dump()
        if not isinstance(data, Mapping):
            return handler(data)
        plain = dict(data)
        ranges: dict[str, LogRange] = {}
        for name, value in data.items():
            if isinstance(value, Mapping) and name in cls.model_fields:
                if name not in RANGEABLE:
                    raise ConfigError(
                        f"recipe.{name} must be one value, got {name}={dict(value)!r}. Only "
                        f"{' and '.join(RANGEABLE)} may be ranges."
                    )
                ranges[name] = LogRange.read(f"{PREFIX}{name}", value)
                plain[name] = ranges[name].middle
        recipe = handler(plain)
        recipe._ranges = ranges
        return recipe

    @property
    def ranges(self) -> Mapping[str, LogRange]:
        """Ranges by field; empty where every trial has the same recipe."""
        return self._ranges

    def reference(self) -> Recipe:
        """Return the recipe of design rows and anchors."""
        return self.resolve({})

    def resolve(self, values: Mapping[str, float | None]) -> Recipe:
        """Return the recipe of one trial.

        Args:
            values: Its own learning rate and weight decay; the reference stands in for those that
                are missing or None.
        """
        own = {name: values.get(name) for name in RANGEABLE}
        given = {name: value for name, value in own.items() if value is not None}
        # Checked when it was read; values come from the ranges, or are those of a design row.
        return Recipe.model_construct(None, **(self.model_dump() | given))

    def values_in(self, params: Mapping[str, Any]) -> dict[str, float]:
        """Return the values of the ranges' fields among a trial's Optuna parameters."""
        names = {name: f"{PREFIX}{name}" for name in self._ranges}
        return {name: float(params[key]) for name, key in names.items() if key in params}

    def to_config(self) -> dict[str, Any]:
        """Return plain data as in a configuration, ranges as ranges."""
        ranges = {name: found.model_dump() for name, found in self._ranges.items()}
        return self.model_dump(mode="json") | ranges

    def describe_ranges(self) -> str:
        """Say in words what is searched; empty where nothing is."""
        return "; ".join(
            f"{name} from {found.low:g} to {found.high:g} in adaptive trials, "
            f"{found.middle:.3g} in design rows and anchors"
            for name, found in self._ranges.items()
        )
