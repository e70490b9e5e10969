"""What the model card says of the network: blocks, skips by kind and by span; no torch here."""

from collections import Counter
from collections.abc import Iterable

from search_spaces.complexity import complexity
from search_spaces.spec import ArchitectureSpec, BlockClass, Kind, SkipSpec

_MOST_NAMED = 6
"""Places that a sentence names one by one."""


def network_facts(spec: ArchitectureSpec) -> list[str]:
    """Return lines of a list: size, stem, blocks and skips, in words."""
    cost = complexity(spec)
    return [
        f"- Parameters: {cost.params:,}. Multiply-adds per image: {cost.macs:,}.",
        f"- Stem: {_stem(spec)}.",
        f"- Blocks: {_block(spec)}; {_order(spec)}; {_norm(spec)}.",
        *_skips(spec),
    ]


def _stem(spec: ArchitectureSpec) -> str:
    words = "3x3 convolution"
    if spec.stem == "large":
        words = "7x7 convolution with stride 2, then 3x3 maximum pooling with stride 2"
    return f"{words}, {spec.stem_width} channels"


def _block(spec: ArchitectureSpec) -> str:
    if isinstance(spec.block, BlockClass):
        arguments = ", ".join(f"{k}={v!r}" for k, v in spec.block.init_args.items())
        return f"`{spec.block.class_path}({arguments})`, in `block.py`"
    if spec.block == "basic":
        return "basic, two 3x3 convolutions each"
    at = spec.bottleneck_stride
    is_strided = any(stage.stride > 1 for stage in spec.stages)
    stride = f", the stride in the {'first ' if at == '1x1' else ''}{at}" if is_strided else ""
    return f"bottleneck, 1x1, 3x3 and 1x1 convolutions each{stride}"


def _order(spec: ArchitectureSpec) -> str:
    if spec.activation == "pre":
        return "pre-activation (ReLU before each convolution)"
    return "post-activation (ReLU after the addition)"


def _norm(spec: ArchitectureSpec) -> str:
    return "batch norm" if spec.norm == "batch" else "no normalisation, convolutions with a bias"


def _skips(spec: ArchitectureSpec) -> list[str]:
    if not spec.skips:
        return ["- Skips: none."]
    num_without = sum(not skips for skips in spec.incoming)
    without = f"{num_without} of {spec.num_blocks} blocks have none"
    lines = [
        f"- Skips: {_kinds(spec.skips)}; {without if num_without else 'no block is without'}."
    ]
    if spec.projection == "avgpool":
        lines.append("- Projections that make images smaller pool by the average first.")
    lines.append(f"- Skips by span, in blocks that they pass: {_spans(spec)}.")
    crowded = [skips[0].end for skips in spec.incoming if len(skips) > 1]
    if crowded:
        lines.append(f"- Several skips end at the additions of {_named(crowded)}.")
    return lines


def _spans(spec: ArchitectureSpec) -> str:
    by_span: dict[int, list[SkipSpec]] = {}
    for skip in spec.skips:
        by_span.setdefault(spec.span(skip), []).append(skip)
    if set(by_span) == {1}:
        return "all pass one, as in the classic block"
    return "; ".join(
        f"{span}{' (the classic block)' if span == 1 else ''}: {_kinds(skips)}"
        for span, skips in sorted(by_span.items())
    )


def _kinds(skips: Iterable[SkipSpec]) -> str:
    counts = Counter(skip.kind for skip in skips)
    kinds = (Kind.IDENTITY, Kind.PROJECTION)
    return ", ".join(f"{counts[kind]} {kind.value}" for kind in kinds if counts[kind])


def _named(places: list[str]) -> str:
    more = len(places) - _MOST_NAMED
    text = ", ".join(places[:_MOST_NAMED])
    return f"{text} and {more} more" if more > 0 else text
