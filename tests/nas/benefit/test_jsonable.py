import json
from pathlib import Path

import numpy as np

from nas.benefit.jsonable import jsonable
from search_spaces.spec import Kind


def test_numbers_are_finite_and_rounded_and_types_plain():
    data = {
        1: np.float64(1 / 3), "b": [np.int64(2), np.bool_(True), float("inf")],
        "c": (Kind.NONE, Path("a") / "b"), "d": np.array([1.5, np.nan]), "e": None, "f": "text",
    }  # fmt: skip
    assert json.loads(json.dumps(jsonable(data), allow_nan=False)) == {
        "1": 0.3333333333,
        "b": [2, True, None],
        "c": ["none", "a/b"],
        "d": [1.5, None],
        "e": None,
        "f": "text",
    }
