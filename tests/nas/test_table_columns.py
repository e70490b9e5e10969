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
