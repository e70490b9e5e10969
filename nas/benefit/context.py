"""What the rows do not say: the study, its metric, and the network that the blocks are part of."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nas.finalists import Direction
from nas.space_kinds import BlockChoices
from search_spaces.spec import ArchitectureSpec, Kind, Place


@dataclass(frozen=True, kw_only=True)
class BenefitContext:
    """Facts about a study; all but the direction may be left out, as for a bare table."""

    direction: Direction
    """Which way the study's metric is better."""
    metric: str = "value"
    """Name of the study's metric, such as `val/log_loss`."""
    unit: str | None = None
    """Unit of the metric, such as `nats`."""
    study_name: str = "table"
    tool_version: str | None = None
    dataset: str | None = None
    num_classes: int | None = None
    split_seed: int | None = None
    num_train: int | None = None
    """Images of the training split; the two below likewise."""
    num_val: int | None = None
    num_test: int | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the training recipe; empty where others trained the rows, who know theirs."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Versions and machine, copied into the result."""
    device: str | None = None
    reference_depths: tuple[int, ...] | None = None
    """Blocks per stage of the design rows; None: the most frequent among them."""
    reference_spec: ArchitectureSpec | None = None
    """Plain network at the reference depth, for widths, resolutions, parameters and multiply-adds
    per block."""
    kinds: tuple[Kind, ...] | None = None
    """Kinds of the space; None: those that occur in the rows."""
    choices: Mapping[Place, BlockChoices] | None = None
    """Kinds and spans at each block of the reference; None: those that occur in the rows."""
    run_folder: str | None = None
    """`runs/<name>` of a study that commands can go on with; None: remedies are words."""
    trials_asked: int | None = None
    """Total of complete and pruned trials that the study was asked for."""
    space_size: int | None = None
    """Number of architectures in the space."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Constraints that the study sets, such as `{"max_params": 50_000}`."""
    sesoi: float | None = None
    """Smallest effect of interest in the metric's unit; None: see `Worthwhile`."""
    chance: Mapping[str, float] = field(default_factory=dict)
    """Values of a network that guesses, by metric name (`val_log_loss`), for diverged rows."""
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Importances of decisions by other tools: `fanova` and `ped_anova`, each by decision name."""
    claims: Sequence[Mapping[str, Any]] = ()
    """What was found of claims about skips, copied into the result."""
    space: str | None = None
    """Name of a shipped space, `residual` or `longskip`."""
    unused: Sequence[Mapping[str, Any]] = ()
    """Rows that cannot be used, by sort: `reason`, `n` and `rows` (numbers)."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One outcome, as the estimator needs it."""

    name: str
    """As in `TrialRecord.metrics`, such as `val_log_loss`."""
    is_study_metric: bool
    """Whether it is the trial's `value`."""
    sign: int
    """+1 where larger is better, else -1; effects are multiplied by it."""
    unit: str | None
    chance: float | None
    """Value of a network that guesses; None where unknown."""
    floor: float | None
    """Smallest effect that can be worth having, whatever the anchors say."""
    step: float = 0.0
    """Smallest difference that it can show: of the accuracy, one image's."""
    worst: float | None = None
    """What diverged rows without a value count at where `chance` is unknown; see `with_worst`."""


_KNOWN: dict[str, tuple[int, str, float]] = {
    "val_log_loss": (-1, "nats", 0.005),
    "val_accuracy": (1, "fraction", 0.002),
}


def unit_of(metric: str) -> str | None:
    """Return the unit of a metric that every study measures, such as `val/log_loss`; else None."""
    known = _KNOWN.get(metric.replace("/", "_"))
    return known[1] if known else None


def study_metric(context: BenefitContext) -> Metric:
    """Return the outcome that the study optimises."""
    name = context.metric.replace("/", "_")
    _, unit, floor = _KNOWN.get(name, (0, None, None))
    return Metric(
        name=name,
        is_study_metric=True,
        sign=1 if context.direction == "maximize" else -1,
        unit=context.unit or unit,
        chance=_chance(context, name),
        floor=floor,
        step=step_of(name, context.num_val),
    )


def other_metrics(context: BenefitContext) -> list[Metric]:
    """Return the outcomes that are measured beside the study's."""
    study = context.metric.replace("/", "_")
    return [
        Metric(
            name=name,
            is_study_metric=False,
            sign=sign,
            unit=unit,
            chance=_chance(context, name),
            floor=floor,
            step=step_of(name, context.num_val),
        )
        for name, (sign, unit, floor) in _KNOWN.items()
        if name != study
    ]


def step_of(name: str, num_images: int | None) -> float:
    """Return the smallest difference that a metric over so many images can show; 0: any."""
    return 1 / num_images if num_images and name.endswith("accuracy") else 0.0


def _chance(context: BenefitContext, name: str) -> float | None:
    if name in context.chance:
        return context.chance[name]
    if context.num_classes is None:
        return None
    guesses = {
        "val_log_loss": math.log(context.num_classes),
        "val_accuracy": 1 / context.num_classes,
    }
    return guesses.get(name)
