"""Runs of equal blocks, drawn as one where a network is deep; no torch here."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from search_spaces.shapes import BlockShape, block_shapes
from search_spaces.spec import ArchitectureSpec

SHORTEST = 3
"""Fewer equal blocks than this are drawn one by one."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Consecutive blocks of one stage with equal shapes and skips, drawn as one."""

    shapes: tuple[BlockShape, ...]

    @property
    def first(self) -> BlockShape:
        """Shape of the first block."""
        return self.shapes[0]

    @property
    def last(self) -> BlockShape:
        """Shape of the last block."""
        return self.shapes[-1]

    @property
    def is_folded(self) -> bool:
        """Whether it stands for several blocks."""
        return len(self.shapes) > 1

    @property
    def numbers(self) -> str:
        """Its blocks within the stage, such as `4` or `2-18`."""
        first, last = self.first.place.block, self.last.place.block
        return f"{first}\N{EN DASH}{last}" if self.is_folded else str(first)


def runs(spec: ArchitectureSpec, *, fold: bool) -> tuple[Run, ...]:
    """Return the blocks of `spec` in network order, equal ones together where `fold` is set.

    A block where a long skip begins or ends always stands alone.
    """
    shapes = block_shapes(spec)
    if not fold:
        return tuple(Run(shapes=(shape,)) for shape in shapes)
    return tuple(Run(shapes=tuple(group)) for group in _groups(spec, shapes))


def _groups(spec: ArchitectureSpec, shapes: tuple[BlockShape, ...]) -> Iterator[list[BlockShape]]:
    busy = {place for s in spec.skips if s.start != s.end for place in (s.start, s.end)}
    kinds = dict(zip(shapes, spec.kinds, strict=True))

    def look(shape: BlockShape) -> tuple[object, ...]:
        alone = shape.place if str(shape.place) in busy else None
        return shape.place.stage, shape.changes_shape, kinds[shape], alone

    for _, members in groupby(shapes, key=look):
        group = list(members)
        if len(group) >= SHORTEST:
            yield group
        else:
            yield from ([shape] for shape in group)
