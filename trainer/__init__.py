"""How candidates are trained and measured: recipe, data, Lightning module, measurements.

Names that need torch or Lightning are imported when they are first used. The entry is
`trainer.train.train`; it is not exported here, since the package's attribute `train` is that module.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trainer.checkpoints import CheckpointStore, FolderCheckpoints
from trainer.data import DataFacts, data_facts
from trainer.errors import DataError, RecipeError
from trainer.measurement import Candidate, EpochMetrics, Failure, Measurement, Reason
from trainer.progress import Progress, Unattended, Verdict
from trainer.recipe import Recipe
from trainer.seeding import child_seed

if TYPE_CHECKING:
    from trainer.checkpoint_io import KeyedCheckpointIO
    from trainer.datasets import ImageData, load_data
    from trainer.evidence import gradient_norms
    from trainer.loaders import DeviceBatches
    from trainer.module import CandidateModule
    from trainer.seeding import generator

_LAZY = {
    "CandidateModule": "trainer.module",
    "DeviceBatches": "trainer.loaders",
    "ImageData": "trainer.datasets",
    "KeyedCheckpointIO": "trainer.checkpoint_io",
    "generator": "trainer.seeding",
    "gradient_norms": "trainer.evidence",
    "load_data": "trainer.datasets",
}

__all__ = [
    "Candidate",
    "CandidateModule",
    "CheckpointStore",
    "DataError",
    "DataFacts",
    "DeviceBatches",
    "EpochMetrics",
    "Failure",
    "FolderCheckpoints",
    "ImageData",
    "KeyedCheckpointIO",
    "Measurement",
    "Progress",
    "Reason",
    "Recipe",
    "RecipeError",
    "Unattended",
    "Verdict",
    "child_seed",
    "data_facts",
    "generator",
    "gradient_norms",
    "load_data",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
