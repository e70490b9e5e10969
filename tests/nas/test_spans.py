from dataclasses import replace

from nas.spans import all_spans_of, spans_of
from nas.trials import Source, State, TrialRecord
from search_spaces import InputShape, make_space
from search_spaces.spec import Place

SPACE = make_space(
    {"name": "longskip", "stages": 1, "max_blocks": 3, "max_fan_in": 2},
    InputShape(channels=1, height=8, width=8),
    10,
)
ANSWERS = {
    "depth.stage1": 3,
    "skip.stage1.block1": "none",
    "skip.stage1.block2": "identity",
    "span.stage1.block2": 2,
    "skip.stage1.block3": "projection",
    "span.stage1.block3": 1,
    "skip2.stage1.block3": "identity",
    "span2.stage1.block3": 3,
}
RECORD = TrialRecord(number=0, state=State.COMPLETE, source=Source.RANDOMISED, decisions=ANSWERS)
EXPECTED = {Place(1, 1): 0, Place(1, 2): 2, Place(1, 3): 1}


def test_the_span_of_a_block_is_that_of_the_shortest_skip_that_ends_there() -> None:
    assert spans_of(RECORD) == EXPECTED
    assert spans_of(replace(RECORD, spec=SPACE.from_decisions(ANSWERS))) == EXPECTED


def test_a_skip_without_a_span_is_classic() -> None:
    decisions = {"skip.stage1.block1": "identity", "skip.stage1.block2": "none"}
    record = replace(RECORD, decisions=decisions)
    assert spans_of(record) == {Place(1, 1): 1, Place(1, 2): 0}


def test_all_skips_that_end_at_a_block_are_told_shortest_first() -> None:
    expected = {Place(1, 1): (), Place(1, 2): (2,), Place(1, 3): (1, 3)}
    assert all_spans_of(RECORD) == expected
    assert all_spans_of(replace(RECORD, spec=SPACE.from_decisions(ANSWERS))) == expected
    further = {name: value for name, value in ANSWERS.items() if name[:5] != "span."}
    assert all_spans_of(replace(RECORD, decisions=further))[Place(1, 3)] == (1, 3)
