"""What is checked before any candidate is trained."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from search_spaces.errors import UserError
from trainer.checkpoints import CheckpointStore
from trainer.data import DataFacts
from trainer.measurement import OWN_RECIPE_FIELDS, Candidate

_LIGHTNING_WORDS = frozenset({"", "best", "last", "hpc"})
"""Checkpoint paths with a meaning of their own in `Trainer.fit`."""


def check_candidates(candidates: Sequence[Candidate], facts: DataFacts) -> None:
    """Check that keys tell candidates apart and that every spec takes the data's images.

    Raises:
        UserError: One of them does not hold.
    """
    keys: set[str] = set()
    for candidate in candidates:
        if candidate.key in keys or candidate.key in _LIGHTNING_WORDS:
            raise UserError(
                "train: every candidate must have a key of its own, none of '', 'best', 'last' "
                f"and 'hpc', got key={candidate.key!r}. Rename one."
            )
        keys.add(candidate.key)
        if unknown := set(candidate.recipe_values) - set(OWN_RECIPE_FIELDS):
            raise UserError(
                f"train: a candidate may have values of its own of {' and '.join(OWN_RECIPE_FIELDS)} "
                f"only, got {min(unknown)!r} of candidate {candidate.key!r}. Put it into the recipe."
            )
        spec = candidate.spec
        if spec.input != facts.input or spec.num_classes != facts.num_classes:
            raise UserError(
                f"train: candidate {candidate.key!r} must take the images of {facts.name!r} "
                f"({facts.input}, num_classes={facts.num_classes}), got {spec.input}, "
                f"num_classes={spec.num_classes}. Build the spec for this data set."
            )


def check_store(checkpoints: CheckpointStore | None, *, keep_weights: bool) -> None:
    """Check that weights that shall be kept have a place to go.

    Raises:
        UserError: They have none.
    """
    if keep_weights and checkpoints is None:
        raise UserError(
            "train: keep_weights needs a store, got keep_weights=True and checkpoints=None. "
            "Give checkpoints, such as FolderCheckpoints(folder)."
        )


def check_pause(pause_after: int | None, checkpoints: CheckpointStore | None) -> None:
    """Check that candidates that pause can go on.

    Raises:
        UserError: They have no store, or pause before anything is trained.
    """
    if pause_after is None:
        return
    if pause_after < 1:
        raise UserError(
            f"train: pause_after must be at least 1 epoch, got pause_after={pause_after}."
        )
    if checkpoints is None:
        raise UserError(
            f"train: a pause needs a store to go on from, got pause_after={pause_after} and "
            "checkpoints=None. Give checkpoints, such as FolderCheckpoints(folder)."
        )


def check_module_args(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as JSON gives them back, so that any process gets the same.

    Raises:
        UserError: They are no JSON values, or have names that `train` gives itself.
    """
    for name in ("spec", "recipe", "seed"):
        if name in arguments:
            raise UserError(
                f"train: module_args must not hold {name!r}, which every candidate gets of its "
                f"own, got {name}={arguments[name]!r}. Leave it out."
            )
    try:
        return json.loads(json.dumps(dict(arguments), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UserError(
            f"train: module_args must be JSON values, got {dict(arguments)!r} ({error}). Give "
            "numbers, text, lists and mappings, and make the rest in the module."
        ) from None


def parse_device(name: str) -> torch.device:
    """Return the device, with its index where it has one.

    Raises:
        UserError: There is no such device here.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise UserError(
            f"train: device must be 'cpu', 'cuda' or 'cuda:N', got device={name!r}. Name one."
        )
    if device.type == "cpu":
        return torch.device("cpu")
    index = device.index or 0
    if index >= torch.cuda.device_count():
        raise UserError(
            f"train: device must exist, got device={name!r} with {torch.cuda.device_count()} "
            "CUDA devices here. Use 'cpu' or a smaller number."
        )
    return torch.device("cuda", index)
