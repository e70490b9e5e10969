from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from nas.benefit import skip_benefit
from nas.design import design_rows
from nas.errors import TableError
from nas.spans import spans_of
from nas.tables import context_from_rows, read_trials_csv, split_repeats, write_trials_csv
from nas.trials import Source, State, TrialRecord
from search_spaces import make_space
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig
from search_spaces.spec import InputShape, Kind

HEADER = "trial,state,source,value,depth.stage1,skip.stage1.block1,skip.stage1.block2"


def table(tmp_path, *lines, header=HEADER):
    path = tmp_path / "trials.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


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


def test_a_search_trial_and_a_repeat_may_share_a_number(tmp_path):
    path = table(tmp_path, "0,complete,randomised,0.5,1,none,", "0,complete,finalist,0.4,1,none,")
    search, repeats = split_repeats(read_trials_csv(path))
    assert [row.source for row in search] == [Source.RANDOMISED]
    assert [row.source for row in repeats] == [Source.FINALIST]


GOOD = "0,complete,randomised,0.5,2,none,none"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "1,complete,randomised,0.5,2,identiy,none",
            r"line 3: column 'skip.stage1.block1': Unknown kind of shortcut 'identiy'. "
            r"Did you mean 'identity'\? Known: identity, none, projection",
        ),
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
            "1,complete,randomised,0.5,3,none,none",
            r"column 'skip.stage1.block3' must name a kind .* with depth.stage1=3",
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
            "0,complete,adaptive,0.5,2,none,none",
            r"line 3: column 'trial' must not repeat, got trial=0 as in line 2",
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


def test_an_empty_file_a_lone_header_and_a_missing_file_are_told_apart(tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    with pytest.raises(TableError, match=r"empty.csv: must hold a header and trials, got an emp"):
        read_trials_csv(empty)
    with pytest.raises(TableError, match="must hold at least one trial, got only the header"):
        read_trials_csv(table(tmp_path))
    with pytest.raises(TableError, match=r"must exist, got '.*none.csv'"):
        read_trials_csv(tmp_path / "none.csv")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TableError, match=r"binary.csv: must be readable CSV in UTF-8, got"):
        read_trials_csv(binary)


@pytest.fixture
def trials():
    space = ResidualSpace(
        ResidualSpaceConfig(), InputShape(channels=1, height=8, width=8), num_classes=10
    )
    plain = space.spec((5, 5, 5), {})
    records = []
    for number, kinds in enumerate(islice(design_rows([*plain.places()], [*Kind], 0), 50)):
        spec = plain.with_kinds(kinds)
        loss = 3.0 - 0.1 * sum(kind is not Kind.NONE for kind in spec.kinds) + 0.01 * (number % 7)
        records.append(
            TrialRecord(
                number=number, state=State.COMPLETE, source=Source.RANDOMISED,
                decisions=space.decisions(spec), value=loss, spec=spec, spec_id=spec.spec_id,
                seed=number, lr=0.1, metrics={"val_accuracy": 0.9}, epochs_done=8, seconds=1.5,
                params=100,
            )
        )  # fmt: skip
    return records


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


def test_a_bare_table_gives_the_same_effects_as_the_study(tmp_path, trials):
    write_trials_csv(tmp_path / "trials.csv", trials)
    rows = read_trials_csv(tmp_path / "trials.csv")
    bare = skip_benefit(rows, [], context_from_rows(rows, direction="minimize"))
    full = skip_benefit(trials, [], context_from_rows(trials, direction="minimize"))
    assert bare["headline"]["estimate"] == full["headline"]["estimate"]
    assert bare["headline"]["estimate"] == pytest.approx(0.1, abs=0.01)


def test_the_context_of_rows_holds_kinds_and_the_plain_deepest_network(trials):
    context = context_from_rows(trials, direction="maximize", metric="val/accuracy", sesoi=0.01)
    assert context.kinds == tuple(Kind)
    assert context.reference_spec is not None
    assert set(context.reference_spec.kinds) == {Kind.NONE}
    assert (context.direction, context.num_classes, context.sesoi) == ("maximize", 10, 0.01)
    assert context_from_rows([], direction="minimize").kinds is None


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


@pytest.mark.parametrize(("mark", "words"), [(";", "';'"), ("\t", "tabs")])
def test_other_separators_are_named(tmp_path, mark, words):
    path = table(tmp_path, GOOD.replace(",", mark), header=HEADER.replace(",", mark))
    with pytest.raises(
        TableError, match=rf"commas are needed .* got columns separated by {words}"
    ):
        read_trials_csv(path)


def test_another_encoding_is_told_with_a_remedy(tmp_path):
    path = tmp_path / "trials.csv"
    path.write_text(f"{HEADER}\n{GOOD}\n", encoding="utf-16")
    with pytest.raises(TableError, match=r"in UTF-8, got .* Save it again as CSV UTF-8\."):
        read_trials_csv(path)


def test_a_number_that_would_overflow_is_refused(tmp_path):
    path = table(tmp_path, "0,complete,randomised,-1e300,1,none,")
    match = r"'value' must be a finite number below 1e\+50, got value='-1e300'"
    with pytest.raises(TableError, match=match):
        read_trials_csv(path)


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


LONG = "trial,state,source,value,skip.stage1.block1,skip.stage1.block2,span.stage1.block2"


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


def test_a_study_with_long_and_further_skips_survives_the_way_to_a_file(tmp_path):
    space = make_space(
        {"name": "longskip", "stages": 2, "max_blocks": 2, "max_fan_in": 2},
        InputShape(channels=1, height=8, width=8),
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
