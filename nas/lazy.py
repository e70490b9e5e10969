"""Fields that are made when somebody first reads them, for records of which there are thousands."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


@dataclass(frozen=True)
class Later(Generic[T]):
    """A value that is not made yet."""

    make: Callable[[Any], T]
    data: Any
    """What it is made from."""


class Lazy(Generic[T]):
    """A field of a dataclass that takes a value, or a `Later` that is made at the first reading.

    Args:
        default: Value where none is given.
    """

    def __init__(self, default: T) -> None:
        self._default = default
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        """Learn the field's name."""
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> T: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> T:
        """Return the value; of the class the default, which is what dataclasses ask for."""
        if instance is None:
            return self._default
        value = instance.__dict__[self._name]
        if isinstance(value, Later):
            value = instance.__dict__[self._name] = value.make(value.data)
        return value

    def __set__(self, instance: object, value: "T | Later[T]") -> None:
        """Keep the value, made or not."""
        instance.__dict__[self._name] = value
