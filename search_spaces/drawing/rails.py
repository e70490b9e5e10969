"""Rails beside lines of text: from the line where something leaves to where it comes back.

A rail that begins turns down at its line, a rail that ends comes from above with an arrow. A rail
that is passed by a horizontal stroke stays whole. No torch here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_BOX = str.maketrans({"s": "╭", "S": "┬", "e": "╰", "E": "┴", "v": "│", "h": "─", "a": "▸"})
_ASCII = str.maketrans({"s": ",", "S": ",", "e": "`", "E": "`", "v": "|", "h": "-", "a": ">"})


@dataclass(frozen=True, kw_only=True)
class Rails:
    """What stands left of every line."""

    width: int
    """Characters; 0 without rails."""
    at: tuple[str, ...]
    below: tuple[str, ...]
    """What stands left of further lines of text that belong to the same line."""


def draw_rails(
    ends: Sequence[tuple[int, int]], num_lines: int, *, ascii_only: bool = False
) -> Rails:
    """Draw a rail for each pair of lines, in as few columns as go; short ones next to the text.

    Args:
        ends: First and last line of each rail, from 0; the first is the smaller.
        num_lines: Lines in all.
        ascii_only: Draw with characters of ASCII.
    """
    if not ends:
        return Rails(width=0, at=("",) * num_lines, below=("",) * num_lines)
    columns = _columns(ends)
    alphabet = _ASCII if ascii_only else _BOX
    at = [_line(columns, line).translate(alphabet) for line in range(num_lines)]
    below = [_below(columns, line).translate(alphabet) for line in range(num_lines)]
    return Rails(width=len(at[0]), at=tuple(at), below=tuple(below))


def _columns(ends: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Share the rails out to columns, from right to left, so that none touches another."""
    columns: list[list[tuple[int, int]]] = []
    for start, end in sorted(ends, key=lambda pair: (pair[1] - pair[0], pair)):
        for column in columns:
            if all(end < other[0] or other[1] < start for other in column):
                column.append((start, end))
                break
        else:
            columns.append([(start, end)])
    return columns[::-1]


def _line(columns: Sequence[Sequence[tuple[int, int]]], line: int) -> str:
    """Return one line's rails: letters for start, end, vertical, horizontal, arrow.

    A capital joins a stroke that comes from a rail of the same sort.
    """
    signs, sorts = "", set[str]()
    for column in columns:
        sign = "h" if sorts else " "
        for start, end in column:
            if line in (start, end):
                sort = "s" if line == start else "e"
                sign = sort.upper() if sorts == {sort} else sort
                sorts.add(sort)
            elif start < line < end:
                sign = "v"
        signs += sign + ("h" if sorts else " ")
    return signs[:-1] + ("a " if "e" in sorts else "h " if sorts else "  ")


def _below(columns: Sequence[Sequence[tuple[int, int]]], line: int) -> str:
    signs = ""
    for column in columns:
        goes_on = any(start <= line < end for start, end in column)
        signs += "v " if goes_on else "  "
    return signs + " "
