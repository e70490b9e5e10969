"""The data set `skipbench`: 64 skip patterns of one network on digits, trained once for all.

Six groups of two residual blocks each, whose two skips are switched together: 26 layers, three
stages of four blocks. A study sees each group as one block (`BlockPair`), so that its networks have
as many layers, parameters and multiply-adds as those that were trained. No torch here.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from search_spaces.registry import make_space
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec, Kind, Place
from trainer.data import data_facts
from trainer.recorded.table import PatternTable, load_table, pattern_digits

NAME = "skipbench"
PATH = Path(__file__).resolve().parent / "skipbench.npz"

STAGES = 3
BLOCKS_PER_STAGE = 4
"""Of the networks that were trained."""
BLOCKS_PER_GROUP = 2
"""Consecutive blocks whose skips are switched together."""
NUM_GROUPS = STAGES * BLOCKS_PER_STAGE // BLOCKS_PER_GROUP
WIDTH = 8

SPACE: dict[str, Any] = {
    "name": "residual",
    "stages": STAGES,
    "min_blocks": BLOCKS_PER_STAGE // BLOCKS_PER_GROUP,
    "max_blocks": BLOCKS_PER_STAGE // BLOCKS_PER_GROUP,
    "width": WIDTH,
    "block": {"class_path": "trainer.recorded.blocks.BlockPair", "layers": 4},
    "kinds": [Kind.NONE.value, Kind.IDENTITY.value],
}
"""The search space of a study; each of its blocks is a group."""

RECIPE: dict[str, Any] = {"epochs": 12, "weight_decay": 1.0e-4}
"""What the recipe of the recorded trainings has beside the defaults."""

SENTENCE = (
    "Each block here stands for two residual blocks of two layers each, whose two skips are "
    "switched together. All 64 patterns were trained on digits on several seeds, so the true "
    "effects are known: they are differences between means over the whole table."
)
"""For reports."""


@lru_cache(maxsize=1)
def load_skipbench() -> PatternTable:
    """Read the table; once per process.

    Raises:
        DataError: The file is missing or damaged.
    """
    return load_table(PATH)


def trained_networks() -> list[ArchitectureSpec]:
    """Return the networks that were trained, by the number of their pattern."""
    return [trained_network(pattern) for pattern in pattern_digits(NUM_GROUPS).tolist()]


def trained_network(pattern: Sequence[bool]) -> ArchitectureSpec:
    """Return the network of 26 layers whose groups have skips as the pattern says."""
    facts = data_facts("digits")
    depths = (BLOCKS_PER_STAGE,) * STAGES
    space = ResidualSpace(
        ResidualSpaceConfig(stages=STAGES, min_blocks=depths, max_blocks=depths, width=WIDTH),
        facts.input,
        facts.num_classes,
    )
    places = [Place(s, b) for s, depth in enumerate(depths, start=1) for b in range(1, depth + 1)]
    return space.spec(
        depths,
        {
            place: Kind.IDENTITY if pattern[number // BLOCKS_PER_GROUP] else Kind.NONE
            for number, place in enumerate(places)
        },
    )


def skipbench_space() -> SearchSpace:
    """Make the search space of a study."""
    facts = data_facts("digits")
    return make_space(SPACE, facts.input, facts.num_classes)


def pattern_number(spec: ArchitectureSpec) -> int | None:
    """Return the number of a network's pattern; None where it is none of the space."""
    return _numbers().get(spec.spec_id)


@lru_cache(maxsize=1)
def _numbers() -> dict[str, int]:
    # A space yields its networks in the order of its decisions, the last one running fastest.
    return {spec.spec_id: number for number, spec in enumerate(skipbench_space())}
