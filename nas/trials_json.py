"""Trial records as plain JSON data, to cross a pipe or lie in a file; no torch here."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from nas.trials import Source, State, TrialRecord
from search_spaces.spec import ArchitectureSpec
from trainer.measurement import EpochMetrics


def record_to_json(record: TrialRecord) -> dict[str, Any]:
    """Return plain JSON data; the spec becomes its own JSON form."""
    # Not asdict(record): it would copy the spec deeply before we replace it.
    data = {field.name: getattr(record, field.name) for field in fields(record)}
    return data | {
        "state": record.state.value,
        "source": record.source.value,
        "spec": record.spec.to_dict() if record.spec else None,
        "history": [asdict(epoch) for epoch in record.history],
        "gradient_norms": list(record.gradient_norms),
    }


def record_from_json(data: Mapping[str, Any]) -> TrialRecord:
    """Read what `record_to_json` wrote.

    Raises:
        SpecError: The spec describes no network.
    """
    spec = data["spec"]
    return TrialRecord(
        **{
            **data,
            "state": State(data["state"]),
            "source": Source(data["source"]),
            "spec": ArchitectureSpec.from_dict(spec) if spec else None,
            "history": tuple(EpochMetrics(**epoch) for epoch in data["history"]),
            "gradient_norms": tuple(data["gradient_norms"]),
        }
    )
