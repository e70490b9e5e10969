"""The short name of an architecture; no torch here."""

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search_spaces.spec import ArchitectureSpec, SkipSpec


def spec_code(spec: "ArchitectureSpec") -> str:
    """Return blocks per stage, then a letter per block for the skip that ends there.

    N: none, I: identity, P: projection; a number after it is a span above 1, as in `NI2P`. Further
    skips that end at the same additions are counted, and what is not the usual network is named:
    `3-3-3 III IP3I NNI +1 more bottleneck pre`.
    """
    letters = iter([_letters(spec, skips) for skips in spec.incoming])
    stages = ["".join(islice(letters, depth)) for depth in spec.depths]
    words = ["-".join(map(str, spec.depths)), *stages]
    num_more = sum(max(0, len(skips) - 1) for skips in spec.incoming)
    if num_more:
        words.append(f"+{num_more} more")
    return " ".join([*words, *_unusual(spec)])


def _letters(spec: "ArchitectureSpec", skips: "tuple[SkipSpec, ...]") -> str:
    if not skips:
        return "N"
    span = spec.span(skips[0])
    return skips[0].kind.value[0].upper() + (str(span) if span > 1 else "")


def _unusual(spec: "ArchitectureSpec") -> list[str]:
    block = spec.block if isinstance(spec.block, str) else spec.block.class_path.split(".")[-1]
    named = {
        block: block != "basic",
        "pre": spec.activation == "pre",
        "no-norm": spec.norm == "none",
        "zero-init": spec.zero_init,
        "avgpool": spec.projection == "avgpool",
        "v1": spec.bottleneck_stride == "1x1",
    }
    return [word for word, applies in named.items() if applies]
