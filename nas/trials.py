"""The record of one trial, as every part of `nas` reads it; neither torch nor Optuna here."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nas.lazy import Lazy
from search_spaces.space import Value
from search_spaces.spec import ArchitectureSpec
from trainer.measurement import EpochMetrics


class State(StrEnum):
    """Where a trial is."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"

    @property
    def is_finished(self) -> bool:
        """Whether nothing more happens to the trial."""
        return self in (State.COMPLETE, State.PRUNED, State.FAILED)


class Source(StrEnum):
    """Who chose the architecture, which decides what may be concluded from it."""

    RANDOMISED = "randomised"
    """A row of the balanced random design; never pruned. Unbiased."""
    ADAPTIVE = "adaptive"
    """Chosen by the sampler, or enqueued by a person."""
    ANCHOR = "anchor"
    """A hand-designed network for comparison (plain, full identity), on fresh seeds."""
    FINALIST = "finalist"
    """One of the best trials retrained on a fresh seed."""
    PAIRED = "paired"
    """A paired retraining of an ablation."""


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial of a study, or of its `.repeats`; what a CSV does not say is None or empty."""

    number: int
    state: State
    source: Source
    decisions: dict[str, Value]
    """Answers by name (`depth.stage1`, `skip.stage1.block1`), only those that exist."""
    value: float | None = None
    """The study's metric at the last epoch."""
    spec: Lazy[ArchitectureSpec | None] = Lazy[ArchitectureSpec | None](None)  # noqa: RUF009
    spec_id: str | None = None
    seed: int | None = None
    lr: float | None = None
    weight_decay: float | None = None
    name: str | None = None
    """Anchors: `plain-32`, `identity-32`, with the number of layers."""
    of_trial: int | None = None
    """Finalists: number of the search trial whose architecture is retrained."""
    replicate: int = 0
    """Anchors, finalists and paired rows: which of the repeats, from 0; paired rows of one `base`
    and equal `replicate` share their seed."""
    base: str | None = None
    """Paired: the network that is ablated, such as `identity-32`, `plain-32` or `trial 17`."""
    flip: str | None = None
    """Paired: what differs from `base`, such as `stage2.block3=none`; None for the base itself."""
    reason: str | None = None
    """Why it failed: `oom`, `diverged`, `error` or `lost`; or why it was pruned."""
    paused_after: int | None = None
    """Epochs after which it waits at a rung; None where it does not."""
    message: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    """`val_log_loss` (nats), `val_accuracy` in [0, 1], `train_loss` (nats) at the last epoch;
    `test_log_loss`, `test_accuracy` where measured."""
    history: Lazy[tuple[EpochMetrics, ...]] = Lazy[tuple[EpochMetrics, ...]](())  # noqa: RUF009
    epochs_done: int = 0
    seconds: float | None = None
    """Wall time in training and validation, all attempts."""
    peak_memory_bytes: int | None = None
    params: int | None = None
    macs: int | None = None
    gradient_norms: tuple[float, ...] = ()
    """Per block at initialisation, in network order."""
    evidence: dict[str, tuple[float | None, ...]] = field(
        default_factory=dict[str, tuple[float | None, ...]]
    )
    """Full-identity anchors: per block of the trained network, see `trainer.inside`."""
    ended_utc: str | None = None
    """When it ended, ISO 8601 in UTC to the second."""
    device: str | None = None
    attempts: int = 1
    refused: dict[str, int] = field(default_factory=dict)
    """Adaptive: proposals beyond a constraint before this one, by constraint; none was trained."""
    rows_left_out: int = 0
    """Design rows: rows beyond a constraint before this one, which were left out."""
    wandb_id: str | None = None

    @property
    def layers(self) -> int | None:
        """Layers with weights, where the spec is known."""
        return self.spec.layers if self.spec else None

    @property
    def recipe(self) -> dict[str, float | None]:
        """Its own values of what a recipe may have ranges of."""
        return {"lr": self.lr, "weight_decay": self.weight_decay}

    @property
    def training(self) -> tuple[str | None, float | None, float | None]:
        """What is trained: architecture, learning rate and weight decay; repeats share it."""
        return (self.spec_id, self.lr, self.weight_decay)

    def to_row(self) -> dict[str, Any]:
        """Return one flat row: the columns of `nas report --csv`, then the rest that is known."""
        return {
            "trial": self.number,
            "state": self.state.value,
            "source": self.source.value,
            "value": self.value,
            "seed": self.seed,
            "lr": self.lr,
            "weight_decay": self.weight_decay,
            **self.decisions,
            **self.metrics,
            "name": self.name,
            "of_trial": self.of_trial,
            **self._pair(),
            "reason": self.reason,
            "spec_id": self.spec_id,
            "layers": self.layers,
            "params": self.params,
            "macs": self.macs,
            "epochs_done": self.epochs_done,
            "seconds": self.seconds,
        }

    def _pair(self) -> dict[str, Any]:
        """Return what pairs a retraining with others; nothing for trials of a search."""
        if self.source in (Source.RANDOMISED, Source.ADAPTIVE):
            return {}
        return {"replicate": self.replicate, "base": self.base, "flip": self.flip}


def trial_key(prefix: str, number: int) -> str:
    """Return the key of a trial, such as `trial-0012`; `repeat` for the `.repeats` study."""
    return f"{prefix}-{number:04d}"
