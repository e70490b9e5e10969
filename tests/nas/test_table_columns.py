import pytest

from nas.errors import TableError
from nas.tables import read_trials_csv
from tests.nas.table_files import table


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("trial,state,source,skip.stage1.block1", r"column 'value' must be there, got trial, sta"),
        ("trial,state,source,value", r"at least one decision about a skip must be there"),
        ("trial,state,source,value,skip.stage0.block1", r"got column 'skip.stage0.block1'"),
        ("trial,state,source,value,value,skip.stage1.block1", r"got 'value' twice. Remove one"),
    ],
)
def test_a_wrong_header_is_named(tmp_path, header, message):
    with pytest.raises(TableError, match=message):
        read_trials_csv(table(tmp_path, "0,complete,randomised,1", header=header))


@pytest.mark.parametrize(
    ("blocks", "missing"),
    [
        ([1, 2, 4], "skip.stage1.block3"),
        ([1, 9], "skip.stage1.block2"),
        ([3], "skip.stage1.block2"),
    ],
)
def test_a_gap_between_the_blocks_of_a_stage_is_a_lost_column(tmp_path, blocks, missing):
    names = [f"skip.stage1.block{block}" for block in blocks]
    header = ",".join(["trial,state,source,value", *names])
    path = table(tmp_path, "0,complete,randomised,1" + ",none" * len(names), header=header)
    match = rf"line 1: column '{missing}' must be there, as '{names[-1]}' is, got none\. Add it"
    with pytest.raises(TableError, match=match):
        read_trials_csv(path)


def test_the_first_block_of_a_stage_may_have_no_column(tmp_path):
    header = "trial,state,source,value,skip.stage1.block1,skip.stage2.block2"
    path = table(tmp_path, "0,complete,randomised,1,none,identity", header=header)
    assert len(read_trials_csv(path)) == 1
