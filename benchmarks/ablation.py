"""How many trainings a one-at-a-time ablation needs for a precision; arithmetic, no training.

Two plans. With a shared control: a base network is trained on several seeds, and so is each network
that differs from it at one block; every block's effect is the difference of two means, and the
control is in all of them. In pairs: for every block networks drawn at random are trained with and
without its skip, and the effect is the mean difference.

All B effects get intervals that hold together with 95%, as the toolkit's map has them. Variances
count as known and quantiles are normal, and the control is trained as often as suits best: all in
favour of the ablation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_COVERAGE = 0.95
_DRAWS = 20_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Trainings of an ablation."""

    control: int
    """Of the base network; 0 in pairs."""
    per_block: tuple[int, ...]
    """Of every block's own networks; in pairs both of each pair count."""
    quantile: float
    """Half-widths are so many standard errors."""

    @property
    def trainings(self) -> int:
        """All together."""
        return self.control + sum(self.per_block)


def plan_with_control(
    variances: Sequence[float], control_variance: float, half_width: float
) -> Plan:
    """Return the plan with the fewest trainings, by the variances over seeds.

    Args:
        variances: Of each block's network.
        control_variance: Of the base network.
        half_width: Of every interval, in the metric's unit.

    >>> plan = plan_with_control([1.0] * 12, 1.0, 1.0)
    >>> plan.control, plan.per_block[0], round(plan.quantile, 1)
    (33, 11, 2.9)
    """
    own = np.asarray(variances)
    plan = _fewest(own, control_variance, half_width, independent_quantile(len(own)))
    for _ in range(2):
        # What the contrasts share of the control narrows their band a little.
        quantile = _shared_quantile(
            own / np.asarray(plan.per_block), control_variance / plan.control
        )
        plan = _fewest(own, control_variance, half_width, quantile)
    return plan


def _fewest(own: np.ndarray, control_variance: float, half_width: float, quantile: float) -> Plan:
    allowed = (half_width / quantile) ** 2
    least = max(2, math.floor(control_variance / allowed) + 1)
    # Beyond this the control only costs.
    most = least + math.ceil(10 * (1 + math.sqrt(len(own))) * (1 + own.sum() / allowed))
    counts = np.unique(np.geomspace(least, most, 400).astype(int))
    spare = allowed - control_variance / counts
    per_block = np.maximum(2, np.ceil(own[:, None] / np.maximum(spare, 1e-300)))
    best = int(np.argmin(np.where(spare > 0, counts + per_block.sum(axis=0), np.inf)))
    blocks = per_block[:, best].astype(int).tolist()
    return Plan(control=int(counts[best]), per_block=tuple(blocks), quantile=quantile)


def plan_in_pairs(variances: Sequence[float], half_width: float) -> Plan:
    """Return the plan, by the variances of the differences within pairs.

    >>> plan_in_pairs([1.0] * 12, 1.0).per_block[0]
    18
    """
    quantile = independent_quantile(len(variances))
    pairs = [max(2, math.ceil(own * (quantile / half_width) ** 2)) for own in variances]
    return Plan(control=0, per_block=tuple(2 * count for count in pairs), quantile=quantile)


def independent_quantile(count: int) -> float:
    """Return what the largest of so many independent |z| exceeds in 5% of the cases.

    >>> round(independent_quantile(1), 2)
    1.96
    """
    from scipy.stats import norm

    return float(norm.ppf(0.5 + 0.5 * _COVERAGE ** (1 / count)))


def _shared_quantile(own: np.ndarray, control: float) -> float:
    """Return the same for differences that share a control, from their squared errors."""
    draws = np.random.default_rng(0).standard_normal((_DRAWS, len(own) + 1))
    differences = draws[:, 1:] * np.sqrt(own) - draws[:, :1] * math.sqrt(control)
    errors = np.sqrt(own + control)
    scaled = np.divide(
        np.abs(differences), errors, out=np.zeros_like(differences), where=errors > 0
    )
    return float(np.quantile(scaled.max(axis=1), _COVERAGE))
