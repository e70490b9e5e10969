"""The elements of a drawing, each a piece of SVG; no torch here."""

from collections.abc import Mapping, Sequence
from html import escape

from search_spaces.drawing.layout import CHIP, MARGIN, STAGE_CHIP, Layout, Row
from search_spaces.drawing.slots import Slot
from search_spaces.drawing.style import BlockPaint, Chip, text, tone_of
from search_spaces.drawing.words import TIMES, block_words
from search_spaces.shapes import BlockShape
from search_spaces.spec import ArchitectureSpec, Kind, Place

_MOST_ROUND = 2
"""So many skips end at a round addition; at a wider one more."""


def row_labels(
    spec: ArchitectureSpec,
    layout: Layout,
    paints: Mapping[Place, BlockPaint],
    stages: Mapping[int, BlockPaint],
) -> str:
    """Write stage labels, and at painted rows which kind is above and which below."""
    parts: list[str] = []
    for index, row in enumerate(layout.rows):
        blocks = [slot.shape for slot in layout.slots if slot.row == index]
        painted = [paints[shape.place] for shape in blocks if shape.place in paints]
        stage = stages.get(row.stage, BlockPaint()) if row.is_first else BlockPaint()
        if row.is_first:
            parts.append(_stage_label(spec, layout, row, blocks[-1]))
        for kind, chip in ((Kind.IDENTITY, stage.identity), (Kind.PROJECTION, stage.projection)):
            if not any(getattr(paint, kind.value) for paint in painted):
                continue
            side = -1 if kind is Kind.IDENTITY else 1
            parts.append(_kind_label(layout, row.middle + side * _reach(layout), kind, stages))
            if chip is not None:
                parts.append(_stage_chip(layout, row, kind, chip))
    return "".join(parts)


def _reach(layout: Layout) -> float:
    """Return how far a chip's middle is from the main line."""
    return layout.block_height / 2 + 5 + CHIP / 2


def _kind_label(layout: Layout, y: float, kind: Kind, stages: Mapping[int, BlockPaint]) -> str:
    name = kind.value[0].upper() if layout.narrow else kind.value
    x = layout.gutter - (14 if layout.narrow else 17)
    if stages and not layout.narrow:
        x -= STAGE_CHIP + 6
    return text(x, y + 4, name, "nn-quiet", text_anchor="end", font_size="11")


def _stage_label(spec: ArchitectureSpec, layout: Layout, row: Row, shape: BlockShape) -> str:
    name, kind = f"Stage {row.stage}", block_words(spec, shape)
    size = f"{shape.out_channels} ch, {shape.out_height}{TIMES}{shape.out_width}"
    if layout.narrow:
        bold = text(layout.gutter, row.top + 14, name, font_weight="600")
        words = f"{size}, {kind}" if kind else size
        return bold + text(layout.gutter + 56, row.top + 14, words, "nn-quiet", font_size="11")
    x, y = MARGIN - 8, row.middle - (10 if kind else 3)
    label = text(x, y, name, font_weight="600")
    label += text(x, y + 15, size, "nn-quiet", font_size="11")
    return label + (text(x, y + 29, kind, "nn-quiet", font_size="11") if kind else "")


def _stage_chip(layout: Layout, row: Row, kind: Kind, chip: Chip) -> str:
    """Draw a stage's chip: left of its row, or behind the stage's name where it is narrow."""
    is_identity = kind is Kind.IDENTITY
    if layout.narrow:
        x = layout.width - MARGIN - (2 if is_identity else 1) * (STAGE_CHIP + 8)
        y = row.top + 10
    else:
        x = layout.gutter - 17 - STAGE_CHIP
        y = row.middle + (-1 if is_identity else 1) * _reach(layout)
    rounding = CHIP / 2 if is_identity else 2
    label = _chip_label(x + STAGE_CHIP / 2, y, chip)
    return f"<g><title>{escape(chip.title)}</title>{_pill(x, y, STAGE_CHIP, chip, rounding)}{label}</g>"


def block(
    layout: Layout,
    slot: Slot,
    paint: BlockPaint,
    *,
    span: int,
    num_ends: int,
    is_marked: bool = False,
) -> str:
    """Draw a block with its chips, and its addition where skips come back.

    Args:
        layout: The drawing.
        slot: Where the block lies.
        paint: Effects of the shortest skip that ends here, or that could.
        span: How many blocks that skip passes; 0 without one.
        num_ends: How many skips end here.
        is_marked: Whether its chips name block and kind, for a script of the page.
    """
    y, half = layout.rows[slot.row].middle, layout.block_height / 2
    parts = [f"<g><title>{_block_title(slot)}</title>"]
    for kind, chip in ((Kind.IDENTITY, paint.identity), (Kind.PROJECTION, paint.projection)):
        if chip is not None:
            offset = _reach(layout) * (-1 if kind is Kind.IDENTITY else 1)
            names = f' data-place="{slot.shape.place}" data-kind="{kind}"' if is_marked else ""
            parts.append(_chip(slot, y, offset, chip, whole=span <= 1, names=names))
    size = f'width="{slot.right - slot.left:g}" height="{layout.block_height:g}" rx="4"'
    for shift in (6, 3, 0) if slot.run.is_folded else (0,):
        x, top = slot.left + shift, y - half - shift / 2
        parts.append(f'<rect class="nn-block" x="{x:g}" y="{top:g}" {size}/>')
    middle = (slot.left + slot.right) / 2
    label = slot.run.numbers
    if slot.run.is_folded:
        label += f" ({len(slot.run.shapes)}{TIMES})"
    parts.append(text(middle, y + 4, label, "nn-quiet", text_anchor="middle", font_size="11"))
    is_painted = bool(paint.identity or paint.projection)
    if is_painted and span <= 1:
        parts.append(f'<circle class="nn-dot" cx="{slot.dot:g}" cy="{y:g}" r="2"/>')
    if num_ends or is_painted:
        parts.append(_plus(slot.plus, y, num_ends))
    return "".join([*parts, "</g>"])


