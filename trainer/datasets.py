"""Images and labels in memory: the shipped data sets, their fixed splits, normalisation.

Shapes: N images, C channels, H and W px.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainer.data import DataFacts, data_facts
from trainer.errors import DataError
from trainer.generated import generate
from trainer.seeding import child_seed


class Split(NamedTuple):
    """One split."""

    images: Tensor
    """(N, C, H, W), float32."""
    labels: Tensor
    """(N,), int64, classes from 0."""


class NormalisedData(NamedTuple):
    """All splits on one device, each channel shifted and scaled by the training split's."""

    train: Split
    val: Split
    test: Split


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageData:
    """A data set in memory, raw values."""

    facts: DataFacts
    train: Split
    val: Split
    test: Split
    mean: tuple[float, ...]
    """Per channel, over the training split, in raw values."""
    std: tuple[float, ...]
    """Per channel, over the training split, in raw values; population form, > 0."""
    _on_device: dict[str, NormalisedData] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def from_splits(
        cls, facts: DataFacts, *, train: Split, val: Split, test: Split
    ) -> "ImageData":
        """Check the splits against `facts` and measure mean and standard deviation.

        Raises:
            DataError: Images or labels are not as `facts` say, or a channel is constant.
        """
        counts = {"train": facts.n_train, "val": facts.n_val, "test": facts.n_test}
        for name, split in (("train", train), ("val", val), ("test", test)):
            _check_split(facts, name, split, counts[name])
        std, mean = torch.std_mean(train.images.double(), dim=(0, 2, 3), correction=0)
        if not bool((std > 0).all()):
            raise DataError(
                f"Data set {facts.name!r}: every channel must vary over the training split, got "
                f"std={std.tolist()}. Leave constant channels out."
            )
        return cls(
            facts=facts,
            train=train,
            val=val,
            test=test,
            mean=tuple(mean.tolist()),
            std=tuple(std.tolist()),
        )

    def normalise(self, images: Tensor) -> Tensor:
        """Map raw images (N, C, H, W) to zero mean and unit variance per channel."""
        shape = (1, -1, 1, 1)
        mean = torch.tensor(self.mean, device=images.device).view(shape)
        std = torch.tensor(self.std, device=images.device).view(shape)
        return (images - mean) / std

    def to(self, device: str | torch.device) -> NormalisedData:
        """Return all splits normalised and on `device`; done once per device, then kept."""
        name = str(device)
        if name not in self._on_device:
            self._on_device[name] = NormalisedData(
                *(
                    Split(self.normalise(split.images.to(device)), split.labels.to(device))
                    for split in (self.train, self.val, self.test)
                )
            )
        return self._on_device[name]


def load_data(name: str) -> ImageData:
    """Load a shipped data set into memory.

    Raises:
        DataError: No shipped data set has that name.
    """
    facts = data_facts(name)
    loaders = {
        "digits": _load_digits,
        "skipbench": _load_digits,
        "generated-3x32x32": _generate,
    }
    return loaders[name](facts)


def stratified_split(
    labels: Sequence[int] | np.ndarray, *, n_val: int, n_test: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split indices into training, validation and test, each class in proportion.

    Which image goes where hangs on a hash of its index alone, so the split stays the same with
    every version of every library. Indices of each split ascend.

    Args:
        labels: Class of each image.
        n_val: Images in the validation split.
        n_test: Images in the test split.
        seed: Another seed gives another split.
    """
    labels = np.asarray(labels)
    parts: list[list[int]] = [[], [], []]
    classes, sizes = np.unique(labels, return_counts=True)
    val_counts = _allot(n_val, sizes)
    # From what is left, so that a class of a single image is not given away twice.
    test_counts = _allot(n_test, sizes - val_counts)
    for label, val, test in zip(classes, val_counts, test_counts, strict=True):
        members = [int(index) for index in np.flatnonzero(labels == label)]
        members.sort(key=lambda index: child_seed(seed, "split", index))
        parts[0] += members[val + test :]
        parts[1] += members[:val]
        parts[2] += members[val : val + test]
    train, val, test = (np.array(sorted(part), dtype=np.int64) for part in parts)
    return train, val, test


def _allot(total: int, sizes: np.ndarray) -> np.ndarray:
    """Share `total` out in proportion to `sizes`, by largest remainders."""
    exact = total * sizes / sizes.sum()
    counts = np.floor(exact).astype(int)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: total - counts.sum()]] += 1
    return counts


def _load_digits(facts: DataFacts) -> ImageData:
    """Handwritten digits, 8x8 px, values 0 to 16.

    Source:
        scikit-learn's `load_digits`: the test part of "Optical Recognition of Handwritten
        Digits", UCI repository, E. Alpaydin and C. Kaynak, 1998.
    """
    # Imported here: it takes about a second and other data sets do without.
    from sklearn.datasets import load_digits

    raw = load_digits(return_X_y=True)
    images = torch.tensor(raw[0], dtype=torch.float32)
    labels = torch.tensor(raw[1], dtype=torch.int64)
    shape = (-1, facts.input.channels, facts.input.height, facts.input.width)
    parts = stratified_split(
        labels.numpy(), n_val=facts.n_val, n_test=facts.n_test, seed=facts.split_seed
    )
    train, val, test = (Split(images[part].view(shape), labels[part]) for part in parts)
    return ImageData.from_splits(facts, train=train, val=val, test=test)


def _generate(facts: DataFacts) -> ImageData:
    train, val, test = (Split(*drawn) for drawn in generate(facts))
    return ImageData.from_splits(facts, train=train, val=val, test=test)


def _check_split(facts: DataFacts, name: str, split: Split, count: int) -> None:
    where = f"Data set {facts.name!r}, split {name}"
    wanted = (count, facts.input.channels, facts.input.height, facts.input.width)
    if tuple(split.images.shape) != wanted:
        raise DataError(
            f"{where}: images must have the shape {wanted}, got "
            f"shape={tuple(split.images.shape)}. Change the images or the facts."
        )
    if split.images.dtype != torch.float32 or split.labels.dtype != torch.int64:
        raise DataError(
            f"{where}: images must be float32 and labels int64, got images="
            f"{split.images.dtype} and labels={split.labels.dtype}. Convert them."
        )
    labels = split.labels
    in_range = labels.numel() == 0 or 0 <= int(labels.min()) <= int(labels.max())
    if labels.shape != (count,) or not in_range or int(labels.max()) >= facts.num_classes:
        raise DataError(
            f"{where}: labels must be {count} classes in [0, {facts.num_classes - 1}], got "
            f"shape={tuple(labels.shape)} with values from {labels.min()} to {labels.max()}. "
            "Number the classes from 0."
        )
