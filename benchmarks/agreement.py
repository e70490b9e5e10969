"""Whether two arms come to the same accuracies and the same order of architectures."""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from benchmarks.arms import ArmError, ArmResult
from benchmarks.measuring import Spread, spread_of

LEAST_SHARED = 32
"""Architectures by which arms are compared at least, where as many are given."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What one arm measured over the shared architectures."""

    accuracy: Spread
    """Mean over the architectures, in percent, of every turn."""
    log_loss: Spread
    """Mean over the architectures, nats, of every turn."""
    num_failed: int
    """Trainings that failed, all turns together."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One arm minus another over the same architectures."""

    accuracy_points: float
    """Mean difference of accuracies, percentage points."""
    standard_error: float
    """Of that, over architectures, each averaged over the turns; points."""


def shared_architectures(
    results: Mapping[str, Sequence[ArmResult]], num_given: int = 1
) -> list[str]:
    """Return the spec_ids that every run of every arm has trained to the end.

    Args:
        results: Runs by arm.
        num_given: Architectures that all arms were given.

    Raises:
        ArmError: They are too few to compare arms, though few trainings failed.
    """
    runs = [run for arm in results.values() for run in arm]
    shared = set.intersection(*(set(run.outcomes) for run in runs))
    failed = sum(run.num_failed for run in runs)
    least = max(min(LEAST_SHARED, num_given) - failed, 1)
    if len(shared) < least:
        raise ArmError(
            f"At least {least} architectures must be trained to the end by all runs, got "
            f"shared={len(shared)} with {failed} failures. Look for what an arm left out."
        )
    return sorted(shared)


def quality(runs: Sequence[ArmResult], shared: Sequence[str]) -> Quality:
    """Return what one arm measured."""
    return Quality(
        accuracy=spread_of(
            [
                100 * statistics.fmean(run.outcomes[name].accuracy for name in shared)
                for run in runs
            ]
        ),
        log_loss=spread_of(
            [statistics.fmean(run.outcomes[name].log_loss for name in shared) for run in runs]
        ),
        num_failed=sum(run.num_failed for run in runs),
    )


def difference(
    one: Sequence[ArmResult], other: Sequence[ArmResult], shared: Sequence[str]
) -> Difference:
    """Return one arm minus the other."""
    differences = [
        100
        * (
            statistics.fmean(run.outcomes[spec_id].accuracy for run in one)
            - statistics.fmean(run.outcomes[spec_id].accuracy for run in other)
        )
        for spec_id in shared
    ]
    sd = statistics.stdev(differences) if len(differences) > 1 else 0.0
    return Difference(
        accuracy_points=statistics.fmean(differences),
        standard_error=sd / len(differences) ** 0.5,
    )


def rank_correlation_between(
    one: Sequence[ArmResult], other: Sequence[ArmResult], shared: Sequence[str]
) -> Spread:
    """Return Spearman's correlation of log-losses, of every run of one arm with every other's.

    Every run has its own seeds, so that two runs of different arms differ as two of one arm do,
    and more only where the arms do.
    """
    return _correlations(list(itertools.product(one, other)), shared)


def rank_correlation_of_seeds(runs: Sequence[ArmResult], shared: Sequence[str]) -> Spread | None:
    """Return Spearman's correlation of the log-losses of two runs of one arm, over all pairs.

    None for a single run.
    """
    pairs = list(itertools.combinations(runs, 2))
    return _correlations(pairs, shared) if pairs else None


def _correlations(pairs: Sequence[tuple[ArmResult, ArmResult]], shared: Sequence[str]) -> Spread:
    found = []
    for pair in pairs:
        ranks = [rankdata([run.outcomes[name].log_loss for name in shared]) for run in pair]
        found.append(float(np.corrcoef(ranks)[0, 1]))
    return spread_of(found)
