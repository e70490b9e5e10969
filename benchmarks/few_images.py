"""Fewer images of a data set than it ships, for measurements of a few steps."""

from dataclasses import replace

from trainer.data import data_facts
from trainer.datasets import ImageData, Split, load_data
from trainer.errors import DataError
from trainer.generated import generate

CIFAR_SHAPED = "generated-3x32x32"
"""Shipped images of CIFAR-10's shape, made up for timing."""


def check_number(name: str, n_train: int, n_val: int) -> None:
    """Check that a shipped data set has so many images.

    Raises:
        DataError: It has fewer.
    """
    facts = data_facts(name)
    if n_train > facts.n_train or n_val > facts.n_val:
        raise DataError(
            f"{name} has {facts.n_train} training and {facts.n_val} validation images, got "
            f"n_train={n_train} and n_val={n_val}. Ask for fewer, for smaller batches, or for "
            "other data."
        )


def load_few(name: str, n_train: int, n_val: int) -> ImageData:
    """Return a data set of so many images.

    Args:
        name: A shipped data set; of generated ones only so many images are made.
        n_train: Training images.
        n_val: Validation images.
    """
    check_number(name, n_train, n_val)
    facts = replace(data_facts(name), n_train=n_train, n_val=n_val)
    if name == CIFAR_SHAPED:
        facts = replace(facts, n_test=64)
        train, val, test = (Split(*drawn) for drawn in generate(facts))
        return ImageData.from_splits(facts, train=train, val=val, test=test)
    data = load_data(name)
    return ImageData.from_splits(
        facts,
        train=Split(data.train.images[:n_train], data.train.labels[:n_train]),
        val=Split(data.val.images[:n_val], data.val.labels[:n_val]),
        test=data.test,
    )
