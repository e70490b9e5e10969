import re
from dataclasses import replace

import pytest

from nas.report.effects import Direction
from nas.report.intervals import Frame, Interval, intervals_svg
from nas.report.numbers import Metric
from nas.report.svg import NARROW, WIDE

METRIC = Metric(name="val_log_loss", lower_is_better=True)
ROW = Interval(
    estimate=0.2,
    low=0.1,
    high=0.3,
    direction=Direction.HELPS,
    label="Stage 1",
    name="identity",
    short="I",
    note="16 | 16",
    where="identity, stage 1",
    words="helps, large",
)
FRAME = Frame(title="Effects", note_head="rows")


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_line_says_where_what_and_how_sure(width: float) -> None:
    svg = intervals_svg([ROW], METRIC, width, FRAME)
    assert "identity, stage 1: helps, large, +0.20 (+0.10 to +0.30), n 16 | 16" in svg
    assert 'aria-label="Effects, with 95% intervals"' in svg


def test_without_lines_there_is_no_plot() -> None:
    assert intervals_svg([], METRIC, WIDE, FRAME) == ""


def test_a_side_of_zero_without_room_is_not_named() -> None:
    right = intervals_svg([ROW], METRIC, WIDE, FRAME)
    assert "helps \N{RIGHTWARDS ARROW}" in right
    hurting = replace(ROW, estimate=-0.2, low=-0.3, high=-0.1)
    left = intervals_svg([hurting], METRIC, WIDE, FRAME)
    assert "\N{LEFTWARDS ARROW} hurts" in left
    assert "helps \N{RIGHTWARDS ARROW}" not in left


def test_what_was_not_measured_is_said_and_drawn_without_a_mark() -> None:
    unknown = replace(ROW, estimate=None, low=None, high=None)
    svg = intervals_svg([unknown], METRIC, WIDE, FRAME)
    assert "identity, stage 1: not measured" in svg
    assert "<circle" not in svg


def test_the_truth_is_a_hollow_diamond() -> None:
    svg = intervals_svg([replace(ROW, truth=0.25)], METRIC, WIDE, FRAME)
    assert svg.count('class="hollow"') == 1


def test_long_names_have_room_on_a_phone() -> None:
    def axis(short: str) -> float:
        svg = intervals_svg([replace(ROW, short=short)], METRIC, NARROW, FRAME)
        match = re.search(r'class="axis" d="M([\d.]+),', svg)
        assert match is not None
        return float(match[1])

    assert axis("0.0333") > axis("I")
