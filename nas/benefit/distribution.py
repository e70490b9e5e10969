"""How likely each kind and span is at each block, among the networks that effects average over."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from nas.benefit.frame import Frame
from nas.benefit.grid import KINDS
from nas.benefit.spans import CLASSIC


def reference_distribution(frame: Frame) -> dict[str, Any]:
    """Return the chances of kinds at each block, and of spans given a skip where spans vary.

    Where rows were left out for a constraint these are frequencies among the rows: 0 for a kind
    that a block may have and no row has, None while there are no rows.
    """
    choices = list(zip(frame.places, frame.choices, strict=True))
    found: dict[str, Any] = {
        "name": "uniform_within_constraints" if frame.is_conditional else "uniform",
        "per_position_probs": {
            str(place): _chances(
                [kind.value for kind in own.kinds],
                [KINDS.index(kind) for kind in own.kinds],
                codes[codes >= 0],
                frame,
            )
            for (place, own), codes in zip(choices, frame.grid.codes.T, strict=True)
        },
    }
    if any(own.spans != (CLASSIC,) for own in frame.choices):
        found["per_position_span_probs"] = {
            str(place): _chances(own.spans, own.spans, spans[spans > 0], frame)
            for (place, own), spans in zip(choices, frame.grid.spans.T, strict=True)
        }
    return found


def _chances(
    possible: Sequence[Hashable], codes: Sequence[int], seen: np.ndarray, frame: Frame
) -> dict[Any, float | None]:
    if not frame.is_conditional:
        return dict.fromkeys(possible, 1 / max(len(possible), 1))
    return {
        one: float(np.mean(seen == code)) if len(seen) else None
        for one, code in zip(possible, codes, strict=True)
    }
