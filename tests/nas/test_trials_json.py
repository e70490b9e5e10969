import json

import pytest

from nas.trials import Source, State, TrialRecord
from nas.trials_json import record_from_json, record_to_json
from search_spaces.errors import SpecError
from tests.nas.wandb_studies import make_record


@pytest.mark.parametrize(
    "record",
    [
        make_record(3, ended_utc="2026-01-31T12:30:05+00:00"),
        make_record(4, state=State.FAILED, reason="oom", message="too large", value=None),
        make_record(5, source=Source.FINALIST, of_trial=3),
        TrialRecord(number=0, state=State.PRUNED, source=Source.ADAPTIVE, decisions={}),
    ],
)
def test_record_survives_json(record: TrialRecord) -> None:
    assert record_from_json(json.loads(json.dumps(record_to_json(record)))) == record


def test_record_with_a_broken_spec_is_refused() -> None:
    data = record_to_json(make_record())
    data["spec"]["num_classes"] = 0
    with pytest.raises(SpecError, match="num_classes"):
        record_from_json(data)
