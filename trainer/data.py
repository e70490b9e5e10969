"""Data sets by name, and what the rest must know of them; no torch here.

Facts are known without loading, so that a search is planned and checked before any worker starts.
"""

from dataclasses import dataclass, replace

from search_spaces.errors import did_you_mean
from search_spaces.spec import InputShape
from trainer.errors import DataError


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """What a study needs to know of its data."""

    name: str
    input: InputShape
    num_classes: int
    n_train: int
    n_val: int
    n_test: int
    split_seed: int
    """Seed of the fixed stratified split."""
    value_range: tuple[float, float]
    """Smallest and largest value of the raw images."""
    is_recorded: bool = False
    """Whether trainings are looked up in a table that ships, instead of being done."""


_DIGITS = DataFacts(
    name="digits",
    input=InputShape(channels=1, height=8, width=8),
    num_classes=10,
    n_train=1077,
    n_val=360,
    n_test=360,
    split_seed=0,
    value_range=(0.0, 16.0),
)

_SHIPPED = {
    "digits": _DIGITS,
    # The same images; trainings of 64 networks on them are in a table, see `trainer.recorded`.
    "skipbench": replace(_DIGITS, name="skipbench", is_recorded=True),
    # Of the shape of CIFAR-10, for timing: its images are noise around ten patterns.
    "generated-3x32x32": DataFacts(
        name="generated-3x32x32",
        input=InputShape(channels=3, height=32, width=32),
        num_classes=10,
        n_train=50_000,
        n_val=5_000,
        n_test=5_000,
        split_seed=0,
        value_range=(-12.0, 12.0),
    ),
}


def data_facts(name: str) -> DataFacts:
    """Return the facts of a shipped data set.

    Raises:
        DataError: No shipped data set has that name.
    """
    if name not in _SHIPPED:
        raise DataError(f"Unknown data set {name!r}. {did_you_mean(name, _SHIPPED)}")
    return _SHIPPED[name]
