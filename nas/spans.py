"""Where skips end in the network of a trial, from whatever is known of it."""

from nas.trials import TrialRecord
from search_spaces.spec import Kind, Place

_SKIP, _SPAN = "skip.", "span."


def spans_of(record: TrialRecord) -> dict[Place, int]:
    """Return the span of the shortest skip that ends at every block, 0 where none does.

    In network order; decisions without a span mean the classic block, span 1.
    """
    if record.spec is not None:
        return dict(zip(record.spec.places(), record.spec.spans, strict=True))
    found = {
        Place.parse(name.removeprefix(_SKIP)): str(value)
        for name, value in record.decisions.items()
        if name.startswith(_SKIP)
    }
    return {
        place: 0 if kind == Kind.NONE else int(record.decisions.get(f"{_SPAN}{place}", 1))
        for place, kind in sorted(found.items())
    }
