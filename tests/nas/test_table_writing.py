from dataclasses import replace

import numpy as np
import pytest

from nas.benefit.sample import is_full_identity
from nas.spans import all_spans_of, spans_of
from nas.tables import read_trials_csv, write_trials_csv
from nas.trials import Source, State, TrialRecord
from search_spaces import make_space
from tests.nas.table_files import IMAGES, design_trials


@pytest.fixture
def trials():
    return design_trials()


def test_what_is_written_is_read_back(tmp_path, trials):
    path = tmp_path / "new" / "trials.csv"
    write_trials_csv(path, trials)
    header = path.read_text().splitlines()[0].split(",")
    assert header[:7] == ["trial", "state", "source", "value", "seed", "lr", "weight_decay"]
    assert header[7:12] == [
        "depth.stage1", "depth.stage2", "depth.stage3", "skip.stage1.block1", "skip.stage1.block2",
    ]  # fmt: skip
    for ours, theirs in zip(trials, read_trials_csv(path), strict=True):
        for name in ("number", "state", "source", "value", "decisions", "seed", "lr", "metrics",
                     "spec_id", "epochs_done", "seconds", "params"):  # fmt: skip
            assert getattr(theirs, name) == getattr(ours, name)


def test_trials_that_have_not_ended_are_left_out_so_that_the_table_can_be_read(tmp_path, trials):
    path = tmp_path / "trials.csv"
    states = (State.RUNNING, State.WAITING)
    unfinished = [replace(trials[n], state=state, value=None) for n, state in enumerate(states)]
    failed = replace(trials[2], state=State.FAILED, value=None, reason="oom")
    write_trials_csv(path, [*unfinished, failed, trials[3]])
    assert [row.number for row in read_trials_csv(path)] == [2, 3]


def test_decisions_about_the_whole_network_and_the_recipe_are_written_and_read(tmp_path):
    record = TrialRecord(
        number=0,
        state=State.COMPLETE,
        source=Source.ADAPTIVE,
        decisions={
            "block": "bottleneck",
            "depth.stage1": 2,
            "skip.stage1.block1": "none",
            "skip.stage1.block2": "identity",
            "width": 16,
        },
        value=0.5,
        lr=0.05,
        weight_decay=1e-4,
    )
    write_trials_csv(tmp_path / "trials.csv", [record])
    header = (tmp_path / "trials.csv").read_text().splitlines()[0]
    assert "weight_decay,width,block,depth.stage1,skip.stage1.block1" in header
    [read] = read_trials_csv(tmp_path / "trials.csv")
    assert read.decisions == record.decisions
    assert read.training == record.training == (None, 0.05, 1e-4)


def test_a_study_with_long_and_further_skips_survives_the_way_to_a_file(tmp_path):
    space = make_space(
        {"name": "longskip", "stages": 2, "max_blocks": 2, "max_fan_in": 2},
        IMAGES,
        10,
    )
    rng = np.random.default_rng(0)
    records = [
        TrialRecord(
            number=number,
            state=State.COMPLETE,
            source=Source.RANDOMISED if number % 2 else Source.ADAPTIVE,
            decisions=space.decisions(space.sample(rng)),
            value=float(rng.normal()),
        )
        for number in range(40)
    ]
    write_trials_csv(tmp_path / "long.csv", records)
    found = read_trials_csv(tmp_path / "long.csv")
    assert [row.decisions for row in found] == [row.decisions for row in records]
    assert any(name.startswith("skip2.") for row in found for name in row.decisions)


def test_rows_that_constraints_left_out_survive_the_way_to_a_file(tmp_path, trials):
    path = tmp_path / "trials.csv"
    write_trials_csv(path, [replace(trials[0], rows_left_out=3), *trials[1:4]])
    assert [row.rows_left_out for row in read_trials_csv(path)] == [3, 0, 0, 0]
    write_trials_csv(path, trials)
    assert "rows_left_out" not in path.read_text()


def test_decisions_of_repeats_tell_their_spans(tmp_path, trials):
    # Outside the space a span of 1 is not named.
    decisions = {
        "depth.stage1": 3,
        "skip.stage1.block1": "identity",
        "skip.stage1.block2": "none",
        "skip.stage1.block3": "identity",
        "span.stage1.block3": 2,
        "skip2.stage1.block3": "projection",
        "span2.stage1.block3": 3,
    }
    path = tmp_path / "repeats.csv"
    finalist = replace(trials[0], source=Source.FINALIST, spec=None, decisions=decisions)
    write_trials_csv(path, [finalist])
    [read] = read_trials_csv(path)
    assert list(all_spans_of(read).values()) == [(1,), (), (2, 3)]
    assert list(spans_of(read).values()) == [1, 0, 2]
    assert not is_full_identity(read)


def test_pairs_survive_the_way_to_a_file(tmp_path, trials):
    path = tmp_path / "repeats.csv"
    paired = [
        replace(
            trials[number],
            number=number,
            source=Source.PAIRED,
            base="identity-32",
            flip=flip,
            replicate=number // 2,
            spec=None,
            spec_id=None,
        )
        for number, flip in enumerate([None, "stage2.block3=none"] * 2)
    ]
    write_trials_csv(path, paired)
    found = read_trials_csv(path)
    assert [(row.base, row.flip, row.replicate) for row in found] == [
        (row.base, row.flip, row.replicate) for row in paired
    ]
    write_trials_csv(path, trials)
    assert "replicate" not in path.read_text().splitlines()[0]
