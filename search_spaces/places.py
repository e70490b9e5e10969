"""Where a block is, and what its shortcut is; no torch here."""

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from search_spaces.errors import SpecError, did_you_mean

_PLACE = re.compile(r"stage([1-9][0-9]{0,5})\.block([1-9][0-9]{0,5})")


class Kind(StrEnum):
    """What a block's shortcut is.

    `none`: no shortcut. `identity`: the input itself; where the shape changes, subsampled and
    padded with zero channels (He et al. 2015, option A). `projection`: 1x1 convolution and batch
    norm (options B and C).
    """

    NONE = "none"
    IDENTITY = "identity"
    PROJECTION = "projection"

    @classmethod
    def parse(cls, word: str) -> "Kind":
        """Return the kind of that name.

        Raises:
            SpecError: The word is no kind.
        """
        try:
            return cls(word)
        except ValueError:
            kinds = did_you_mean(str(word), (kind.value for kind in cls))
            raise SpecError(f"Unknown kind of shortcut {word!r}. {kinds}") from None


class Place(NamedTuple):
    """Where a block is: stage and block within the stage, both counted from 1."""

    stage: int
    block: int

    def __str__(self) -> str:
        return f"stage{self.stage}.block{self.block}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read `stage2.block1`.

        Raises:
            SpecError: The text has another form.
        """
        return _parse(text)


@lru_cache(maxsize=65_536)
def _parse(text: str) -> Place:
    """Read a name; studies have thousands of networks with the same few."""
    match = _PLACE.fullmatch(text)
    if match is None:
        raise SpecError(f"A block is named like 'stage2.block1' (from 1), got {text[:60]!r}.")
    return Place(int(match[1]), int(match[2]))
