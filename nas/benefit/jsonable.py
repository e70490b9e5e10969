"""Plain JSON data with finite numbers only, the same to the last digit on every run."""

import math
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np

_DIGITS = 10


def jsonable(data: Any) -> Any:
    """Return `data` as dicts, lists, strings, numbers, booleans and None.

    Numbers keep ten significant digits, so that rounding in the last bits does not show; numbers
    that are not finite become None.

    >>> jsonable({"a": (1, float("nan")), "b": 1 / 3})
    {'a': [1, None], 'b': 0.3333333333}
    """
    if isinstance(data, Enum):
        return jsonable(data.value)
    if isinstance(data, Mapping):
        return {str(key): jsonable(value) for key, value in data.items()}
    if isinstance(data, list | tuple | np.ndarray):
        return [jsonable(value) for value in data]
    if isinstance(data, bool | np.bool_):
        return bool(data)
    if isinstance(data, int | np.integer):
        return int(data)
    if isinstance(data, float | np.floating):
        return float(f"{data:.{_DIGITS}g}") if math.isfinite(data) else None
    if isinstance(data, PurePath):
        return str(data)
    return data
