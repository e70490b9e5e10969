"""Where everything of a drawing lies: rows, blocks, and the levels of the skips; no torch here.

Lengths are in px of the SVG's own coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from search_spaces.drawing.runs import Run, runs
from search_spaces.drawing.skips import Arc, place_arcs
from search_spaces.drawing.slots import Slot, place_slots
from search_spaces.spec import ArchitectureSpec

NARROW = 480
"""Below this width the stage labels stand above their rows."""
MARGIN = 10
LEVEL = 15
"""Between nested skips."""
CHIP = 20
"""Height of a chip."""
STAGE_CHIP = 54
"""Width of a stage's chip."""
STEM = 22
"""Height of the stem's and the head's label."""
LEGEND = 20
"""Height of a line of the legend."""
ENTRY, EXIT = 48, 46
"""Room for the names of skips that come from the row above, and that go on below."""
MOST_SINGLE = 64
"""Deeper networks are drawn with runs of equal blocks as one."""
_TYPE = 46
"""More room left of the blocks where their type is named."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of blocks."""

    stage: int
    is_first: bool
    """Whether the stage begins here."""
    middle: float
    """Height of the main line."""
    top: float
    bottom: float


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A drawing before it is written."""

    width: int
    height: float
    gutter: float
    """Room left of the main line."""
    narrow: bool
    block_height: float
    chip_room: float
    """Height that chips take on each side of a block; 0 without effects."""
    slots: tuple[Slot, ...]
    rows: tuple[Row, ...]
    arcs: tuple[Arc, ...]


def lay_out(
    spec: ArchitectureSpec,
    *,
    width: int,
    painted: bool,
    legend_lines: int,
    stage_chips: bool = False,
) -> Layout:
    """Place the blocks of `spec` in rows of at most `width` px, a new row for each stage."""
    narrow = width < NARROW
    gutter = _gutter(spec, narrow=narrow, painted=painted, stage_chips=stage_chips)
    blocks = runs(spec, fold=not painted and spec.num_blocks > MOST_SINGLE)
    slots, arcs = _place(spec, blocks, width - gutter - MARGIN, gutter, painted=painted)
    block_height = 24 if painted else 30
    chips = CHIP + 5.0 if painted else 0.0
    rows = _rows(slots, arcs, block_height=block_height, chips=chips, narrow=narrow)
    return Layout(
        width=width,
        height=rows[-1].bottom + 12 + STEM + LEGEND * legend_lines + MARGIN,
        gutter=gutter,
        narrow=narrow,
        block_height=block_height,
        chip_room=chips,
        slots=slots,
        rows=rows,
        arcs=arcs,
    )


def _gutter(spec: ArchitectureSpec, *, narrow: bool, painted: bool, stage_chips: bool) -> float:
    if narrow:
        return 28 if painted else MARGIN + 8
    return 112 + (0 if spec.block == "basic" else _TYPE) + (STAGE_CHIP + 6 if stage_chips else 0)


def _place(
    spec: ArchitectureSpec, blocks: Sequence[Run], room: float, gutter: float, *, painted: bool
) -> tuple[tuple[Slot, ...], tuple[Arc, ...]]:
    """Place blocks and skips, with room for names only where a skip leaves its row."""
    slots = place_slots(blocks, x=gutter, room=room, painted=painted)
    arcs = place_arcs(spec, slots)
    if all(arc.starts and arc.ends for arc in arcs):
        return slots, arcs
    slots = place_slots(blocks, x=gutter + ENTRY, room=room - ENTRY - EXIT, painted=painted)
    return slots, place_arcs(spec, slots)


def _rows(
    slots: Sequence[Slot],
    arcs: Sequence[Arc],
    *,
    block_height: float,
    chips: float,
    narrow: bool,
) -> tuple[Row, ...]:
    rows: list[Row] = []
    y = MARGIN + STEM + 2.0
    for row in range(slots[-1].row + 1):
        stage = next(slot.shape.place.stage for slot in slots if slot.row == row)
        is_first = not rows or rows[-1].stage != stage
        levels = max((arc.level for arc in arcs if arc.row == row), default=0)
        top = y + (22 if narrow and is_first else 0)
        middle = top + LEVEL * levels + chips + 2 + block_height / 2
        bottom = middle + block_height / 2 + chips + 2
        rows.append(Row(stage=stage, is_first=is_first, middle=middle, top=y, bottom=bottom))
        y = bottom + 12
    return tuple(rows)
