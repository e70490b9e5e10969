from dataclasses import replace

import pytest

from nas.benefit import skip_benefit
from nas.errors import TableError
from nas.tables import context_from_rows, read_trials_csv, split_repeats, write_trials_csv
from nas.trials import Source, State, TrialRecord
from search_spaces import make_space
from search_spaces.places import Kind
from tests.nas.table_files import GOOD, HEADER, IMAGES, design_trials, table


@pytest.fixture
def trials():
    return design_trials()


def test_a_search_trial_and_a_repeat_may_share_a_number(tmp_path):
    path = table(tmp_path, "0,complete,randomised,0.5,1,none,", "0,complete,finalist,0.4,1,none,")
    search, repeats = split_repeats(read_trials_csv(path))
    assert [row.source for row in search] == [Source.RANDOMISED]
    assert [row.source for row in repeats] == [Source.FINALIST]


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


def test_another_encoding_is_told_with_a_remedy(tmp_path):
    path = tmp_path / "trials.csv"
    path.write_text(f"{HEADER}\n{GOOD}\n", encoding="utf-16")
    with pytest.raises(TableError, match=r"in UTF-8, got .* Save it again as CSV UTF-8\."):
        read_trials_csv(path)


def anchors(space):
    """Plain and full-identity networks, whose losses differ by 4."""
    return [
        TrialRecord(
            number=number,
            state=State.COMPLETE,
            source=Source.ANCHOR,
            decisions=space.decisions(spec),
            value=5.0 if kind is Kind.NONE else 1.0,
            spec=spec,
            name=f"{'plain' if kind is Kind.NONE else 'identity'}-{spec.layers}",
        )
        for number, kind in enumerate((Kind.NONE, Kind.IDENTITY))
        for spec in [space.uniform(space.deepest, kind)]
    ]


def test_bottlenecks_keep_their_depth_and_what_is_worthwhile_on_the_way_to_a_file(tmp_path):
    fields = {"block": "bottleneck", "max_blocks": 2}
    rows = design_trials(40, **fields)
    repeats = anchors(make_space(fields, IMAGES, 10))
    write_trials_csv(tmp_path / "trials.csv", rows)
    write_trials_csv(tmp_path / "repeats.csv", repeats)
    found = skip_benefit(
        read_trials_csv(tmp_path / "trials.csv"),
        read_trials_csv(tmp_path / "repeats.csv"),
        context_from_rows(rows=[], direction="minimize"),
    )
    known = skip_benefit(rows, repeats, context_from_rows(rows, direction="minimize"))
    assert found["reference_depth"] == known["reference_depth"]
    assert found["reference_depth"]["depth"] == 20
    assert found["sesoi"] == known["sesoi"] == pytest.approx(0.2)
    assert [anchor["depth"] for anchor in found["anchors"]] == [20, 20]


def test_a_table_of_a_constrained_study_makes_a_conditional_map(tmp_path):
    rows = design_trials(60)
    write_trials_csv(tmp_path / "trials.csv", [replace(rows[0], rows_left_out=9), *rows[1:]])
    read = read_trials_csv(tmp_path / "trials.csv")
    found = skip_benefit(read, [], context_from_rows(read, direction="minimize"))
    assert "W_CONSTRAINED" in found["warnings"]
    assert {row["check"] for row in found["effects"]} == {None}
