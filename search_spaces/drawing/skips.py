"""The course of every skip through the rows of a drawing; no torch here.

A skip is cut into a part per row. In a row, parts that overlap lie on levels of their own, a part
above those that it contains, and parts that begin or end at one block do so side by side. So two
skips never share a line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from search_spaces.drawing.slots import Slot
from search_spaces.spec import ArchitectureSpec, SkipSpec

APART = 3.5
"""Between skips that begin or end at one block."""
_STARTS, _ENDS = 9.0, 9.0
"""Room for skips that begin, and that end, at one block."""
BOX = 16.0
"""Width of the box that stands for the convolution of a projection."""
_CORNER = 6.0


@dataclass(frozen=True, kw_only=True)
class Arc:
    """The part of a skip that lies in one row."""

    skip: SkipSpec
    span: int
    """Blocks that the skip passes."""
    row: int
    first: int
    """Column of the slot where it begins; -1 if it comes from a row above."""
    last: int
    """Column of the slot where it ends; the row's number of slots if it goes on below."""
    x0: float
    x1: float
    starts: bool
    """Whether the skip leaves the line here; else it comes from the row above."""
    ends: bool
    """Whether it comes back here; else it goes on in the row below."""
    level: int = 0
    """1 lies next to the blocks; longer skips lie above those that they contain."""
    crossings: tuple[float, ...] = field(default=())
    """Where other skips cross it."""

    def free_spot(self, width: float, wanted: float, taken: Sequence[float] = ()) -> float | None:
        """Return the middle of a piece of `width` px that no other skip crosses.

        Args:
            width: Of what is to be put on the line.
            wanted: Middle that is taken if it is free; else the nearest one.
            taken: Middles of other things on this line, `BOX` px wide.
        """
        low, high = self.x0 + _CORNER + width / 2, self.x1 - _CORNER - width / 2
        steps = int(max(0.0, high - low) // 2)
        spots = [wanted, *(low + 2 * index for index in range(steps + 1))]
        for x in sorted(spots, key=lambda spot: abs(spot - wanted)):
            clear = all(abs(x - other) >= width / 2 + 2 for other in self.crossings)
            apart = all(abs(x - other) >= (width + BOX) / 2 + 3 for other in taken)
            if low <= x <= high and clear and apart:
                return x
        return None


def place_arcs(spec: ArchitectureSpec, slots: Sequence[Slot]) -> tuple[Arc, ...]:
    """Cut every skip into its rows, and give each part its level and its ends."""
    rows = [[slot for slot in slots if slot.row == row] for row in range(slots[-1].row + 1)]
    slot_of = {str(shape.place): slot for slot in slots for shape in slot.run.shapes}
    parts = [
        part
        for skip in spec.skips
        if not _is_folded_away(skip, slot_of[skip.end])
        for part in _cut(skip, spec.span(skip), slot_of[skip.start], slot_of[skip.end], rows)
    ]
    placed: list[Arc] = []
    for row, members in enumerate(rows):
        here = _with_levels([part for part in parts if part.row == row])
        placed += _with_crossings(_with_ends(here, members))
    return tuple(placed)


def _is_folded_away(skip: SkipSpec, slot: Slot) -> bool:
    return str(slot.run.first.place) != skip.end and slot.run.is_folded


def _cut(
    skip: SkipSpec, span: int, start: Slot, end: Slot, rows: Sequence[Sequence[Slot]]
) -> list[Arc]:
    parts: list[Arc] = []
    for row in range(start.row, end.row + 1):
        starts, ends = row == start.row, row == end.row
        slots = rows[row]
        parts.append(
            Arc(
                skip=skip,
                span=span,
                row=row,
                first=start.column if starts else -1,
                last=end.column if ends else len(slots),
                x0=start.dot if starts else slots[0].x - 4,
                x1=end.plus if ends else slots[-1].x + slots[-1].pitch + 4,
                starts=starts,
                ends=ends,
            )
        )
    return parts


def _with_levels(parts: Sequence[Arc]) -> list[Arc]:
    """Give each part the lowest free level above those that it contains, short ones first."""
    placed: list[Arc] = []
    for part in sorted(parts, key=lambda p: (p.last - p.first, p.first, p.span)):
        near = [a for a in placed if a.first <= part.last and part.first <= a.last]
        inside = [a.level for a in near if part.first <= a.first and a.last <= part.last]
        taken = {a.level for a in near}
        level = 1 + max(inside, default=0)
        while level in taken:
            level += 1
        placed.append(replace(part, level=level))
    return placed


def _with_ends(parts: Sequence[Arc], slots: Sequence[Slot]) -> list[Arc]:
    """Move the ends of parts that share a block apart, the higher ones outwards."""
    x0, x1 = {part: part.x0 for part in parts}, {part: part.x1 for part in parts}
    for slot in slots:
        starts = [p for p in parts if p.starts and p.first == slot.column]
        ends = [p for p in parts if p.ends and p.last == slot.column]
        step = _step(len(starts), _STARTS)
        for index, part in enumerate(sorted(starts, key=_level)):
            x0[part] = slot.dot - index * step
        step = _step(len(ends), _ENDS)
        for index, part in enumerate(sorted(ends, key=_level)):
            x1[part] = slot.plus + (index - (len(ends) - 1) / 2) * step
    return [replace(part, x0=x0[part], x1=x1[part]) for part in parts]


def _step(count: int, room: float) -> float:
    return min(APART, room / max(1, count - 1))


def _level(part: Arc) -> int:
    return part.level


def _with_crossings(parts: Sequence[Arc]) -> list[Arc]:
    found: list[Arc] = []
    for part in parts:
        higher = [p for p in parts if p.level > part.level]
        ends = [p.x0 for p in higher if p.starts] + [p.x1 for p in higher if p.ends]
        inside = sorted(x for x in ends if part.x0 < x < part.x1)
        found.append(replace(part, crossings=tuple(inside)))
    return found
