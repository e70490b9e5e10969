import pytest

from nas.errors import TableError
from nas.spans import spans_of
from nas.tables import read_trials_csv
from nas.trials import Source, State
from tests.nas.table_files import GOOD, HEADER, LONG, table


def test_a_line_becomes_a_trial_with_the_decisions_that_exist(tmp_path):
    path = table(
        tmp_path,
        "0,complete,randomised,0.5,2,none,projection",
        "1,pruned,adaptive,,1,identity,",
    )
    first, second = read_trials_csv(path)
    assert (first.number, first.state, first.source) == (0, State.COMPLETE, Source.RANDOMISED)
    assert first.value == 0.5
    assert first.decisions == {
        "depth.stage1": 2,
        "skip.stage1.block1": "none",
        "skip.stage1.block2": "projection",
    }
    assert second.decisions == {"depth.stage1": 1, "skip.stage1.block1": "identity"}
    assert second.value is None


def test_depth_columns_may_be_missing_and_optional_ones_are_read(tmp_path):
    path = table(
        tmp_path,
        " 7 , failed ,anchor,,3,0.1,plain-8,diverged,0.25,none,whatever",
        header="trial,state,source,value,seed,lr,name,reason,val_accuracy,skip.stage1.block1,mine",
    )
    [row] = read_trials_csv(path)
    assert (row.number, row.seed, row.lr, row.name, row.reason) == (
        7, 3, 0.1, "plain-8", "diverged",
    )  # fmt: skip
    assert row.metrics == {"val_accuracy": 0.25}
    assert row.decisions == {"skip.stage1.block1": "none"}


def test_whole_numbers_written_as_fractions_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "trials.csv"
    path.write_text(f"{HEADER}\n3.0,complete,randomised,1,2.0,none,none\n", encoding="utf-8-sig")
    [row] = read_trials_csv(path)
    assert (row.number, row.decisions["depth.stage1"]) == (3, 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "1,complete,randomised,0.5,2,identiy,none",
            r"line 3: column 'skip.stage1.block1': Unknown kind of shortcut 'identiy'. "
            r"Did you mean 'identity'\? Known: identity, none, projection",
        ),
        (
            "1,complete,randomised,fast,2,none,none",
            r"line 3: column 'value' must be a finite number, got value='fast'",
        ),
        (
            "1,complete,randomised,nan,2,none,none",
            r"line 3: column 'value' must be a finite number, got value='nan'. A trial without a "
            r"result is state=failed",
        ),
        ("1,complete,randomised,inf,2,none,none", r"got value='inf'"),
        (
            "1,complete,randomised,,2,none,none",
            r"column 'value' must be a finite number where state=complete, got value=''",
        ),
        (
            "1,completed,randomised,0.5,2,none,none",
            r"line 3: column 'state' must be a known word, got state='completed'. "
            r"Did you mean 'complete'\? Known: complete, failed, pruned",
        ),
        (
            "1,complete,random,0.5,2,none,none",
            r"column 'source' must be a known word, got source='random'. "
            r"Did you mean 'randomised'\?",
        ),
        (
            "-1,complete,adaptive,0.5,2,none,none",
            r"column 'trial' must be an integer >= 0, got tr",
        ),
        (",complete,adaptive,0.5,2,none,none", r"column 'trial' must be an integer >= 0, got tri"),
        (
            "1,complete,adaptive,0.5,0,none,none",
            r"'depth.stage1' must be an integer >= 1, got dep",
        ),
        ("1,complete,adaptive,0.5,2.5,none,none", r"'depth.stage1' must be an integer >= 0, got"),
        ("1,complete,adaptive,0.5,2,none,none,9", r"as many cells as the header, got 1 more"),
    ],
)
def test_a_wrong_cell_is_named_by_line_column_and_value(tmp_path, line, message):
    with pytest.raises(TableError, match=message):
        read_trials_csv(table(tmp_path, GOOD, line))


def test_a_number_that_would_overflow_is_refused(tmp_path):
    path = table(tmp_path, "0,complete,randomised,-1e300,1,none,")
    match = r"'value' must be a finite number below 1e\+50, got value='-1e300'"
    with pytest.raises(TableError, match=match):
        read_trials_csv(path)


def test_metrics_of_a_task_are_read_where_they_are_numbers(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text(
        "trial,state,source,value,skip.stage1.block1,val_f1,test_f1,val_note\n"
        "0,complete,randomised,0.5,none,0.5,0.25,fine\n"
        "1,complete,randomised,0.6,identity,,nan,\n"
    )
    first, second = read_trials_csv(path)
    assert first.metrics == {"val_f1": 0.5, "test_f1": 0.25}
    assert second.metrics == {}


def test_spans_are_read_and_empty_ones_are_classic(tmp_path):
    path = table(
        tmp_path,
        "0,complete,randomised,0.5,none,projection,2",
        "1,complete,randomised,0.5,none,identity,",
        header=LONG,
    )
    first, second = read_trials_csv(path)
    assert first.decisions["span.stage1.block2"] == 2
    assert list(spans_of(first).values()) == [0, 2]
    assert list(spans_of(second).values()) == [0, 1]


def test_layers_are_read_and_written_again(tmp_path):
    path = table(tmp_path, f"{GOOD},8", f"1{GOOD[1:]},", header=f"{HEADER},layers")
    rows = read_trials_csv(path)
    assert [row.layers for row in rows] == [8, None]
    assert [row.to_row()["layers"] for row in rows] == [8, None]


@pytest.mark.parametrize("rate", ["0", "-0.1"])
def test_a_learning_rate_is_above_zero(tmp_path, rate):
    path = table(
        tmp_path,
        f"0,complete,randomised,1,{rate},none",
        header="trial,state,source,value,lr,skip.stage1.block1",
    )
    with pytest.raises(TableError, match=rf"line 2: column 'lr' must be > 0, got lr='{rate}'"):
        read_trials_csv(path)
