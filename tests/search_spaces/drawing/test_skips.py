import re
import xml.etree.ElementTree as ET
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.drawing import draw_svg
from search_spaces.drawing.layout import Layout, lay_out
from search_spaces.drawing.skips import Arc
from search_spaces.presets import cifar_network
from search_spaces.spec import ArchitectureSpec

SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def specs(draw: st.DrawFn) -> ArchitectureSpec:
    """Networks of up to 24 blocks with skips of any kind, span and fan-in."""
    plain = cifar_network(blocks=draw(st.integers(1, 8)))
    names = [str(place) for place in plain.places()]
    pairs = list(combinations(range(len(names) + 1), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=25, unique=True))
    kinds = st.sampled_from(["identity", "projection"])
    return plain.with_skips(
        [{"from": names[i], "to": names[j - 1], "kind": draw(kinds)} for i, j in chosen]
    )


def layout_of(spec: ArchitectureSpec, width: int = 720) -> Layout:
    return lay_out(spec, width=width, painted=False, legend_lines=1)


def verticals(arc: Arc) -> list[float]:
    return [x for x, is_there in ((arc.x0, arc.starts), (arc.x1, arc.ends)) if is_there]


@settings(deadline=None, max_examples=60)
@given(specs(), st.sampled_from([360, 720]))
def test_no_two_skips_share_a_line(spec: ArchitectureSpec, width: int) -> None:
    layout = layout_of(spec, width)
    for one, other in combinations(layout.arcs, 2):
        if one.row != other.row:
            continue
        overlaps = one.first <= other.last and other.first <= one.last
        assert not overlaps or one.level != other.level
        for x in verticals(one):
            assert all(abs(x - y) > 0.4 for y in verticals(other))


@settings(deadline=None, max_examples=60)
@given(specs(), st.sampled_from([360, 720]))
def test_every_skip_runs_from_its_start_through_all_rows_to_its_end(
    spec: ArchitectureSpec, width: int
) -> None:
    layout = layout_of(spec, width)
    slot_of = {str(slot.shape.place): slot for slot in layout.slots}
    for skip in spec.skips:
        parts = [arc for arc in layout.arcs if arc.skip == skip]
        start, end = slot_of[skip.start], slot_of[skip.end]
        assert [part.row for part in parts] == list(range(start.row, end.row + 1))
        assert abs(parts[0].x0 - start.dot) <= 9
        assert abs(parts[-1].x1 - end.plus) <= 5
        assert [part.starts for part in parts] == [True, *[False] * (len(parts) - 1)]
        assert [part.ends for part in parts] == [*[False] * (len(parts) - 1), True]


@settings(deadline=None, max_examples=40)
@given(specs(), st.sampled_from([360, 720]))
def test_all_lines_lie_inside_the_picture(spec: ArchitectureSpec, width: int) -> None:
    root = ET.fromstring(draw_svg(spec, width=width))
    height = float(root.attrib["height"])
    for group in root.findall(f"{SVG}g"):
        path = group.find(f"{SVG}path")
        if path is None or not path.attrib["class"].startswith(("nn-identity", "nn-projection")):
            continue
        xs = [float(x) for x in re.findall(r"[MH](-?[\d.]+)", path.attrib["d"])]
        ys = [float(y) for y in re.findall(r"(?:M[\d.]+,|V)(-?[\d.]+)", path.attrib["d"])]
        assert all(0 <= x <= width for x in xs)
        assert all(0 <= y <= height for y in ys)


def test_skips_that_begin_at_one_block_leave_side_by_side_the_longest_outwards() -> None:
    plain = cifar_network(blocks=3)
    starts = [("stage1.block1", f"stage1.block{end}") for end in (1, 2, 3)]
    spec = plain.with_skips([{"from": a, "to": b, "kind": "identity"} for a, b in starts])
    arcs = sorted(layout_of(spec).arcs, key=lambda arc: arc.span)
    assert [arc.level for arc in arcs] == [1, 2, 3]
    assert arcs[0].x0 > arcs[1].x0 > arcs[2].x0


@pytest.fixture
def crossed() -> Arc:
    """A long line that two others cross."""
    skips = [
        ("stage1.block1", "stage1.block5"),
        ("stage1.block2", "stage1.block7"),
        ("stage1.block4", "stage1.block8"),
    ]
    spec = cifar_network(blocks=8).with_skips(
        [{"from": a, "to": b, "kind": "identity"} for a, b in skips]
    )
    return next(arc for arc in layout_of(spec).arcs if arc.skip.start == "stage1.block1")


def test_marks_stand_where_no_other_skip_crosses(crossed: Arc) -> None:
    assert crossed.crossings
    spot = crossed.free_spot(30, wanted=crossed.crossings[0])
    assert spot is not None
    assert all(abs(spot - x) >= 17 for x in crossed.crossings)


def test_marks_keep_apart_and_are_left_out_where_there_is_no_room(crossed: Arc) -> None:
    first = crossed.free_spot(16, wanted=crossed.x0 + 20)
    assert first is not None
    second = crossed.free_spot(30, wanted=first, taken=[first])
    assert second is not None
    assert abs(second - first) >= 26
    assert crossed.free_spot(crossed.x1 - crossed.x0, wanted=crossed.x0) is None
