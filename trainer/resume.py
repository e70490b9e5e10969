"""Whether a stored checkpoint is one of the training at hand."""

import logging
from collections.abc import Mapping
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
    """Say which kind of whole checkpoint of the reporter's training the store holds, if any.

    One that is damaged or of another training is logged; the training then starts afresh and
    overwrites it.
    """
    data = checkpoints.load(reporter.key) if checkpoints is not None else None
    if data is None:
        return None
    try:
        state = checkpoint_from_bytes(data)
        found = identity_of(state, reporter.state_key)
        differing = [k for k, value in reporter.identity.items() if found.get(k) != value]
    except Exception as error:  # noqa: BLE001 - bytes can be damaged in any way
        problem = f"it is damaged ({type(error).__name__})"
    else:
        if not differing:
            return Found.COMPACT if "compact" in state else Found.LIGHTNING
        problem = f"it is of another training (differs in {', '.join(differing)})"
    _log.warning("Checkpoint %r is not used: %s. Training afresh.", reporter.key, problem)
    return None
