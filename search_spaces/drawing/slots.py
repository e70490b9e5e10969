"""The space of every block in the rows of a drawing; no torch here.

Lengths are in px of the SVG's own coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from search_spaces.drawing.runs import Run
from search_spaces.shapes import BlockShape

DOT = 7
"""From a slot's left edge to the point where its skip leaves the line."""
PLUS = 10
"""From the point of addition to a slot's right edge."""
SIDE = 15
"""From a slot's edge to its block."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """The space of one block, or of a run of equal ones, from the branching to the addition."""

    run: Run
    row: int
    column: int
    x: float
    """Left edge."""
    pitch: float
    """Width of the slot."""

    @property
    def shape(self) -> BlockShape:
        """Shape of the block, the first one of a run."""
        return self.run.first

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


def place_slots(
    blocks: Sequence[Run], *, x: float, room: float, painted: bool
) -> tuple[Slot, ...]:
    """Place blocks in rows of at most `room` px that begin at `x`, a new row for each stage."""
    smallest, largest = (58, 112) if painted else (54, 96)
    if any(block.is_folded for block in blocks):
        smallest, largest = 98, 124
    per_row = max(1, int(room // smallest))
    stages = [block.first.place.stage for block in blocks]
    longest = min(per_row, max(stages.count(stage) for stage in set(stages)))
    pitch = min(largest, room / longest)
    slots: list[Slot] = []
    row, column, stage = 0, 0, 1
    for block in blocks:
        if block.first.place.stage != stage or column == per_row:
            row, column, stage = row + 1, 0, block.first.place.stage
        slots.append(Slot(run=block, row=row, column=column, x=x + column * pitch, pitch=pitch))
        column += 1
    return tuple(slots)
