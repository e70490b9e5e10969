"""Pictures of an architecture: SVG for people, lines of text for terminals; no torch here."""

from search_spaces.drawing.style import DRAWING_CSS, BlockPaint, Chip
from search_spaces.drawing.svg import draw_svg
from search_spaces.drawing.text import draw_text
from search_spaces.drawing.words import describe

__all__ = ["DRAWING_CSS", "BlockPaint", "Chip", "describe", "draw_svg", "draw_text"]
