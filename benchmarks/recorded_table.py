"""Recorded trainings of a whole subspace, so that searches can be repeated without training."""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from benchmarks.half_stages import HalfStages
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec, InputShape
from trainer.errors import DataError

FOLDER = Path(__file__).resolve().parent / "recorded"
DEFAULT = FOLDER / "digits_half_stages.npz"
IMAGES = InputShape(channels=1, height=8, width=8)
CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class RecordedTable:
    """Curves of every architecture of a space, on several seeds."""

    about: dict[str, Any]
    """How it was recorded: the space's arguments, recipe, machine, versions."""
    log_loss: np.ndarray
    """Validation log-loss, (architectures, seeds, epochs), in the order in which the space yields
    them; NaN from where a training diverged."""
    accuracy: np.ndarray
    """Validation accuracy, of the same shape."""

    def space(self) -> SearchSpace:
        """Make the space."""
        return make_space(self.about["space"])

    def means(self) -> np.ndarray:
        """Mean log-loss after the last epoch; a diverged training counts as guessing."""
        return np.nan_to_num(self.log_loss[:, :, -1], nan=np.log(CLASSES)).mean(axis=1)

    def save(self, path: Path) -> None:
        """Write it as one compressed file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path,
            about=np.array(json.dumps(self.about)),
            log_loss=self.log_loss.astype(np.float32),
            accuracy=self.accuracy.astype(np.float32),
        )


def make_space(arguments: dict[str, Any]) -> SearchSpace:
    """Make a recorded space for digits."""
    return HalfStages(**arguments, input=IMAGES, num_classes=CLASSES)


def architectures(space: SearchSpace) -> list[ArchitectureSpec]:
    """Return all architectures in the table's order."""
    return list(space)


def load_table(path: Path = DEFAULT) -> RecordedTable:
    """Read a recorded table.

    Raises:
        DataError: There is none.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return RecordedTable(
                about=json.loads(str(file["about"])),
                log_loss=file["log_loss"].astype(np.float64),
                accuracy=file["accuracy"].astype(np.float64),
            )
    except (OSError, ValueError, LookupError, TypeError, BadZipFile) as error:
        reason = getattr(error, "strerror", None) or "something else"
        raise DataError(
            f"{path}: must be a table that benchmarks.record_table wrote, got {reason}. Record "
            "one, or leave --table out."
        ) from error


def generated_table(seed: int = 0, num_seeds: int = 3, epochs: int = 8) -> RecordedTable:
    """Make up a table, for trying searches out: it proves nothing.

    Half stages without skips hurt, the more the more of them follow each other; noise is as large
    as the spread of the better half; early ranks are erratic.
    """
    rng = np.random.default_rng(seed)
    arguments = {"stages": 3, "blocks": 8, "width": 4}
    space = make_space(arguments)
    names = [*space.decisions(next(iter(space)))]
    effects = {
        (name, kind): float(rng.normal(mean, 0.3))
        for name in names
        for kind, mean in (("none", 1.0), ("identity", 0.0), ("projection", 0.3))
    }
    true = []
    for spec in space:
        kinds = space.decisions(spec)
        runs = sum(kinds[a] == kinds[b] == "none" for a, b in itertools.pairwise(names))
        true.append(sum(effects[name, str(kind)] for name, kind in kinds.items()) + 0.8 * runs)
    score = (np.array(true) - np.mean(true)) / np.std(true)
    final = 0.15 * np.exp(score)[:, None] * np.exp(rng.normal(0, 0.35, (len(score), num_seeds)))
    left = np.linspace(1, 0, epochs)
    early = rng.normal(0, 0.3, (*final.shape, epochs)) * left
    curves = final[:, :, None] * np.exp(early) + 2 * left**2
    curves = np.minimum(curves, np.log(CLASSES))
    about = {"space": arguments, "recipe": {"epochs": epochs}, "generated": True}
    return RecordedTable(about=about, log_loss=curves, accuracy=np.exp(-curves))