def _plus(x: float, y: float, num_ends: int) -> str:
    """Draw an addition, wide enough for all skips that end there."""
    ring = f'<circle class="nn-plus" cx="{x:g}" cy="{y:g}" r="5"/>'
    if num_ends > _MOST_ROUND:
        ring = f'<rect class="nn-plus" x="{x - 7:g}" y="{y - 5:g}" width="14" height="10" rx="5"/>'
    return f'{ring}<path class="nn-plus" d="M{x - 2.5:g},{y:g}h5M{x:g},{y - 2.5:g}v5"/>'


def _block_title(slot: Slot) -> str:
    shape, last = slot.run.first, slot.run.last
    size = f"{shape.out_channels}x{shape.out_height}x{shape.out_width}"
    name = f"{shape.place} to {last.place}" if slot.run.is_folded else str(shape.place)
    return f"{name}: {size}" + (f", stride {shape.stride}" if shape.stride > 1 else "")


def _chip(slot: Slot, middle: float, offset: float, chip: Chip, *, whole: bool, names: str) -> str:
    """Draw a chip on its bracket; round above for identity, square below for projection.

    The bracket of a long skip would be wrong at its left: it begins at an earlier block.
    """
    tone = tone_of(chip.strength)
    y, turn = middle + offset, -6 if offset > 0 else 6
    stroke = 2.6 if tone[-1] in "23" else 1.6
    dash = ' stroke-dasharray="3 3"' if tone == "unknown" else ""
    start = f"M{slot.dot:g},{middle:g}V{y + turn:g}q0,{-turn} 6,{-turn}"
    line = (
        f"{start if whole else f'M{slot.dot:g},{y:g}'}H{slot.plus - 6:g}q6,0 6,{turn}V{middle:g}"
    )
    x0, x1 = slot.dot - 4, slot.plus + 4
    rounding = 2 if offset > 0 else CHIP / 2
    return (
        f"<g{names}><title>{escape(chip.title)}</title>"
        f'<path class="nn-line-{tone}" fill="none" stroke-width="{stroke}"{dash} d="{line}"/>'
        f"{_pill(x0, y, x1 - x0, chip, rounding)}{_chip_label((x0 + x1) / 2, y, chip)}</g>"
    )


def _pill(x: float, y: float, width: float, chip: Chip, rounding: float) -> str:
    """Draw a chip's ground around the height `y`, in the tone of its strength."""
    tone = tone_of(chip.strength)
    edge = ' stroke-width="1"' if tone == "zero" else ' stroke="none"'
    edged = " nn-edge" if tone == "zero" else ""
    return (
        f'<rect class="nn-fill-{tone}{edged}" x="{x:g}" y="{y - CHIP / 2:g}" '
        f'width="{width:g}" height="{CHIP}" rx="{rounding:g}"{edge}/>'
    )


def _chip_label(x: float, y: float, chip: Chip) -> str:
    tone = tone_of(chip.strength)
    return text(
        x,
        y + 4,
        chip.label,
        f"nn-ink-{tone}",
        text_anchor="middle",
        font_size="11.5",
        font_weight="600" if tone[-1] in "123" else "400",
    )


def legend(items: Sequence[tuple[str, str]], *, x: float, y: float) -> str:
    """Write marks and their meaning in a line."""
    parts: list[str] = []
    for mark, words in items:
        if mark.startswith("fill"):
            parts.append(
                f'<rect class="nn-{mark} nn-edge" x="{x:g}" y="{y - 9:g}" width="14" '
                'height="10" rx="3"/>'
            )
            x += 19
        elif mark:
            parts.append(f'<path class="nn-{mark}" stroke-width="1.8" d="M{x:g},{y - 4:g}h22"/>')
            if mark == Kind.PROJECTION:
                parts.append(
                    f'<rect class="nn-conv" x="{x + 4:g}" y="{y - 9:g}" width="14" '
                    'height="10" rx="1"/>'
                )
            x += 27
        parts.append(text(x, y, words, "nn-quiet", font_size="11"))
        x += 5.5 * len(words) + 11
    return "".join(parts)
