"""How likely each kind and span is at each block, among the networks that effects average over."""

from collections.abc import Hashable, Sequence
from typing import Any

from nas.benefit.frame import Frame
from nas.benefit.sample import kinds_of
from nas.benefit.spans import CLASSIC
from nas.spans import spans_of


def reference_distribution(frame: Frame) -> dict[str, Any]:
    """Return the chances of kinds at each block, and of spans given a skip where spans vary.

    Where rows were left out for a constraint these are frequencies among the rows: 0 for a kind
    that a block may have and no row has, None while there are no rows.
    """
    kinds = [kinds_of(row) for row in frame.reference_rows]
    spans = [spans_of(row) for row in frame.reference_rows]
    choices = list(zip(frame.places, frame.choices, strict=True))
    found: dict[str, Any] = {
        "name": "uniform_within_constraints" if frame.is_conditional else "uniform",
        "per_position_probs": {
            str(place): _chances(
                [kind.value for kind in own.kinds],
                [row[place].value for row in kinds if place in row],
                frame,
            )
            for place, own in choices
        },
    }
    if any(own.spans != (CLASSIC,) for own in frame.choices):
        found["per_position_span_probs"] = {
            str(place): _chances(own.spans, [row[place] for row in spans if row.get(place)], frame)
            for place, own in choices
        }
    return found


def _chances(
    possible: Sequence[Hashable], seen: Sequence[Hashable], frame: Frame
) -> dict[Any, float | None]:
    if not frame.is_conditional:
        return dict.fromkeys(possible, 1 / max(len(possible), 1))
    return {one: seen.count(one) / len(seen) if seen else None for one in possible}
