"""Where everything of a drawing lies: rows, blocks, and the levels of the skips; no torch here.

Lengths are in px of the SVG's own coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from search_spaces.shapes import BlockShape, block_shapes
from search_spaces.spec import ArchitectureSpec, Kind, Place, SkipSpec

NARROW = 480
"""Below this width the stage labels stand above their rows."""
MARGIN = 10
DOT = 7
"""From a slot's left edge to the point where its skip leaves the line."""
PLUS = 10
"""From the point of addition to a slot's right edge."""
SIDE = 15
"""From a slot's edge to its block."""
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


@dataclass(frozen=True, kw_only=True)
class Slot:
    """The space of one block in its row, from the point of branching to the addition."""

    shape: BlockShape
    row: int
    x: float
    """Left edge."""
    pitch: float
    """Width of the slot."""

    @property
    def dot(self) -> float:
        """Where skips leave the line."""
        return self.x + DOT

    @property
    def plus(self) -> float:
        """Where skips come back to the line."""
        return self.x + self.pitch - PLUS

    @property
    def left(self) -> float:
        """Left edge of the block."""
        return self.x + SIDE

    @property
    def right(self) -> float:
        """Right edge of the block."""
        return self.x + self.pitch - SIDE - 3


@dataclass(frozen=True, kw_only=True)
class Arc:
    """The part of a skip that lies in one row."""

    skip: SkipSpec
    row: int
    x0: float
    x1: float
    starts: bool
    """Whether the skip leaves the line here; else it comes from the row above."""
    ends: bool
    """Whether it comes back here; else it goes on in the row below."""
    level: int
    """1 lies next to the blocks; longer skips lie above shorter ones."""


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
    """Room left of the blocks."""
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
    if narrow:
        gutter = 28 if painted else MARGIN + 8
    else:
        gutter = 112 + (STAGE_CHIP + 6 if stage_chips else 0)
    slots = _slots(spec, width - gutter - MARGIN, gutter, painted=painted)
    num_rows = slots[-1].row + 1
    arcs = _arcs(spec, slots, edges=(gutter - 4, width - MARGIN))
    levels = [max((a.level for a in arcs if a.row == row), default=0) for row in range(num_rows)]
    block_height = 24 if painted else 30
    chips = CHIP + 5.0 if painted else 0.0
    rows: list[Row] = []
    y = MARGIN + STEM + 2.0
    for row in range(num_rows):
        stage = next(slot.shape.place.stage for slot in slots if slot.row == row)
        is_first = not rows or rows[-1].stage != stage
        top = y + (22 if narrow and is_first else 0)
        middle = top + LEVEL * levels[row] + chips + 2 + block_height / 2
        bottom = middle + block_height / 2 + chips + 2
        rows.append(Row(stage=stage, is_first=is_first, middle=middle, top=y, bottom=bottom))
        y = bottom + 12
    return Layout(
        width=width,
        height=y + STEM + LEGEND * legend_lines + MARGIN,
        gutter=gutter,
        narrow=narrow,
        block_height=block_height,
        chip_room=chips,
        slots=slots,
        rows=tuple(rows),
        arcs=arcs,
    )


def _slots(
    spec: ArchitectureSpec, room: float, gutter: float, *, painted: bool
) -> tuple[Slot, ...]:
    smallest, largest = (58, 112) if painted else (54, 96)
    per_row = max(1, int(room // smallest))
    longest = min(per_row, max(spec.depths))
    pitch = min(largest, room / longest)
    slots: list[Slot] = []
    row, column, stage = 0, 0, 1
    for shape in block_shapes(spec):
        if shape.place.stage != stage or column == per_row:
            row, column, stage = row + 1, 0, shape.place.stage
        slots.append(Slot(shape=shape, row=row, x=gutter + column * pitch, pitch=pitch))
        column += 1
    return tuple(slots)


def _arcs(
    spec: ArchitectureSpec, slots: Sequence[Slot], edges: tuple[float, float]
) -> tuple[Arc, ...]:
    """Cut every skip into its rows and stack what overlaps, short ones lowest."""
    slot_at = {slot.shape.place: slot for slot in slots}
    index_of = {slot.shape.place: index for index, slot in enumerate(slots)}

    def span(skip: SkipSpec) -> int:
        return index_of[Place.parse(skip.end)] - index_of[Place.parse(skip.start)]

    placed: list[Arc] = []
    for skip in sorted(spec.skips, key=span):
        start, end = slot_at[Place.parse(skip.start)], slot_at[Place.parse(skip.end)]
        for row in range(start.row, end.row + 1):
            x0 = start.dot if row == start.row else edges[0]
            x1 = end.plus if row == end.row else edges[1]
            below = [a.level for a in placed if a.row == row and a.x0 < x1 and x0 < a.x1]
            placed.append(
                Arc(
                    skip=skip,
                    row=row,
                    x0=x0,
                    x1=x1,
                    starts=row == start.row,
                    ends=row == end.row,
                    level=1 + max(below, default=0),
                )
            )
    return tuple(placed)


def num_of_kind(spec: ArchitectureSpec) -> dict[Kind, int]:
    """Count the skips by kind, whatever their span, and the blocks without any that ends there.

    Returns:
        All three kinds, also those that do not occur.
    """
    ended = {skip.end for skip in spec.skips}
    counts = dict.fromkeys(Kind, 0)
    for skip in spec.skips:
        counts[skip.kind] += 1
    counts[Kind.NONE] = sum(str(place) not in ended for place in spec.places())
    return counts
