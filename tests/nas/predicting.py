"""What `prediction` says of a change, computed from its file alone, as any reader would."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def predicted(
    model: Mapping[str, Any], before: Sequence[str], after: Sequence[str]
) -> tuple[float, float]:
    """Return how much better the second network is, and the half-width of the interval.

    Args:
        model: Content of `prediction`.
        before: Kind of every block.
        after: The same of the changed network.
    """
    terms = model["terms"]
    change = np.array([_value(model, t, after) - _value(model, t, before) for t in terms])
    lower = np.zeros((len(terms), len(terms)))
    lower[np.tril_indices(len(terms))] = model["covariance"]
    covariance = lower + lower.T - np.diag(np.diag(lower))
    variance = float(change @ covariance @ change)
    return float(change @ model["coefficients"]), model["t"] * float(np.sqrt(variance))


def _value(model: Mapping[str, Any], term: Sequence[Any], kinds: Sequence[str]) -> float:
    if len(term) == 2:
        return float(kinds[term[0] - 1] == term[1])
    return _code(model, term[0], term[1], kinds) * _code(model, term[2], term[3], kinds)


def _code(model: Mapping[str, Any], position: int, kind: str, kinds: Sequence[str]) -> float:
    own = kinds[position - 1]
    if own == kind:
        return 1.0
    return -1.0 if own == model["blocks"][position - 1]["kinds"][0] else 0.0
