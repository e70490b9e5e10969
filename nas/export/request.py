"""What an export is made of, and what it reports; no torch here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.errors import ExportError
from nas.finalists import Direction
from nas.trials import TrialRecord
from search_spaces.spec import ArchitectureSpec
from trainer.data import DataFacts


@dataclass(frozen=True, kw_only=True)
class SearchCost:
    """What the search took."""

    trials: int
    """Complete and pruned search trials."""
    seconds: float
    """Wall time of the search."""
    workers: int


@dataclass(frozen=True, kw_only=True, eq=False)
class ExportRequest:
    """One trained network, and all that its card says."""

    study: str
    """Name of the study."""
    spec: ArchitectureSpec
    weights: bytes
    """`CandidateResNet.state_dict()` in the safetensors format."""
    mean: tuple[float, ...]
    """Per channel of the raw training images; subtracted first."""
    std: tuple[float, ...]
    """Per channel of the raw training images; divided by."""
    facts: DataFacts
    recipe: Mapping[str, Any]
    """The training recipe as plain data."""
    seed: int
    """Seed of these weights."""
    chosen: TrialRecord
    """The run whose weights these are, with its test scores."""
    finalists: Sequence[TrialRecord]
    """All runs on fresh seeds of all re-evaluated architectures."""
    identity_anchor: Sequence[TrialRecord]
    """Runs of the network of equal depth with an identity in every block, on fresh seeds."""
    cost: SearchCost
    versions: Mapping[str, str]
    """Tool to version, such as `torch` to `2.13.0`."""
    picture: str
    """Drawing of the architecture, SVG; empty for none."""
    metric: str = "val/log_loss"
    """What the study optimised."""
    direction: Direction = "minimize"
    space: Mapping[str, Any] | None = None
    """The search space's configuration, for the card."""
    task: Mapping[str, Any] | None = None
    """The user's task, `class_path` and `init_args`, for the card; None for the usual one."""
    test_images: np.ndarray | None = None
    """Raw images of the test split, (N, C, H, W); random images stand in where None."""
    test_labels: np.ndarray | None = None
    """Classes of `test_images`, (N,); without them no accuracy is checked."""

    def check(self) -> None:
        """Refuse parts that do not belong together, before anything is written.

        Raises:
            ExportError: The message names the parts.
        """
        self._check_network()
        self._check_images()

    def _check_network(self) -> None:
        channels = self.spec.input.channels
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != channels or not all(map(math.isfinite, values)):
                raise ExportError(
                    f"Export: {name} must hold {channels} finite numbers, one per channel, got "
                    f"{name}={values!r}. Take them from the training split."
                )
        if min(self.std) <= 0:
            raise ExportError(
                f"Export: std must be above 0 in every channel, got std={self.std!r}. "
                "Leave out channels that never change, or give them std=1."
            )
        if (self.spec.input, self.spec.num_classes) != (self.facts.input, self.facts.num_classes):
            raise ExportError(
                f"Export: the architecture must fit the data set {self.facts.name!r}, got "
                f"{_images(self.spec)} for data of {_images(self.facts)}. "
                "Export with the data set of the search."
            )
        for name, ours, theirs in (
            ("spec_id", self.spec.spec_id, self.chosen.spec_id),
            ("seed", self.seed, self.chosen.seed),
        ):
            if ours != theirs:
                raise ExportError(
                    f"Export: the weights must be those of the chosen run, got {name}={ours!r} "
                    f"for a run with {name}={theirs!r}. Give the weights of that run."
                )

    def _check_images(self) -> None:
        if self.test_images is None:
            return
        shape = self.spec.input
        wanted = (shape.channels, shape.height, shape.width)
        found = tuple(self.test_images.shape)
        if found[1:] != wanted or not found[0]:
            raise ExportError(
                f"Export: test_images must have shape (N, {wanted[0]}, {wanted[1]}, {wanted[2]}), "
                f"got shape={found}. Give raw images, before normalisation."
            )
        if self.test_labels is not None and self.test_labels.shape != found[:1]:
            raise ExportError(
                f"Export: test_labels must have shape ({found[0]},), one per image, got "
                f"shape={tuple(self.test_labels.shape)}. Give the labels of the same split."
            )


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """An export that was loaded and compared in a fresh process."""

    folder: Path
    max_abs_difference: float
    """Largest difference between its logits and the toolkit's own, over all compared images."""
    accuracy: float | None
    """On the test split, as measured in the fresh process, in [0, 1]; None without labels."""
    seconds: float
    """Wall time of the export, the check included."""
    replaced: str | None = None
    """`spec_id` of the former export in the folder; empty where it could not be read, None where
    there was no export."""


def _images(what: ArchitectureSpec | DataFacts) -> str:
    shape = what.input
    return f"{shape.channels}x{shape.height}x{shape.width} images of {what.num_classes} classes"
