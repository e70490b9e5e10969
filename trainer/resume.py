"""Whether a stored checkpoint is one of the training at hand."""

import logging
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from trainer.checkpoint_io import checkpoint_from_bytes
from trainer.checkpoints import CheckpointStore
from trainer.compact import identity_of
from trainer.datasets import ImageData
from trainer.measurement import Candidate
from trainer.module import CandidateModule
from trainer.recipe import Recipe
from trainer.reporter import EpochReporter

_log = logging.getLogger(__name__)


class Found(Enum):
    """Which kind of checkpoint a store holds."""

    LIGHTNING = "lightning"
    COMPACT = "compact"


def training_identity(
    candidate: Candidate,
    recipe: Recipe,
    data: ImageData,
    module_class: type[CandidateModule],
    module_args: Mapping[str, Any],
) -> dict[str, Any]:
    """Return plain data that differs where the training would differ."""
    return {
        "spec": candidate.spec.spec_id,
        "seed": candidate.seed,
        "recipe": recipe.model_dump(mode="json"),
        "data": f"{data.facts.name}, split {data.facts.split_seed}",
        "module": f"{module_class.__module__}.{module_class.__qualname__}",
        "module_args": dict(module_args),
    }


def find_checkpoint(reporter: EpochReporter, checkpoints: CheckpointStore | None) -> Found | None:
    """Say which kind of whole checkpoint of the reporter's training the store holds, if any."""
    data = checkpoints.load(reporter.key) if checkpoints is not None else None
    if data is None:
        return None
    states: list[dict[str, Any]] = []

    def read() -> Mapping[str, Any]:
        states.append(checkpoint_from_bytes(data))
        return identity_of(states[0], reporter.state_key)

    if not is_usable(reporter.key, reporter.identity, read):
        return None
    return Found.COMPACT if "compact" in states[0] else Found.LIGHTNING


def is_usable(
    key: str, identity: Mapping[str, Any], read: Callable[[], Mapping[str, Any]]
) -> bool:
    """Whether a checkpoint is whole and of this training.

    One that is damaged or of another training is logged; the training then starts afresh and
    overwrites it.

    Args:
        key: Key of the candidate.
        identity: Which training it is.
        read: Reads the checkpoint and returns which training it is of.
    """
    try:
        found = read()
        differing = [k for k, value in identity.items() if found.get(k) != value]
    except Exception as error:  # noqa: BLE001 - bytes can be damaged in any way
        problem = f"it is damaged ({type(error).__name__})"
    else:
        if not differing:
            return True
        problem = f"it is of another training (differs in {', '.join(differing)})"
    _log.warning("Checkpoint %r is not used: %s. Training afresh.", key, problem)
    return False
