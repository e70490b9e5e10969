import hashlib

import pytest

from benchmarks.measuring import ROOT

FROZEN = {
    "stock.py": "1387f00307895ffe846d09e9ff589adcbf9a3149b5886cf6e18616204b47ab99",
    "competent.py": "a7e8d6461c8785eddcd61c2f2bca1f7e5a2b70ecbb159117099e5ebed5acd7bb",
}


@pytest.mark.parametrize("name", FROZEN)
def test_a_baseline_is_as_its_decision_record_says(name: str) -> None:
    content = (ROOT / "benchmarks" / name).read_bytes()

    # Another hash needs a decision record: see docs/decisions/015-frozen-baselines.md.
    assert hashlib.sha256(content).hexdigest() == FROZEN[name]
