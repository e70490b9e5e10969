"""Finalists: the best architectures again on fresh seeds, before one is called best; no torch here.

A search score is optimistic, because the best of many noisy scores is partly luck. So the top
architectures are retrained, ranked by their mean over fresh seeds, and compared with the ResNet
that has an identity in every block by Welch's interval.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from scipy.special import stdtrit

from nas.errors import TableError
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import ArchitectureSpec

Direction = Literal["minimize", "maximize"]
"""Which values of a metric are good, in Optuna's words."""

_SEARCH_SOURCES = (Source.RANDOMISED, Source.ADAPTIVE)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """One metric over the runs of one architecture on different seeds."""

    n: int
    mean: float
    sd: float | None
    """Standard deviation with n - 1; None for a single run."""
    low: float | None
    """Lower end of Student's t interval of the mean; None for a single run."""
    high: float | None
    """Upper end of that interval."""


class Outcome(StrEnum):
    """What an interval of a difference says."""

    BETTER = "better"
    WORSE = "worse"
    NOT_DISTINGUISHABLE = "not distinguishable"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Mean of ours minus mean of theirs, with Welch's interval.

    The interval is None where the spread cannot be estimated: fewer than two runs on a side, or
    all runs of both sides equal.
    """

    difference: float
    low: float | None
    high: float | None
    df: float | None
    """Degrees of freedom after Welch and Satterthwaite."""
    n_ours: int
    n_theirs: int

    def outcome(self, direction: Direction) -> Outcome:
        """Say whether ours is better, worse, or the interval contains zero."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return Outcome.NOT_DISTINGUISHABLE
        is_good = self.low > 0 if direction == "maximize" else self.high < 0
        return Outcome.BETTER if is_good else Outcome.WORSE


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One re-evaluated architecture."""

    spec_id: str
    spec: ArchitectureSpec | None
    of_trial: int | None
    """The search trial that proposed it."""
    runs: tuple[TrialRecord, ...]
    """Complete runs, best value first."""
    spread: Spread
    """Of the study's metric over `runs`."""
    num_failed: int
    """Runs that failed, whatever the reason."""
    num_diverged: int
    """Those among them that diverged, which speaks against the architecture."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """All re-evaluated architectures, best first."""

    standings: tuple[Standing, ...]

    @property
    def winner(self) -> Standing:
        """The architecture with the best mean over fresh seeds."""
        return self.standings[0]

    @property
    def chosen(self) -> TrialRecord:
        """The winner's run with the best validation value; its weights are exported."""
        return self.winner.runs[0]


def summarise(values: Sequence[float], level: float = 0.95) -> Spread:
    """Return count, mean, standard deviation and Student's t interval of the mean.

    Raises:
        TableError: There is no value.

    >>> summarise([1.0, 2.0, 3.0]).sd
    1.0
    """
    if not values:
        raise TableError("A spread: at least one value is needed, got 0 values. Run more seeds.")
    n, mean = len(values), statistics.fmean(values)
    if n < 2:
        return Spread(n=n, mean=mean, sd=None, low=None, high=None)
    sd = statistics.stdev(values)
    half = _t_quantile(level, n - 1) * sd / math.sqrt(n)
    return Spread(n=n, mean=mean, sd=sd, low=mean - half, high=mean + half)


def welch(ours: Sequence[float], theirs: Sequence[float], level: float = 0.95) -> Difference:
    """Compare two sets of runs whose variances may differ.

    Source:
        Welch 1947, "The generalization of Student's problem when several different population
        variances are involved".

    Raises:
        TableError: A side has no value.
    """
    a, b = summarise(ours), summarise(theirs)
    difference = a.mean - b.mean
    va, vb = (0.0 if s.sd is None else s.sd**2 / s.n for s in (a, b))
    if a.sd is None or b.sd is None or va + vb == 0:
        return Difference(
            difference=difference, low=None, high=None, df=None, n_ours=a.n, n_theirs=b.n
        )
    # By shares: squares of tiny variances would be 0.
    share = va / (va + vb)
    df = 1 / (share**2 / (a.n - 1) + (1 - share) ** 2 / (b.n - 1))
    half = _t_quantile(level, df) * math.sqrt(va + vb)
    return Difference(
        difference=difference,
        low=difference - half,
        high=difference + half,
        df=df,
        n_ours=a.n,
        n_theirs=b.n,
    )


