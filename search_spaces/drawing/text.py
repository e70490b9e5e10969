"""An architecture as lines of text for terminals; no torch here.

A line per block, or per run of equal blocks where the network is deep. Long skips are rails left of
the blocks, from the line where they leave to the line where they come back, as long as there is
room; words say the same at the line where they come back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import wrap

from search_spaces.complexity import complexity
from search_spaces.drawing.rails import draw_rails
from search_spaces.drawing.runs import Run, runs
from search_spaces.drawing.words import head_words, stem_words, unusual_words
from search_spaces.shapes import block_shapes
from search_spaces.spec import ArchitectureSpec, SkipSpec

MOST_LINES = 20
"""Networks of more blocks have their runs of equal blocks on one line."""
_LONGEST_PHRASE = len("projection from stage1.block10 (span 10)")
"""Characters that stay free right of the rails."""


@dataclass(frozen=True, kw_only=True)
class _Line:
    name: str
    shape: str
    words: tuple[str, ...]
    """Phrases; one is never cut in two."""


def draw_text(
    spec: ArchitectureSpec, *, width: int | None = None, ascii_only: bool = False
) -> str:
    """Return a line per block for terminals: place, output shape, skips that end there.

    Args:
        spec: What to draw.
        width: Characters per line; without one as many as it takes.
        ascii_only: For streams that cannot show the characters of the rails.
    """
    blocks = runs(spec, fold=spec.num_blocks > MOST_LINES)
    lines = _lines(spec, blocks)
    left = max(len(line.name) for line in lines)
    middle = max(len(line.shape) for line in lines)
    fixed = left + middle + 4
    rails = _rails(spec, blocks, None if width is None else width - fixed, ascii_only=ascii_only)
    room = None if width is None else width - fixed - rails.width
    written = _head(spec, width)
    for line, rail, below in zip(lines, rails.at, rails.below, strict=True):
        first, *more = _wrapped(line.words, room)
        written.append(f"{rail}{line.name:<{left}}  {line.shape:<{middle}}  {first}".rstrip())
        written += [f"{below}{'':<{left + middle + 4}}{words}".rstrip() for words in more]
    return "\n".join(written)


def _lines(spec: ArchitectureSpec, blocks: Sequence[Run]) -> list[_Line]:
    image = spec.input
    first = block_shapes(spec)[0]
    stem = f"{spec.stem_width}x{first.in_height}x{first.in_width}"
    shape = f"{image.channels}x{image.height}x{image.width}"
    lines = [
        _Line(name="input", shape=shape, words=()),
        _Line(name="stem", shape=stem, words=(stem_words(spec),)),
    ]
    incoming = dict(zip(map(str, spec.places()), spec.incoming, strict=True))
    for block in blocks:
        out = block.last
        name = str(block.first.place)
        if block.is_folded:
            name += f" to block{out.place.block}"
        skips = incoming[str(block.first.place)]
        words = tuple(_skip_words(spec, skip) for skip in skips) or ("none",)
        size = f"{out.out_channels}x{out.out_height}x{out.out_width}"
        lines.append(_Line(name=name, shape=size, words=words))
    lines.append(_Line(name="head", shape=str(spec.num_classes), words=(head_words(spec),)))
    return lines


def _skip_words(spec: ArchitectureSpec, skip: SkipSpec) -> str:
    span = spec.span(skip)
    return str(skip.kind) if span == 1 else f"{skip.kind} from {skip.start} (span {span})"


def _wrapped(phrases: Sequence[str], room: int | None) -> list[str]:
    """Write phrases with commas between them in lines of at most `room` characters."""
    lines = [""]
    for index, phrase in enumerate(phrases):
        ended = phrase if index == len(phrases) - 1 else phrase + ","
        longer = f"{lines[-1]} {ended}".lstrip()
        if lines[-1] and room is not None and len(longer) > room:
            lines.append(ended)
        else:
            lines[-1] = longer
    return lines


@dataclass(frozen=True, kw_only=True)
class _Rails:
    width: int
    at: Sequence[str]
    """What stands left of each line."""
    below: Sequence[str]
    """What stands left of the lines that go on with its words."""


def _rails(
    spec: ArchitectureSpec, blocks: Sequence[Run], room: int | None, *, ascii_only: bool
) -> _Rails:
    """Draw the long skips left of input, stem, blocks and head; nothing if there is no room."""
    line_of = {str(s.place): n for n, block in enumerate(blocks, start=2) for s in block.shapes}
    ends = [
        (line_of[skip.start], line_of[skip.end]) for skip in spec.skips if skip.start != skip.end
    ]
    rails = draw_rails(ends, len(blocks) + 3, ascii_only=ascii_only)
    if room is not None and rails.width + _LONGEST_PHRASE > room:
        empty = [""] * (len(blocks) + 3)
        return _Rails(width=0, at=empty, below=empty)
    return _Rails(width=rails.width, at=rails.at, below=rails.below)


def _head(spec: ArchitectureSpec, width: int | None) -> list[str]:
    size = complexity(spec)
    facts = f"{spec.layers} layers, {size.params:,} params, {size.macs:,} MACs"
    unusual = ", ".join(unusual_words(spec))
    more = wrap(unusual[:1].upper() + unusual[1:], width or 1000)
    head = f"{spec.code}: {facts}"
    if width is None or len(head) <= width:
        return [head, *more]
    code = short_code(spec.code)
    if len(code) > width:
        code = code[: width - 3] + "..."
    return [code, facts, *more]


def short_code(code: str) -> str:
    """Return a code with runs of equal letters counted.

    >>> short_code("8-8-3 IIIIIIII PIIIIIII NNN")
    '8-8-3 I*8 P,I*7 NNN'
    """
    words: list[str] = []
    for word in code.split(" "):
        if not word.isalpha() or not word.isupper():
            words.append(word)
            continue
        counted = [(letter, len(list(group))) for letter, group in groupby(word)]
        short = ",".join(f"{letter}*{n}" if n > 1 else letter for letter, n in counted)
        words.append(min(word, short, key=len))
    return " ".join(words)
