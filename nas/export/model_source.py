"""Write `model.py`: readable PyTorch for one architecture; no torch here."""

from string import Template
from typing import Literal

from nas.export import model_parts as parts
from search_spaces.shapes import block_shapes
from search_spaces.spec import ArchitectureSpec, Kind

_LINE_LENGTH = 99


def model_source(
    spec: ArchitectureSpec,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    value_range: tuple[float, float],
) -> str:
    """Return the text of `model.py`.

    Args:
        spec: The architecture.
        mean: Per channel of the raw training images; becomes part of the network.
        std: Per channel of the raw training images.
        value_range: Smallest and largest value of raw images, for the text.
    """
    sections, words = _sections(spec)
    text = "\n\n\n".join(sections)
    return Template(text).substitute(words | _facts(spec, mean, std, value_range)) + "\n"


def network_name(spec: ArchitectureSpec) -> str:
    """Return what people call it: `ResNet-32`, or `Plain-32` where it has no skip."""
    return f"{'ResNet' if spec.skips else 'Plain'}-{spec.layers}"


def _facts(
    spec: ArchitectureSpec,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    value_range: tuple[float, float],
) -> dict[str, str]:
    shape = spec.input
    dims = f"{shape.channels}, {shape.height}, {shape.width}"
    num_stages = len(spec.stages)
    depths = "-".join(map(str, spec.depths))
    low, high = value_range
    return {
        "title": f"{network_name(spec)}: {depths} residual blocks per stage, spec {spec.spec_id}.",
        "name": network_name(spec),
        "images": f"(N, {dims}), values from {low:g} to {high:g}",
        "spec_id": spec.spec_id,
        "image_shape": f"({dims})",
        "dims": dims,
        "mean": _numbers("MEAN", mean),
        "std": _numbers("STD", std),
        "num_classes": str(spec.num_classes),
        "stem_width": str(spec.stem_width),
        "stages": "one stage" if num_stages == 1 else f"{num_stages} stages",
    }


def _sections(spec: ArchitectureSpec) -> tuple[list[str], dict[str, str]]:
    """Return the pieces for this architecture in order, and the words that vary with them."""
    if not spec.skips:
        sections = [parts.HEADER, parts.ROW_PLAIN, _table(spec, "")]
        sections += [parts.BLOCK_PLAIN, parts.NETWORK, parts.LOAD]
        return sections, _words(make_blocks="PlainBlock(row) for row in BLOCKS")

    used = {skip.kind for skip in spec.skips}
    forms = [
        (Kind.IDENTITY, parts.IDENTITY, '"identity": IdentityShortcut'),
        (Kind.PROJECTION, parts.PROJECTION, '"projection": ProjectionShortcut'),
    ]
    classes = [text for kind, text, _ in forms if kind in used]
    mapping = ", ".join(entry for kind, _, entry in forms if kind in used)
    classes.append(f"SHORTCUTS = {{{mapping}}}")
    tail = [parts.NETWORK, parts.LOAD]

    if all(skip.start == skip.end for skip in spec.skips):
        kinds = {f"`{kind.value}`": None for kind in Kind if kind in spec.kinds}
        sections = [parts.HEADER, parts.ROW_SPAN_ONE, _table(spec, "shortcut"), *classes]
        return [*sections, parts.BLOCK_SPAN_ONE, *tail], _words(
            kinds=" or ".join(kinds), row_text="  {row.shortcut}"
        )
    sections = [parts.HEADER, parts.ROW_PLAIN, parts.SKIP_ROW, _table(spec, "skips"), *classes]
    return [*sections, parts.BLOCK_LONG, *tail], _words(
        imports="import math\n",
        kinds=" or ".join(f"`{kind.value}`" for kind in Kind if kind in used),
        make_blocks="ResidualBlock(index) for index in range(len(BLOCKS))",
        run_blocks=parts.RUN_LONG,
        more_lines=parts.MORE_LONG,
    )


def _words(**changes: str) -> dict[str, str]:
    """Return the words of the classic network, with `changes`."""
    return {
        "imports": "",
        "kinds": "",
        "make_blocks": "ResidualBlock(row) for row in BLOCKS",
        "run_blocks": parts.RUN_SPAN_ONE,
        "row_text": "",
        "more_lines": "",
    } | changes


def _table(spec: ArchitectureSpec, column: Literal["", "shortcut", "skips"]) -> str:
    """Return the table of blocks, and of skips where they are a table of their own."""
    lines = ["BLOCKS = ("]
    shown_stage = 0
    for shape, kind in zip(block_shapes(spec), spec.kinds, strict=True):
        if shape.place.stage != shown_stage:
            shown_stage = shape.place.stage
            size = f"{shape.out_height}x{shape.out_width} px"
            lines.append(f"    # Stage {shown_stage}: {shape.out_channels} channels, {size}.")
        values = f'"{shape.place}", {shape.in_channels}, {shape.out_channels}, {shape.stride}'
        last = f', "{kind.value}"' if column == "shortcut" else ""
        lines.append(f"    BlockRow({values}{last}),")
    lines += [")", '"""All residual blocks in the order of the forward pass."""']
    if column == "skips":
        lines += ["NAMES = [row.name for row in BLOCKS]", "SKIPS = ("]
        lines += [f'    SkipRow("{s.start}", "{s.end}", "{s.kind.value}"),' for s in spec.skips]
        lines += [")", '"""All skips; several may end at the same addition."""']
    return "\n".join(lines)


def _numbers(name: str, values: tuple[float, ...]) -> str:
    """Return a tuple as ruff formats it; `repr` keeps every digit."""
    digits = [repr(float(value)) for value in values]
    line = f"({', '.join(digits)}{',' if len(digits) == 1 else ''})"
    if len(f"{name} = {line}") <= _LINE_LENGTH:
        return line
    return "(\n" + "".join(f"    {digit},\n" for digit in digits) + ")"
