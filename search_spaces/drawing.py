"""Pictures of an architecture: SVG for people, lines of text for terminals; no torch here.

The picture reads like the figures of He et al. 2015: blocks in network order, a row per stage,
skips as brackets from where they leave the line to the addition where they come back. With
effects it becomes the skip map: above each block what an identity skip does there, below it what
a projection does.
"""

from collections.abc import Mapping
from html import escape

from search_spaces.complexity import complexity
from search_spaces.drawing_layout import LEGEND, MARGIN, NARROW, Layout, lay_out, num_of_kind
from search_spaces.drawing_parts import arc, block, legend, row_labels, stem_and_head, wires
from search_spaces.drawing_style import DRAWING_CSS, BlockPaint, Chip
from search_spaces.shapes import BlockShape, block_shapes
from search_spaces.spec import ArchitectureSpec, Kind, Place

__all__ = ["DRAWING_CSS", "BlockPaint", "Chip", "describe", "draw_svg", "draw_text"]


def draw_svg(
    spec: ArchitectureSpec,
    effects: Mapping[Place, BlockPaint] | None = None,
    *,
    stage_effects: Mapping[int, BlockPaint] | None = None,
    width: int = 720,
    title: str | None = None,
    element_id: str | None = None,
    standalone: bool = True,
) -> str:
    """Draw an architecture, and the effects of its skips where they are given.

    Args:
        spec: What to draw; its own skips are drawn as brackets above the blocks.
        effects: Chips by block; blocks that are left out get none.
        stage_effects: Chips by stage, from 1, beside the stage's name; only drawn with `effects`.
        width: Width of the drawing in px, at least 240; below 480 stage labels stand above the
            rows.
        title: Short name for screen readers; by default the size and the code of the network.
        element_id: Id of the element, unique on its page; by default from `spec_id` and `width`.
        standalone: Whether the drawing is a file of its own, with style sheet and background;
            otherwise the page has to hold `DRAWING_CSS`.

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
        row_labels(layout, paints, stages),
        *(arc(layout, part) for part in layout.arcs),
    ]
    ends = {skip.end for skip in spec.skips}
    for slot in layout.slots:
        place = slot.shape.place
        paint = paints.get(place, BlockPaint())
        parts.append(block(layout, slot, paint, has_skip=str(place) in ends))
    x = MARGIN if layout.narrow else layout.gutter + 7
    y = layout.height - MARGIN - LEGEND * len(lines) + 12
    parts += [legend(line, x=x, y=y + LEGEND * index) for index, line in enumerate(lines)]
    return "".join([*parts, "</svg>"])


def draw_text(spec: ArchitectureSpec) -> str:
    """Return a line per block for terminals: place, output shape, shortcut."""
    size, image = complexity(spec), spec.input
    rows = [
        ("input", f"{image.channels}x{image.height}x{image.width}", ""),
        ("stem", f"{spec.stem_width}x{image.height}x{image.width}", "3x3 convolution"),
    ]
    rows += [
        (
            str(shape.place),
            f"{shape.out_channels}x{shape.out_height}x{shape.out_width}",
            _shortcuts(spec, shape),
        )
        for shape in block_shapes(spec)
    ]
    rows.append(("head", str(spec.num_classes), "average pool, linear"))
    left = max(len(row[0]) for row in rows)
    middle = max(len(row[1]) for row in rows)
    head = f"{spec.code}: {spec.layers} layers, {size.params:,} params, {size.macs:,} MACs"
    return "\n".join([head, *(f"{a:<{left}}  {b:<{middle}}  {c}".rstrip() for a, b, c in rows)])


def describe(spec: ArchitectureSpec) -> str:
    """Say in a sentence what a drawing of `spec` shows."""
    counts = num_of_kind(spec)
    depths = "-".join(map(str, spec.depths))
    if not spec.skips:
        return f"Plain network of {depths} blocks per stage, no skips."
    return (
        f"Network of {depths} blocks per stage: {counts[Kind.IDENTITY]} identity and "
        f"{counts[Kind.PROJECTION]} projection skips, {counts[Kind.NONE]} blocks without a skip."
    )


def _shortcuts(spec: ArchitectureSpec, shape: BlockShape) -> str:
    here = str(shape.place)
    words = [
        skip.kind if skip.start == here else f"{skip.kind} from {skip.start}"
        for skip in spec.skips
        if skip.end == here
    ]
    return ", ".join(words) or "none"


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
    if painted:
        tones = [
            ("fill-helps2", "helps"),
            ("fill-hurts2", "hurts"),
            ("fill-zero", "too small to matter"),
            ("fill-unknown", "cannot tell"),
        ]
        where = [("", "Above a block: identity (I). Below it: projection (P).")]
        return [tones, where] if width < NARROW else [tones]
    used = {skip.kind for skip in spec.skips}
    marks = [(kind.value, kind.value) for kind in Kind if kind in used]
    return [marks] if marks else []
