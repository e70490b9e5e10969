"""The picture of an architecture as SVG; no torch here.

It reads like the figures of He et al. 2015: blocks in network order, a row per stage, skips as
brackets from where they leave the line to the addition where they come back; a skip that goes on in
another row is named at both sides of the break. Above `MOST_SINGLE` blocks, runs of equal blocks
are drawn as one. With effects it becomes the skip map: above each block what an identity skip does
there, below it what a projection does.
"""

from collections.abc import Mapping
from html import escape
from textwrap import wrap

from search_spaces.drawing.layout import LEGEND, MARGIN, NARROW, Layout, lay_out
from search_spaces.drawing.lines import arc, stem_and_head, wires
from search_spaces.drawing.parts import block, legend, row_labels
from search_spaces.drawing.style import DRAWING_CSS, BlockPaint
from search_spaces.drawing.words import describe, unusual_words
from search_spaces.spec import ArchitectureSpec, Kind, Place


def draw_svg(
    spec: ArchitectureSpec,
    effects: Mapping[Place, BlockPaint] | None = None,
    *,
    stage_effects: Mapping[int, BlockPaint] | None = None,
    width: int = 720,
    title: str | None = None,
    element_id: str | None = None,
    standalone: bool = True,
    is_marked: bool = False,
) -> str:
    """Draw an architecture, and the effects of its skips where they are given.

    Args:
        spec: What to draw; its own skips are drawn as brackets above the blocks.
        effects: Chips by block, of the shortest skip that ends there; blocks that are left out
            get none.
        stage_effects: Chips by stage, from 1, beside the stage's name; only drawn with `effects`.
        width: Width of the drawing in px, at least 240; below 480 stage labels stand above the
            rows.
        title: Short name for screen readers; by default the size and the code of the network.
        element_id: Id of the element, unique on its page; by default from `spec_id` and `width`.
        standalone: Whether the drawing is a file of its own, with style sheet and background;
            otherwise the page has to hold `DRAWING_CSS`.
        is_marked: Whether chips have `data-place` and `data-kind`, for a script of the page.

    Returns:
        One `<svg>` element.
    """
    width = max(240, width)
    lines = _legend_lines(spec, width, painted=effects is not None)
    stages = (stage_effects or {}) if effects is not None else {}
    layout = lay_out(
        spec,
        width=width,
        painted=effects is not None,
        stage_chips=bool(stages),
        legend_lines=len(lines),
    )
    paints = effects or {}
    parts = [
        _open(spec, layout, element_id or f"nn-{spec.spec_id}-{width}", title, standalone),
        wires(layout),
        stem_and_head(spec, layout),
        row_labels(spec, layout, paints, stages),
        *(arc(layout, part) for part in layout.arcs),
    ]
    places = [str(place) for place in spec.places()]
    facts = dict(zip(places, zip(spec.spans, map(len, spec.incoming), strict=True), strict=True))
    for slot in layout.slots:
        place = slot.shape.place
        span, num_ends = facts[str(place)]
        paint = paints.get(place, BlockPaint())
        parts.append(block(layout, slot, paint, span=span, num_ends=num_ends, is_marked=is_marked))
    x = MARGIN if layout.narrow else layout.gutter + 7
    y = layout.height - MARGIN - LEGEND * len(lines) + 12
    parts += [legend(line, x=x, y=y + LEGEND * index) for index, line in enumerate(lines)]
    return "".join([*parts, "</svg>"])


def _open(
    spec: ArchitectureSpec, layout: Layout, name: str, title: str | None, standalone: bool
) -> str:
    width, height, name = layout.width, f"{layout.height:g}", escape(name)
    words = title or f"ResNet of {spec.layers} layers, {spec.code}"
    style = f"<style>svg:root{{color-scheme:light dark}}{DRAWING_CSS}</style>"
    paper = f'<rect class="nn-paper" width="{width}" height="{height}" rx="8"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="nn" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-labelledby="{name}-t {name}-d" '
        f'font-size="12"><title id="{name}-t">{escape(words)}</title>'
        f'<desc id="{name}-d">{escape(describe(spec))}</desc>'
        f"{style + paper if standalone else ''}"
    )


def _legend_lines(
    spec: ArchitectureSpec, width: int, *, painted: bool
) -> list[list[tuple[str, str]]]:
    """Return marks and words by line; marks are the ends of CSS classes."""
    # Stage labels name bottlenecks, with their channels.
    unusual = ", ".join(words for words in unusual_words(spec) if words != "bottleneck blocks")
    room = width - 2 * MARGIN if width < NARROW else width - 180
    facts = [[("", line)] for line in wrap(unusual[:1].upper() + unusual[1:], int(room / 6))]
    used = {skip.kind for skip in spec.skips}
    marks = [[(kind.value, kind.value) for kind in Kind if kind in used]] if used else []
    if painted:
        tones = [
            ("fill-helps2", "helps"),
            ("fill-hurts2", "hurts"),
            ("fill-zero", "too small to matter"),
            ("fill-unknown", "cannot tell"),
        ]
        where = [("", "Above a block: identity (I). Below it: projection (P).")]
        return [tones, *([where] if width < NARROW else []), *marks, *facts]
    return [*marks, *facts]