def choose_finalists(
    records: Iterable[TrialRecord], top: int, direction: Direction
) -> list[TrialRecord]:
    """Return the best search trials of `top` different architectures, best first.

    Only complete search trials count; an architecture that was searched more than once is judged
    by its best trial, since it is re-evaluated anyway. There may be fewer than `top`.

    Raises:
        TableError: `top` is below 1.
    """
    if top < 1:
        raise TableError(f"Finalists: top must be >= 1, got top={top}. Ask for at least one.")
    searched = [record for record in records if record.source in _SEARCH_SOURCES]
    best: dict[str, TrialRecord] = {}
    for record in sorted(filter(_is_scored, searched), key=lambda r: _rank(r, direction)):
        spec_id = _spec_id(record)
        if spec_id is not None:
            best.setdefault(spec_id, record)
    return list(best.values())[:top]


def best_finalist(finalists: Iterable[TrialRecord], direction: Direction) -> Ranking:
    """Rank re-evaluated architectures, each with its recipe, by their mean over fresh seeds.

    Architectures with a diverged run come after those without, and those with fewer than half as
    many complete runs as the most repeated one come last: a mean of one lucky run wins nothing.

    Raises:
        TableError: No run is complete.
    """
    by_training: dict[tuple[str, float | None, float | None], list[TrialRecord]] = {}
    for record in finalists:
        spec_id = _spec_id(record)
        if spec_id is not None:
            by_training.setdefault((spec_id, *record.training[1:]), []).append(record)
    standings = [
        _standing(training[0], runs, direction)
        for training, runs in by_training.items()
        if any(map(_is_scored, runs))
    ]
    if not standings:
        num_runs = sum(map(len, by_training.values()))
        raise TableError(
            f"Finalists: at least one run must be complete, got 0 of num_runs={num_runs}. "
            "Look at the logs for why they failed, or retrain them."
        )
    most = max(standing.spread.n for standing in standings)
    sign = -1 if direction == "maximize" else 1
    standings.sort(
        key=lambda s: (2 * s.spread.n < most, s.num_diverged > 0, sign * s.spread.mean, s.spec_id)
    )
    return Ranking(standings=tuple(standings))


def metric_values(records: Iterable[TrialRecord], name: str) -> list[float]:
    """Return a metric of all complete runs that measured it, such as `test_accuracy`."""
    return [r.metrics[name] for r in records if r.state is State.COMPLETE and name in r.metrics]


def _standing(spec_id: str, records: list[TrialRecord], direction: Direction) -> Standing:
    runs = sorted(filter(_is_scored, records), key=lambda r: _rank(r, direction))
    return Standing(
        spec_id=spec_id,
        spec=runs[0].spec,
        of_trial=runs[0].of_trial,
        runs=tuple(runs),
        spread=summarise([run.value for run in runs if run.value is not None]),
        num_failed=sum(record.state is State.FAILED for record in records),
        num_diverged=sum(record.reason == "diverged" for record in records),
    )


def _is_scored(record: TrialRecord) -> bool:
    is_complete = record.state is State.COMPLETE
    return is_complete and record.value is not None and math.isfinite(record.value)


def _rank(record: TrialRecord, direction: Direction) -> tuple[float, int]:
    value = math.inf if record.value is None else record.value
    return (-value if direction == "maximize" else value, record.number)


def _spec_id(record: TrialRecord) -> str | None:
    if record.spec_id is None and record.spec is not None:
        return record.spec.spec_id
    return record.spec_id


def _t_quantile(level: float, df: float) -> float:
    return float(stdtrit(df, 0.5 + level / 2))
