import pytest

from nas.errors import TableError
from nas.tables import read_trials_csv
from tests.nas.table_files import GOOD, HEADER, LONG, table


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "1,complete,randomised,0.5,1,none,identity",
            r"line 3: column 'skip.stage1.block2' must be empty where the block does not exist, "
            r"got skip.stage1.block2='identity' with depth.stage1=1",
        ),
        (
            "1,complete,randomised,0.5,,identity,",
            r"got skip.stage1.block1='identity' with depth.stage1=empty",
        ),
        (
            "1,complete,randomised,0.5,2,none,",
            r"line 3: column 'skip.stage1.block2' must name a kind where the block exists, got an "
            r"empty cell or no such column with depth.stage1=2. Write none",
        ),
        (
            "0,complete,adaptive,0.5,2,none,none",
            r"line 3: column 'trial' must not repeat, got trial=0 as in line 2",
        ),
    ],
)
def test_what_does_not_fit_together_is_named_by_line_column_and_value(tmp_path, line, message):
    with pytest.raises(TableError, match=message):
        read_trials_csv(table(tmp_path, GOOD, line))


WITH_ID = "trial,state,source,value,spec_id,skip.stage1.block1"


def test_one_spec_id_for_different_skips_is_refused_with_both_lines(tmp_path):
    lines = ["0,complete,randomised,1,abc,none", "1,complete,randomised,2,abc,identity"]
    match = r"line 3: one spec_id must .* got spec_id='abc' in lines 2 and 3 with other decisions"
    with pytest.raises(TableError, match=match):
        read_trials_csv(table(tmp_path, *lines, header=WITH_ID))


def test_equal_skips_may_have_several_spec_ids(tmp_path):
    lines = ["0,complete,randomised,1,abc,none", "1,complete,randomised,2,abd,none"]
    rows = read_trials_csv(table(tmp_path, *lines, header=WITH_ID))
    assert [row.spec_id for row in rows] == ["abc", "abd"]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            "none,none,2",
            r"line 2: column 'span.stage1.block2' must be empty where no skip ends, got "
            r"span.stage1.block2=2 with skip.stage1.block2=none\. Clear the cell\.",
        ),
        (
            "none,identity,3",
            r"line 2: column 'span.stage1.block2' must be at most 2, the blocks up to there, got "
            r"span.stage1.block2=3\. A span counts blocks",
        ),
        ("none,identity,0", r"column 'span.stage1.block2' must be an integer >= 1, got"),
    ],
)
def test_a_span_without_a_skip_or_from_outside_the_network_is_refused(tmp_path, cells, message):
    path = table(tmp_path, f"0,complete,randomised,0.5,{cells}", header=LONG)
    with pytest.raises(TableError, match=message):
        read_trials_csv(path)


FURTHER = f"{LONG},skip2.stage1.block2,span2.stage1.block2"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            "identity,1,identity,",
            r"'span2.stage1.block2' must be above 1, .* got .*=empty\. Of sev",
        ),
        (
            "identity,1,identity,1",
            r"'span2.stage1.block2' must be above 1, the span of the skip b",
        ),
        (
            "identity,1,identity,3",
            r"'span2.stage1.block2' must be at most 2, the blocks up to the",
        ),
        (
            "identity,1,none,2",
            r"'span2.stage1.block2' must be empty where no skip ends, got span2",
        ),
    ],
)
def test_a_further_skip_is_longer_than_the_one_before(tmp_path, cells, message):
    path = table(tmp_path, f"0,complete,randomised,0.5,none,{cells}", header=FURTHER)
    with pytest.raises(TableError, match=message):
        read_trials_csv(path)


@pytest.mark.parametrize("layers", [2, 7])
def test_layers_that_the_blocks_cannot_have_are_refused(tmp_path, layers):
    path = table(tmp_path, f"{GOOD},{layers}", header=f"{HEADER},layers")
    match = (
        rf"'layers' must be 2 .* for each of the 2 blocks, got layers={layers}\. Correct it, or"
    )
    with pytest.raises(TableError, match=match):
        read_trials_csv(path)


def test_block_that_no_design_row_decides_needs_no_kind(tmp_path):
    # A space may fix the kind at some blocks, which anchors of another kind name all the same.
    lines = ["0,complete,randomised,0.5,3,none,identity", "1,complete,anchor,0.5,3,none,none"]
    assert len(read_trials_csv(table(tmp_path, *lines))) == 2


def test_block_that_a_design_row_decides_needs_a_kind_in_adaptive_rows_too(tmp_path):
    lines = ["0,complete,randomised,0.5,2,none,identity", "1,complete,adaptive,0.5,2,none,"]
    with pytest.raises(TableError, match=r"line 3: column 'skip.stage1.block2' must name a kind"):
        read_trials_csv(table(tmp_path, *lines))
