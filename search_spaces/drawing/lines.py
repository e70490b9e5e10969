"""The lines of a drawing, each a piece of SVG: the main line and the skips; no torch here."""

from html import escape

from search_spaces.drawing.layout import LEVEL, MARGIN, STEM, Layout
from search_spaces.drawing.skips import BOX, Arc
from search_spaces.drawing.style import text
from search_spaces.drawing.words import TIMES, head_words, stem_words
from search_spaces.spec import ArchitectureSpec, Kind, Place

_SPAN_CHARACTER = 5.5
"""Width of a character of a span's label."""


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
    layers = stem_words(spec).replace("x", TIMES, 1).replace("3x3", f"3{TIMES}3")
    if layout.narrow and spec.stem == "large":
        stem = f"{shape}, 7{TIMES}7 conv /2, pool /2, {spec.stem_width} ch"
    else:
        stem = f"image {shape}, {layers} to {spec.stem_width} channels"
    head = f"{head_words(spec)} to {spec.num_classes} classes"
    path = f"M{x:g},{top - 4:g}h-2q-4,0 -4,6V{first.middle - 6:g}q0,6 6,6M{end:g},{last.middle:g}"
    # The head's label ends where the line arrives, or hangs below it if there is no room.
    if end - layout.gutter < 6.3 * len(head):
        path += f"q6,0 6,6V{bottom - 14:g}"
        label = text(layout.gutter, bottom, head, "nn-quiet")
    else:
        path += f"q6,0 6,6V{bottom - 10:g}q0,6 -6,6h-4"
        label = text(end - 8, bottom, head, "nn-quiet", text_anchor="end")
    wire = f'<path class="nn-wire" stroke-width="1.5" d="{path}"/>'
    return wire + text(x + 4, top, stem, "nn-quiet") + label


def arc(layout: Layout, part: Arc) -> str:
    """Draw a skip's part in one row: up, along, down; named where it goes on in another row."""
    row, skip = layout.rows[part.row], part.skip
    y = row.middle - layout.block_height / 2 - layout.chip_room - LEVEL * part.level + 4
    x0, x1 = part.x0, part.x1
    line = f"M{x0:g},{row.middle:g}V{y + 6:g}q0,-6 6,-6" if part.starts else f"M{x0:g},{y:g}"
    line += f"H{x1 - 6:g}q6,0 6,6V{row.middle - 5:g}" if part.ends else f"H{x1:g}"
    where = skip.end if part.span == 1 else f"from {skip.start} to {skip.end}"
    dot = f'<circle class="nn-dot" cx="{x0:g}" cy="{row.middle:g}" r="2"/>' if part.starts else ""
    return (
        f"<g><title>{skip.kind}, {where}</title>"
        f'<path class="nn-{skip.kind}" stroke-width="1.8" d="{line}"/>{dot}'
        f"{_on_the_line(part, y)}{_names(part, y)}</g>"
    )


def _on_the_line(part: Arc, y: float) -> str:
    """Draw the 1x1 convolution of a projection, and the span of a long skip."""
    if not part.starts:
        return ""
    marks, taken = "", []
    length = part.x1 - part.x0
    if part.skip.kind is Kind.PROJECTION:
        wanted = part.x0 + 6 + min(30.0, length / 2 - 6)
        spot = part.free_spot(BOX, wanted)
        x = wanted if spot is None else spot
        taken = [x]
        marks += f'<rect class="nn-conv" x="{x - BOX / 2:g}" y="{y - 5:g}" width="{BOX:g}" height="10" rx="1"/>'
    if part.span > 1:
        words = f"span {part.span}"
        spot = part.free_spot(_SPAN_CHARACTER * len(words) + 4, part.x0 + length / 2, taken)
        if spot is not None:
            marks += text(
                spot, y + 3, words, "nn-quiet nn-halo", text_anchor="middle", font_size="9"
            )
    return marks


def _names(part: Arc, y: float) -> str:
    """Write where a skip comes from, and where it goes, at the break between two rows."""
    names = ""
    if not part.starts:
        x, words = part.x0, "from " + _short(part.skip.start)
        names += text(x - 3, y + 3, words, "nn-quiet", font_size="9", text_anchor="end")
    if not part.ends:
        x, words = part.x1, "to " + _short(part.skip.end)
        # An arrow head in the colour of the line.
        names += f'<path class="nn-{part.skip.kind}" d="M{x - 1:g},{y - 3:g}l4,3l-4,3"/>'
        names += text(x + 6, y + 3, words, "nn-quiet", font_size="9")
    return names


def _short(place: str) -> str:
    """Return a place as `3.2`, where there is little room."""
    stage, block = Place.parse(place)
    return escape(f"{stage}.{block}")
