"""The elements of a drawing, each a piece of SVG; no torch here."""

from collections.abc import Mapping, Sequence
from html import escape

from search_spaces.drawing_layout import (
    CHIP,
    LEVEL,
    MARGIN,
    STAGE_CHIP,
    STEM,
    Arc,
    Layout,
    Row,
    Slot,
)
from search_spaces.drawing_style import BlockPaint, Chip, tone_of
from search_spaces.shapes import BlockShape
from search_spaces.spec import ArchitectureSpec, Kind, Place

TIMES = "\N{MULTIPLICATION SIGN}"


def text(x: float, y: float, words: str, css: str = "nn-ink", **attributes: str) -> str:
    """Write `words` at a point; attributes with `_` for `-`."""
    extra = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f'<text x="{x:g}" y="{y:g}" class="{css}"{extra}>{escape(words)}</text>'


def wires(layout: Layout) -> str:
    """Draw the main line of every row, and from each row's end to the next row's start."""
    parts: list[str] = []
    start = layout.gutter - 6
    for index, row in enumerate(layout.rows):
        end = row_end(layout, index)
        path = f"M{start:g},{row.middle:g}H{end:g}"
        if index + 1 < len(layout.rows):
            turn, down = row.bottom + 6, layout.rows[index + 1].middle
            path += f"q6,0 6,6V{turn - 6:g}q0,6 -6,6H{start:g}q-6,0 -6,6V{down - 6:g}q0,6 6,6"
        parts.append(f'<path class="nn-wire" stroke-width="1.5" d="{path}"/>')
    return "".join(parts)


def row_end(layout: Layout, row: int) -> float:
    """Return where the main line of a row ends."""
    last = [slot for slot in layout.slots if slot.row == row][-1]
    return last.x + last.pitch - 2


def stem_and_head(spec: ArchitectureSpec, layout: Layout) -> str:
    """Write what comes before the first block and after the last one."""
    image, x = spec.input, layout.gutter - 6
    first, last = layout.rows[0], layout.rows[-1]
    end = row_end(layout, len(layout.rows) - 1)
    top, bottom = MARGIN + 15, last.bottom + 4 + STEM - 8
    shape = TIMES.join(map(str, (image.channels, image.height, image.width)))
    stem = f"image {shape}, 3{TIMES}3 convolution to {spec.stem_width} channels"
    head = f"average pool, linear to {spec.num_classes} classes"
    path = f"M{x:g},{top - 4:g}h-2q-4,0 -4,6V{first.middle - 6:g}q0,6 6,6M{end:g},{last.middle:g}"
    # The head's label ends where the line arrives, or hangs below it if there is no room.
    if end - layout.gutter < 220:
        path += f"q6,0 6,6V{bottom - 14:g}"
        label = text(layout.gutter, bottom, head, "nn-quiet")
    else:
        path += f"q6,0 6,6V{bottom - 10:g}q0,6 -6,6h-4"
        label = text(end - 8, bottom, head, "nn-quiet", text_anchor="end")
    wire = f'<path class="nn-wire" stroke-width="1.5" d="{path}"/>'
    return wire + text(x + 4, top, stem, "nn-quiet") + label


def row_labels(
    layout: Layout, paints: Mapping[Place, BlockPaint], stages: Mapping[int, BlockPaint]
) -> str:
    """Write stage labels, and at painted rows which kind is above and which below."""
    parts: list[str] = []
    for index, row in enumerate(layout.rows):
        blocks = [slot.shape for slot in layout.slots if slot.row == index]
        painted = [paints[shape.place] for shape in blocks if shape.place in paints]
        stage = stages.get(row.stage, BlockPaint()) if row.is_first else BlockPaint()
        if row.is_first:
            parts.append(_stage_label(layout, row, blocks[-1]))
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


def _stage_label(layout: Layout, row: Row, shape: BlockShape) -> str:
    name = f"Stage {row.stage}"
    size = f"{shape.out_channels} ch, {shape.out_height}{TIMES}{shape.out_width}"
    if layout.narrow:
        bold = text(layout.gutter, row.top + 14, name, font_weight="600")
        return bold + text(layout.gutter + 56, row.top + 14, size, "nn-quiet", font_size="11")
    y = row.middle - 3
    bold = text(MARGIN - 8, y, name, font_weight="600")
    return bold + text(MARGIN - 8, y + 15, size, "nn-quiet", font_size="11")


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


