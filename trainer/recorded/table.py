"""A table of trainings: every skip pattern of a small space, each on several seeds; no torch here."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainer.errors import DataError

SINGLE = np.float32
"""Numbers are kept in single precision, as they were measured."""

_ARRAYS = (
    "train_loss",
    "log_loss",
    "accuracy",
    "test_log_loss",
    "test_accuracy",
    "seconds",
    "gradient_norms",
    "lr",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class PatternTable:
    """Trainings of all patterns of skips at some groups of blocks.

    Pattern 0 has no skip. The binary digits of a pattern's number say which groups have one, the
    first group's digit being the highest.
    """

    about: Mapping[str, Any]
    """How it was recorded: command, recipe, versions, commit, machine."""
    train_loss: np.ndarray
    """Mean training loss of each epoch, nats, (patterns, seeds, epochs); NaN from where a training
    diverged, like the other curves."""
    log_loss: np.ndarray
    """Validation log-loss after each epoch, nats, of the same shape."""
    accuracy: np.ndarray
    """Validation accuracy after each epoch, in [0, 1], of the same shape."""
    test_log_loss: np.ndarray
    """Log-loss of the test split after the last epoch, (patterns, seeds)."""
    test_accuracy: np.ndarray
    """Accuracy of the test split after the last epoch, (patterns, seeds)."""
    seconds: np.ndarray
    """What each training took when it was recorded, s, (patterns, seeds)."""
    gradient_norms: np.ndarray
    """L2 norm of every block's branch gradient at initialisation, (patterns, seeds, blocks)."""
    lr: np.ndarray
    """Learning rate at the end of each epoch, (epochs,)."""

    @property
    def num_patterns(self) -> int:
        """How many patterns: 2 to the power of the groups."""
        return self.log_loss.shape[0]

    @property
    def num_seeds(self) -> int:
        """How many trainings of each pattern."""
        return self.log_loss.shape[1]

    @property
    def num_epochs(self) -> int:
        """Epochs of each training."""
        return self.log_loss.shape[2]

    @property
    def num_groups(self) -> int:
        """Groups of blocks that have a skip or none."""
        return self.num_patterns.bit_length() - 1

    @property
    def patterns(self) -> np.ndarray:
        """Whether each group has a skip, (patterns, groups)."""
        return pattern_digits(self.num_groups)

    def values(self, metric: str, num_classes: int) -> np.ndarray:
        """Return an outcome after the last epoch, positive = better, (patterns, seeds).

        Args:
            metric: `val/log_loss`, `val/accuracy`, `test/log_loss` or `test/accuracy`.
            num_classes: A diverged training counts as a network that guesses among so many.

        Raises:
            DataError: The table does not hold that metric.
        """
        found = {
            "val/log_loss": self.log_loss[:, :, -1],
            "val/accuracy": self.accuracy[:, :, -1],
            "test/log_loss": self.test_log_loss,
            "test/accuracy": self.test_accuracy,
        }
        if metric not in found:
            raise DataError(
                f"PatternTable: metric must be one of {', '.join(found)}, got metric={metric!r}. "
                "Take one of them."
            )
        if metric.endswith("log_loss"):
            return -np.nan_to_num(found[metric], nan=math.log(num_classes))
        return np.nan_to_num(found[metric], nan=1 / num_classes)

    def save(self, path: Path) -> None:
        """Write it as one compressed file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {name: getattr(self, name).astype(SINGLE) for name in _ARRAYS}
        np.savez_compressed(path, about=np.array(json.dumps(self.about)), **arrays)


def load_table(path: Path) -> PatternTable:
    """Read what `PatternTable.save` wrote.

    Raises:
        DataError: The file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name].astype(np.float64) for name in _ARRAYS}
            return PatternTable(about=json.loads(str(file["about"])), **arrays)
    except (OSError, ValueError, KeyError) as error:
        words = " ".join(str(error).split())
        raise DataError(
            f"{path.name}: the table must be a whole file of the package, got {words}. "
            "Install the package again."
        ) from error


def pattern_digits(num_groups: int) -> np.ndarray:
    """Return whether each group has a skip, for all patterns in order, (patterns, groups).

    >>> pattern_digits(2).astype(int).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    numbers = np.arange(2**num_groups)[:, None]
    return (numbers >> np.arange(num_groups)[::-1]) & 1 == 1
