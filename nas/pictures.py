"""Pictures as files: SVG as it is, PNG by an extra; no torch here."""

import contextlib
import os
from pathlib import Path

from nas.errors import ConfigError

_ZOOM = 2
"""Pixels of a PNG per px of the drawing."""
_LETTER = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16">'
    '<text y="14" font-family="sans-serif">{letter}</text></svg>'
)


def check_picture_path(flag: str, path: Path) -> None:
    """Check where a picture goes, before anything is computed.

    Args:
        flag: What the user gave it with, such as `--svg`.
        path: The file.

    Raises:
        ConfigError: It is a folder.
    """
    if path.is_dir():
        raise ConfigError(
            f"{flag} must be a file, got the folder {str(path)!r}. Write {flag} picture."
            f"{flag.lstrip('-')}."
        )


def write_picture(path: Path, content: str | bytes) -> None:
    """Write a picture beside and rename it, so that there is never half a file.

    Raises:
        OSError: The file cannot be written; it names this file, not the draft.
    """
    data = content.encode() if isinstance(content, str) else content
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error


def to_png(svg: str) -> bytes:
    """Return an SVG as PNG, twice as large, for screens of fine resolution.

    Raises:
        ConfigError: The extra `png` is not installed, or there is no font for the labels.
    """
    try:
        from resvg_py import svg_to_bytes
    except ImportError:
        raise ConfigError(
            "A picture as PNG needs the extra 'png', got no module resvg_py. Install it with "
            "pip install 'skip-nas[png]', or write the picture with --svg."
        ) from None
    # Without a font the labels would be left out without a word.
    if svg_to_bytes(_LETTER.format(letter="M")) == svg_to_bytes(_LETTER.format(letter="")):
        raise ConfigError(
            "A picture as PNG needs a font for its labels, got none on this machine. Install one, "
            "such as the package fonts-dejavu-core, or write the picture with --svg."
        )
    return svg_to_bytes(svg, zoom=_ZOOM)
