"""Fewer images of a data set than it ships, for measurements of a few steps."""

from dataclasses import replace

from trainer.data import data_facts
from trainer.datasets import ImageData, Split, load_data
from trainer.generated import generate

CIFAR_SHAPED = "generated-3x32x32"
"""Shipped images of CIFAR-10's shape, made up for timing."""


def load_few(name: str, n_train: int, n_val: int) -> ImageData:
    """Return a data set of so many images.

    Args:
        name: A shipped data set; of generated ones only so many images are made.
        n_train: Training images.
        n_val: Validation images.
    """
    facts = data_facts(name)
    if n_train > facts.n_train or n_val > facts.n_val:
        raise ValueError(
            f"load_few: {name} has {facts.n_train} and {facts.n_val} images, got n_train={n_train} and "
            f"n_val={n_val}. Ask for fewer, or for smaller batches."
        )
    facts = replace(facts, n_train=n_train, n_val=n_val)
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
