"""What comes out of training a candidate: frozen results with units; no torch here."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from search_spaces.spec import ArchitectureSpec

OWN_RECIPE_FIELDS = ("lr", "weight_decay")
"""Recipe fields that a candidate may have values of its own of."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One training to be done."""

    key: str
    """Name of this training, also of its checkpoint; unique within a study."""
    spec: ArchitectureSpec
    seed: int
    """Master of all its randomness: initial weights, order of the images, augmentation."""
    recipe_values: Mapping[str, float] = field(default_factory=dict[str, float])
    """Its own values of recipe fields, of `OWN_RECIPE_FIELDS`; the recipe's where empty."""


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """What one finished epoch measured."""

    epoch: int
    """Finished epochs, from 1."""
    train_loss: float
    """Mean training loss over the epoch, nats."""
    val_log_loss: float
    """Mean negative log-likelihood of the validation split, nats."""
    val_accuracy: float
    """Share of the validation split classified rightly, in [0, 1]."""
    lr: float
    """Learning rate at the end of the epoch."""
    seconds: float
    """Wall time of the epoch, validation included; in a group the candidate's share of it."""
    more: dict[str, float] = field(default_factory=dict)
    """What the module measured beside these on the validation split, such as `macro_f1`; values
    that are not finite are left out."""

    @property
    def validation(self) -> dict[str, float]:
        """All that was measured on the validation split, by name (`log_loss`, `accuracy`, ...)."""
        return {"log_loss": self.val_log_loss, "accuracy": self.val_accuracy, **self.more}


class Reason(StrEnum):
    """Why a training failed."""

    OOM = "oom"
    DIVERGED = "diverged"
    ERROR = "error"
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A training that ended as planned or was stopped by `Progress`."""

    key: str
    spec_id: str
    seed: int
    stopped: bool
    """Whether `Progress` ended it before the last epoch."""
    history: tuple[EpochMetrics, ...]
    """All epochs, those before a resume included."""
    resumed_from_epoch: int
    """Finished epochs found in the checkpoint; 0 for a fresh start."""
    seconds: float
    """Wall time of this attempt in training and validation; in a group its share of it."""
    setup_seconds: float
    """Wall time of this attempt outside training: building, evidence, checkpoint reading."""
    peak_memory_bytes: int
    """Peak device memory, in a group that of the whole group; on the CPU the peak resident memory
    of the process."""
    params: int
    macs: int
    gradient_norms: tuple[float, ...]
    """Per block, in network order: L2 norm of its branch's gradient on the first batch at
    initialisation."""
    device: str
    path: str
    """Which way it was trained: `group of 8`, `lean` (a group of one), or `ordinary: <why>`; the
    first two with `, CUDA graph` where steps were taken from a record."""
    test_log_loss: float | None = None
    """Nats; only where the test split was asked for."""
    test_accuracy: float | None = None
    """In [0, 1]; only where the test split was asked for."""
    test_more: dict[str, float] = field(default_factory=dict)
    """Like `EpochMetrics.more`, on the test split; only where it was asked for."""
    evidence: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    """Per block of the trained network, see `trainer.inside`; only where it was asked for."""

    @property
    def last(self) -> EpochMetrics:
        """The last epoch: a trial's value is the last epoch's, not its best."""
        return self.history[-1]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Measurement":
        """Read what `to_dict` wrote."""
        history = tuple(EpochMetrics(**epoch) for epoch in data["history"])
        norms = tuple(data["gradient_norms"])
        evidence = {name: tuple(own) for name, own in data.get("evidence", {}).items()}
        changed = {"history": history, "gradient_norms": norms, "evidence": evidence}
        return cls(**{**data, **changed})


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A training that did not end as planned."""

    key: str
    spec_id: str
    seed: int
    reason: Reason
    message: str
    """Exception type and text, in one line."""
    traceback: str
    """The whole traceback, for the log."""
    history: tuple[EpochMetrics, ...]
    """Epochs finished before it failed."""
    seconds: float
    """Wall time until it failed."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Failure":
        """Read what `to_dict` wrote."""
        history = tuple(EpochMetrics(**epoch) for epoch in data["history"])
        return cls(**{**data, "reason": Reason(data["reason"]), "history": history})
