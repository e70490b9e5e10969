"""Small helpers that write HTML; all text passes through `esc`."""

import re
from collections.abc import Iterable, Sequence
from html import escape

from nas.report.effects import Direction
from nas.report.numbers import typographic

_WORD_CSS = {Direction.HELPS: "helps-word", Direction.HURTS: "hurts-word"}


def esc(words: object) -> str:
    """Escape text for HTML, with real minus signs."""
    return escape(typographic(str(words)))


def stress(words: str) -> str:
    """Escape text and set what stands between asterisks in bold."""
    return re.sub(r"\*([^*]+)\*", r"<b>\1</b>", esc(words))


def paragraph(words: str, css: str = "") -> str:
    """Write a paragraph of escaped text; asterisks set bold."""
    kind = f' class="{css}"' if css else ""
    return f"<p{kind}>{stress(words)}</p>"


def word(direction: Direction, words: str) -> str:
    """Write a verdict in the colour of its direction."""
    return f'<span class="{_WORD_CSS.get(direction, "quiet-word")}">{esc(words)}</span>'


def both(wide: str, narrow: str) -> str:
    """Show one figure on desktops and the other on phones."""
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>' if wide else ""


def section(name: str, title: str, *parts: str) -> str:
    """Write a section with an anchor; nothing if it has no content."""
    body = "".join(parts)
    if not body:
        return ""
    return f'<section id="{name}"><h2>{esc(title)}</h2>{body}</section>'


def table(
    heads: Sequence[tuple[str, str]],
    rows: Iterable[tuple[str, Sequence[str]]],
    name: str,
) -> str:
    """Write a table that scrolls sideways where it is too wide.

    Args:
        heads: Text and CSS class of every column; the class is the cells' too.
        rows: CSS class and cells of every row; cells are HTML.
        name: What the table holds, for screen readers.
    """
    head = "".join(f'<th scope="col" class="{css}">{esc(text)}</th>' for text, css in heads)
    lines: list[str] = []
    for css, cells in rows:
        columns = zip(cells, heads, strict=True)
        body = "".join(f'<td class="{kind}">{cell}</td>' for cell, (_, kind) in columns)
        lines.append(f'<tr class="{css}">{body}</tr>')
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def key(*items: tuple[str, str, str]) -> str:
    """Explain the marks of a figure: colour (CSS), shape (class), words."""
    parts = [
        f'<span class="key"><i class="{shape}" style="background:{colour}"></i>{esc(words)}</span>'
        for colour, shape, words in items
    ]
    return f"<div>{''.join(parts)}</div>"


def definitions(items: Iterable[tuple[str, object]]) -> str:
    """Write names and values; those without a value are left out."""
    rows = [
        f"<dt>{esc(name)}</dt><dd>{esc(value)}</dd>"
        for name, value in items
        if value not in (None, "")
    ]
    return f"<dl>{''.join(rows)}</dl>" if rows else ""
