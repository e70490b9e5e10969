import json
from pathlib import Path

import pytest

from nas.config import make_config
from nas.latencies import Latencies, limits_of
from search_spaces.presets import preset

SPEC = preset("resnet-20")


def test_verdict_is_the_same_in_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    first = Latencies("cpu", 1, path)(SPEC)
    assert first > 0
    assert json.loads(path.read_text()) == {"cpu batch 1": {SPEC.spec_id: first}}
    assert Latencies("cpu", 1, path)(SPEC) == first


def test_other_batch_is_another_number(tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    path.write_text(json.dumps({"cpu batch 1": {SPEC.spec_id: 1e9}}))
    assert Latencies("cpu", 1, path)(SPEC) == 1e9
    assert Latencies("cpu", 2, path)(SPEC) < 1e9
    assert set(json.loads(path.read_text())) == {"cpu batch 1", "cpu batch 2"}


@pytest.mark.parametrize("text", ["", "[1]", '{"cpu batch 1": 3}', '{"cpu batch 1": {"a": "b"}}'])
def test_file_that_says_nothing_is_written_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "latency.json"
    path.write_text(text)
    assert Latencies("cpu", 1, path)(SPEC) > 0
    assert SPEC.spec_id in json.loads(path.read_text())["cpu batch 1"]


def test_study_without_a_latency_limit_measures_nothing(tmp_path: Path) -> None:
    config = make_config({"constraints": {"max_layers": 20}})
    assert limits_of(config, "cpu", tmp_path).allows(SPEC)
    assert list(tmp_path.iterdir()) == []
    limited = make_config({"constraints": {"max_latency_ms": 1e-6}})
    assert not limits_of(limited, "cpu", tmp_path).allows(SPEC)
    assert (tmp_path / "latency.json").is_file()
