"""Write `model.py`: readable PyTorch for one architecture; no torch here."""

import json
from string import Template
from typing import Any, Literal

from nas.export import model_parts as parts
from nas.export.model_layers import branch_class, branch_name, projection_class, stem_class
from search_spaces.shapes import block_shapes
from search_spaces.spec import ArchitectureSpec, BlockClass, Kind

_LINE_LENGTH = 99
_FORMS = {
    Kind.IDENTITY: '"identity": IdentityShortcut',
    Kind.PROJECTION: '"projection": ProjectionShortcut',
}
_IMPORTS = "from pathlib import Path\nfrom typing import NamedTuple"
_OWN_IMPORTS = (
    "from importlib.util import module_from_spec, spec_from_file_location\n"
    "from pathlib import Path\n"
    "from types import ModuleType\n"
    "from typing import Any, NamedTuple"
)


def model_source(
    spec: ArchitectureSpec,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    value_range: tuple[float, float],
    own_class: str = "",
) -> str:
    """Return the text of `model.py`; only what the network uses is in it.

    Args:
        spec: The architecture.
        mean: Per channel of the raw training images; becomes part of the network.
        std: Per channel of the raw training images.
        value_range: Smallest and largest value of raw images, for the text.
        own_class: Name in `block.py` of the branch, where the block type is the user's.
    """
    sections, words = _sections(spec)
    words |= _facts(spec, mean, std, value_range) | _branch_words(spec, own_class)
    return Template("\n\n\n".join(sections)).substitute(words) + "\n"


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
        "block_layers": str(spec.block_layers),
    }


def _sections(spec: ArchitectureSpec) -> tuple[list[str], dict[str, str]]:
    """Return the pieces for this architecture in order, and the words that vary with them."""
    used = [kind for kind in Kind if kind in {skip.kind for skip in spec.skips}]
    is_long = any(skip.start != skip.end for skip in spec.skips)
    classes = [stem_class(spec)]
    if Kind.IDENTITY in used:
        classes.append(parts.IDENTITY)
    if Kind.PROJECTION in used:
        classes.append(projection_class(spec))
    if used:
        classes.append(f"SHORTCUTS = {{{', '.join(_FORMS[kind] for kind in used)}}}")
    is_own = isinstance(spec.block, BlockClass)
    classes.append(parts.OWN_BRANCH if is_own else branch_class(spec))
    if is_long:
        rows, column, block = [parts.ROW_PLAIN, parts.SKIP_ROW], "skips", parts.BLOCK_LONG
    elif used:
        rows, column, block = [parts.ROW_SPAN_ONE], "shortcut", parts.BLOCK_SPAN_ONE
    else:
        rows, column, block = [parts.ROW_PLAIN], "", parts.BLOCK_PLAIN
    top = [parts.HEADER, *rows, _table(spec, column)]
    words = _words(spec, used, is_long=is_long)
    return [*top, *classes, block, parts.NETWORK, parts.LOAD], words


def _words(spec: ArchitectureSpec, used: list[Kind], *, is_long: bool) -> dict[str, str]:
    is_post, has_norm = spec.activation == "post", spec.norm == "batch"
    # A block with a skip somewhere may have none; long skips are in a table of their own.
    kinds = used if is_long else [kind for kind in Kind if kind in spec.kinds]
    make_block = "ResidualBlock" if used else "PlainBlock"
    over = "(index) for index in range(len(BLOCKS))" if is_long else "(row) for row in BLOCKS"
    terms = "branch(x) + shortcuts" if is_long else "branch(x) + shortcut(x)"
    terms = terms if used else "branch(x)"
    run_final = parts.RUN_FINAL if has_norm else parts.RUN_FINAL_BARE
    return {
        "paper": _paper(spec),
        "imports": "import math\n" if is_long else "",
        "kinds": " or ".join(f"`{kind.value}`" for kind in kinds),
        "block_formula": f"relu({terms})" if is_post else terms,
        "block_result": "functional.relu(out)" if is_post else "out",
        "plain_result": "functional.relu(self.branch(x))" if is_post else "self.branch(x)",
        "make_blocks": make_block + over,
        "run_blocks": parts.RUN_LONG if is_long else parts.RUN_SPAN_ONE,
        "make_final": "" if is_post or not has_norm else parts.MAKE_FINAL,
        "run_final": "" if is_post else run_final,
        "row_text": "  {row.shortcut}" if used and not is_long else "",
        "more_lines": parts.MORE_LONG if is_long else "",
    }


def _branch_words(spec: ArchitectureSpec, own_class: str) -> dict[str, str]:
    """Return the words on the branch: one that is written here, or the user's in `block.py`."""
    ends = "row.in_channels, row.out_channels, row.stride"
    if not isinstance(spec.block, BlockClass):
        return {
            "needs": "nothing else",
            "from_imports": _IMPORTS,
            "make_branch": f"{branch_name(spec)}({ends})",
        }
    arguments = {"norm": spec.norm, "activation": spec.activation, **spec.block.init_args}
    return {
        "needs": "and what block.py imports",
        "from_imports": _OWN_IMPORTS,
        "make_branch": f"Branch({ends}, **BRANCH_ARGUMENTS)",
        "branch_arguments": _dictionary("BRANCH_ARGUMENTS: dict[str, Any]", arguments),
        "class_name": own_class,
    }


def _paper(spec: ArchitectureSpec) -> str:
    """Return the paragraph on where the network comes from."""
    if spec.activation == "pre":
        source = 'He et al. 2016, "Identity Mappings in Deep Residual Networks",\narXiv:1603.05027'
    else:
        section = "4.2" if spec.stem == "small" else "3.3"
        source = (
            'He et al. 2015, "Deep Residual Learning for Image Recognition",\n'
            f"arXiv:1512.03385, section {section}"
        )
    where = "; it differs in the shortcuts, which a search chose block by block."
    own = "\nThe residual branch is in block.py." if isinstance(spec.block, BlockClass) else ""
    return f"The network follows {source}{where}{own}"


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
        # In the order of the shortcuts' weights: those that end at one addition, shortest first.
        skips = [skip for ending in spec.incoming for skip in ending]
        lines += [f'    SkipRow("{s.start}", "{s.end}", "{s.kind.value}"),' for s in skips]
        lines += [")", '"""All skips; several may end at the same addition."""']
    return "\n".join(lines)


def _numbers(name: str, values: tuple[float, ...]) -> str:
    """Return a tuple as ruff formats it; `repr` keeps every digit."""
    digits = [repr(float(value)) for value in values]
    line = f"({', '.join(digits)}{',' if len(digits) == 1 else ''})"
    if len(f"{name} = {line}") <= _LINE_LENGTH:
        return line
    return "(\n" + "".join(f"    {digit},\n" for digit in digits) + ")"


def _dictionary(name: str, values: dict[str, Any]) -> str:
    """Return a dictionary of JSON values as ruff formats it."""
    entries = [f"{_literal(key)}: {_literal(value)}" for key, value in values.items()]
    line = f"{{{', '.join(entries)}}}"
    if len(f"{name} = {line}") <= _LINE_LENGTH:
        return line
    return "{\n" + "".join(f"    {entry},\n" for entry in entries) + "}"


def _literal(value: object) -> str:
    """Return the expression of a JSON value, text in double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(k)}: {_literal(v)}' for k, v in value.items())}}}"
    return repr(value)