def arc(layout: Layout, part: Arc) -> str:
    """Draw a skip's part in one row: up, along, down; named where it goes on in another row."""
    row, skip = layout.rows[part.row], part.skip
    y = row.middle - layout.block_height / 2 - layout.chip_room - LEVEL * part.level + 4
    x0, x1 = part.x0, part.x1
    line = f"M{x0:g},{row.middle:g}V{y + 6:g}q0,-6 6,-6" if part.starts else f"M{x0:g},{y:g}"
    line += f"H{x1 - 6:g}q6,0 6,6V{row.middle - 5:g}" if part.ends else f"H{x1:g}"
    extra = ""
    if skip.kind is Kind.PROJECTION and part.starts:
        # The 1x1 convolution of a projection.
        x = x0 + 6 + min(30.0, (x1 - x0) / 2 - 6)
        extra = (
            f'<rect class="nn-conv" x="{x - 8:g}" y="{y - 5:g}" width="16" height="10" rx="1"/>'
        )
    if not part.starts:
        name = "from " + _short(skip.start)
        extra += text(x0 + 2, y - 3, name, "nn-quiet", font_size="9")
    if not part.ends:
        name = "to " + _short(skip.end)
        extra += text(x1, y - 3, name, "nn-quiet", font_size="9", text_anchor="end")
    where = skip.end if skip.start == skip.end else f"from {skip.start} to {skip.end}"
    return (
        f"<g><title>{skip.kind}, {where}</title>"
        f'<path class="nn-{skip.kind}" stroke-width="1.8" d="{line}"/>{extra}</g>'
    )


def _short(place: str) -> str:
    """Return a place as `3.2`, where there is little room."""
    stage, block = Place.parse(place)
    return f"{stage}.{block}"


def block(layout: Layout, slot: Slot, paint: BlockPaint, *, has_skip: bool) -> str:
    """Draw a block with its chips, and its addition where a skip comes back."""
    y, half = layout.rows[slot.row].middle, layout.block_height / 2
    parts = [f"<g><title>{_block_title(slot.shape)}</title>"]
    if paint.identity is not None:
        parts.append(_chip(slot, y, -_reach(layout), paint.identity))
    if paint.projection is not None:
        parts.append(_chip(slot, y, _reach(layout), paint.projection))
    parts.append(
        f'<rect class="nn-block" x="{slot.left:g}" y="{y - half:g}" '
        f'width="{slot.right - slot.left:g}" height="{layout.block_height:g}" rx="4"/>'
    )
    middle = (slot.left + slot.right) / 2
    number = str(slot.shape.place.block)
    parts.append(text(middle, y + 4, number, "nn-quiet", text_anchor="middle", font_size="11"))
    if has_skip or paint.identity or paint.projection:
        x = slot.plus
        parts.append(
            f'<circle class="nn-dot" cx="{slot.dot:g}" cy="{y:g}" r="2"/>'
            f'<circle class="nn-plus" cx="{x:g}" cy="{y:g}" r="5"/>'
            f'<path class="nn-plus" d="M{x - 2.5:g},{y:g}h5M{x:g},{y - 2.5:g}v5"/>'
        )
    return "".join([*parts, "</g>"])


def _block_title(shape: BlockShape) -> str:
    size = f"{shape.out_channels}x{shape.out_height}x{shape.out_width}"
    return f"{shape.place}: {size}" + (f", stride {shape.stride}" if shape.stride > 1 else "")


def _chip(slot: Slot, middle: float, offset: float, chip: Chip) -> str:
    """Draw a chip on its bracket; round above for identity, square below for projection."""
    tone = tone_of(chip.strength)
    y, turn = middle + offset, -6 if offset > 0 else 6
    stroke = 2.6 if tone[-1] in "23" else 1.6
    dash = ' stroke-dasharray="3 3"' if tone == "unknown" else ""
    line = (
        f"M{slot.dot:g},{middle:g}V{y + turn:g}q0,{-turn} 6,{-turn}"
        f"H{slot.plus - 6:g}q6,0 6,{turn}V{middle:g}"
    )
    x0, x1 = slot.dot - 4, slot.plus + 4
    rounding = 2 if offset > 0 else CHIP / 2
    return (
        f"<g><title>{escape(chip.title)}</title>"
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
