"""Where skips end in the network of a trial, from whatever is known of it."""

import re

from nas.trials import TrialRecord
from search_spaces.places import Kind, Place

_SKIP = re.compile(r"skip(\d*)\.(stage[1-9]\d*\.block[1-9]\d*)")


def spans_of(record: TrialRecord) -> dict[Place, int]:
    """Return the span of the shortest skip that ends at every block, 0 where none does.

    In network order; decisions without a span mean the classic block, span 1.
    """
    return {place: min(spans, default=0) for place, spans in all_spans_of(record).items()}


def all_spans_of(record: TrialRecord) -> dict[Place, tuple[int, ...]]:
    """Return the spans of all skips that end at every block, ascending; empty where none does.

    In network order. Without a spec the first skip is read from `skip.<place>` and `span.<place>`,
    further ones from `skip2.<place>` and `span2.<place>` and so on.
    """
    spec = record.spec
    if spec is not None:
        return {
            place: tuple(sorted(spec.span(skip) for skip in skips))
            for place, skips in zip(spec.places(), spec.incoming, strict=True)
        }
    found: dict[Place, list[int]] = {}
    for name, value in record.decisions.items():
        match = _SKIP.fullmatch(name)
        if match is None:
            continue
        number, place = match[1], match[2]
        spans = found.setdefault(Place.parse(place), [])
        if str(value) != Kind.NONE:
            spans.append(int(record.decisions.get(f"span{number}.{place}", 1)))
    return {place: tuple(sorted(spans)) for place, spans in sorted(found.items())}
