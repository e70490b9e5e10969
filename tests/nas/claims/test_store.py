import json
from pathlib import Path

import pytest

from nas.claims.jobs import Training
from nas.claims.setup import ClaimsSetup
from nas.claims.store import JobStore
from nas.config import make_config
from tests.nas.fake_pool import make_failure, make_measurement

SETUP = ClaimsSetup.from_config(make_config({}))


def make_training(replicate: int = 0) -> Training:
    return SETUP.by_depth(SETUP.of_layers(8), replicate)


def add(store: JobStore, training: Training) -> None:
    store.add_training(training, make_measurement(training.candidate()), {"probe": {"stem": 0.5}})


def test_what_was_added_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "trainings.jsonl"
    store = JobStore(path)
    add(store, make_training())
    failed = make_training(1)
    store.add_training(failed, make_failure(failed.candidate()), {})
    store.add_measured(SETUP.measuring("toy", 3), {"rates": [0.1]})
    again = JobStore(path)
    assert again.outcomes == store.outcomes
    assert again.measured == {SETUP.measuring("toy", 3).key: {"rates": [0.1]}}
    assert again.outcomes[failed.key].diverged
    assert again.outcomes[make_training().key].inside == {"probe": {"stem": 0.5}}


def test_a_line_cut_short_is_left_out_and_the_next_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "trainings.jsonl"
    for replicate in range(2):
        add(JobStore(path), make_training(replicate))
    path.write_text(path.read_text()[:-30])
    store = JobStore(path)
    assert list(store.outcomes) == [make_training(0).key]
    add(store, make_training(2))
    assert list(JobStore(path).outcomes) == [make_training(0).key, make_training(2).key]


def test_numbers_that_are_not_finite_are_null(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "trainings.jsonl")
    training = make_training()
    inside = {"branch_shortcut_ratio": [float("nan"), 0.5, float("inf")]}
    store.add_training(training, make_measurement(training.candidate()), inside)
    [line] = store.path.read_text().splitlines()
    assert json.loads(line)["inside"]["branch_shortcut_ratio"] == [None, 0.5, None]
    assert "NaN" not in line


@pytest.mark.parametrize("line", ["[]\n", '{"no": "key"}\n', "\n", "nonsense\n"])
def test_lines_of_no_meaning_are_left_out(tmp_path: Path, line: str) -> None:
    path = tmp_path / "trainings.jsonl"
    path.write_text(line)
    assert JobStore(path).outcomes == {}
