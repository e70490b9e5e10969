"""Epochs to a target: how fast networks get as good as plain ones end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.benefit.context import Metric
from nas.benefit.retrainings import by_anchor, outcomes
from nas.benefit.sample import outcome_of
from nas.trials import State, TrialRecord

EPOCHS = "epochs_to_target"
"""Name of the outcome under `metrics`."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A value of the study's metric that a network has to reach, and how long it may take."""

    value: float
    source: str
    """Where the value comes from, in words."""
    horizon: int
    """Epochs that every complete training has had."""
    metric: Metric

    def epochs(self, row: TrialRecord) -> float | None:
        """Return the first epoch that is as good as the target.

        A training that never is counts as one epoch more than the horizon, and so does one that
        diverged: the mean is then that of the time up to the horizon, the restricted mean, which
        has no bias where all trainings are watched equally long. None where nothing is known.
        """
        if outcome_of(row, self.metric) is None:
            return None
        if row.state is State.FAILED:
            return self.horizon + 1.0
        name, sign = self.metric.name.removeprefix("val_"), self.metric.sign
        for epoch in row.history[: self.horizon]:
            reached = epoch.validation.get(name)
            if reached is not None and sign * reached >= sign * self.value:
                return float(epoch.epoch)
        return self.horizon + 1.0 if row.history else None

    def summary(self, epochs: np.ndarray) -> dict[str, Any]:
        """Return what the outcome is, and how many trainings never reach the target."""
        known = epochs[np.isfinite(epochs)]
        return {
            "metric": self.metric.name,
            "value": self.value,
            "source": self.source,
            "horizon": self.horizon,
            "n_rows": len(known),
            "n_not_reached": int((known > self.horizon).sum()),
            "censoring": "not reached counts as horizon + 1: effects on the restricted mean",
        }


def find_target(
    rows: Sequence[TrialRecord],
    repeats: Sequence[TrialRecord],
    metric: Metric,
    layers: int | None,
) -> Target | None:
    """Return the median final value of the plain anchors, or else of the design rows.

    Plain networks that end no better than guessing are no target: everything reaches it.

    Args:
        rows: Design rows at the reference.
        repeats: Anchors among others.
        metric: The study's metric.
        layers: Layers at the reference.

    Returns:
        None where no row has a curve of the metric.
    """
    name = metric.name.removeprefix("val_")
    curves = [
        len(row.history)
        for row in rows
        if row.state is State.COMPLETE and any(name in epoch.validation for epoch in row.history)
    ]
    if not curves:
        return None
    plain = outcomes(by_anchor(repeats).get(f"plain-{layers}", ()), metric)
    value, source = float(np.median(plain)) if plain else None, f"median of plain-{layers}"
    sign, chance = metric.sign, metric.chance
    if value is None or (chance is not None and sign * value <= sign * chance):
        ended = [outcome_of(row, metric) for row in rows if row.state is State.COMPLETE]
        value = float(np.median([own for own in ended if own is not None]))
        source = "median of the design rows"
    return Target(value=value, source=source, horizon=min(curves), metric=metric)
