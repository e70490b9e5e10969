"""What drawings say in words: the stem, the head, the blocks, the number of skips; no torch here."""

from search_spaces.shapes import BlockShape
from search_spaces.spec import EXPANSION, ArchitectureSpec, BlockClass, Kind

TIMES = "\N{MULTIPLICATION SIGN}"
_LONGEST_NAME = 22


def describe(spec: ArchitectureSpec) -> str:
    """Say in a sentence what a drawing of `spec` shows."""
    counts = num_of_kind(spec)
    depths = "-".join(map(str, spec.depths))
    if not spec.skips:
        return f"Plain network of {depths} blocks per stage, no skips."
    num_long = sum(skip.start != skip.end for skip in spec.skips)
    long = f" Skips that pass several blocks: {num_long}." if num_long else ""
    return (
        f"Network of {depths} blocks per stage: {counts[Kind.IDENTITY]} identity and "
        f"{counts[Kind.PROJECTION]} projection skips, {counts[Kind.NONE]} blocks without a skip."
        f"{long}"
    )


def num_of_kind(spec: ArchitectureSpec) -> dict[Kind, int]:
    """Count the skips by kind, whatever their span, and the blocks without any that ends there.

    Returns:
        All three kinds, also those that do not occur.
    """
    counts = dict.fromkeys(Kind, 0)
    for skip in spec.skips:
        counts[skip.kind] += 1
    counts[Kind.NONE] = sum(not skips for skips in spec.incoming)
    return counts


def stem_words(spec: ArchitectureSpec) -> str:
    """Say what the stem is; sizes with the letter x."""
    if spec.stem == "large":
        return "7x7 convolution /2, 3x3 max pool /2"
    return "3x3 convolution"


def head_words(spec: ArchitectureSpec) -> str:
    """Say what comes after the last block."""
    if spec.activation == "post":
        return "average pool, linear"
    norm = "batch norm, " if spec.norm == "batch" else ""
    return f"{norm}ReLU, average pool, linear"


def block_words(spec: ArchitectureSpec, shape: BlockShape) -> str:
    """Name the type of a block where it is not the basic one, a bottleneck with its channels."""
    if isinstance(spec.block, BlockClass):
        name = spec.block.class_path.rpartition(".")[2]
        return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."
    if spec.block == "bottleneck":
        inner = shape.out_channels // EXPANSION
        return f"bottleneck {inner}-{inner}-{shape.out_channels}"
    return ""


def unusual_words(spec: ArchitectureSpec) -> list[str]:
    """Return in a few words each what the usual residual network does not have."""
    block = spec.block
    if isinstance(block, BlockClass):
        name = f"blocks {block.class_path}"
        if block.init_args:
            name += "(" + ", ".join(f"{k}={v!r}" for k, v in block.init_args.items()) + ")"
    else:
        name = f"{block} blocks"
    found = {
        name: block != "basic",
        "pre-activation": spec.activation == "pre",
        "no batch norm": spec.norm == "none",
        "branches beside a skip begin as zero": spec.zero_init,
        "projections pool before the 1x1 convolution": spec.projection == "avgpool",
        "stride in the first 1x1 convolution": spec.bottleneck_stride == "1x1",
    }
    return [words for words, applies in found.items() if applies]
