"""C5: whether some layers benefit more from skipping than others."""

from collections.abc import Sequence

import numpy as np

from nas.claims.finding import Estimate, Finding, Line, Plot, Verdict, not_tested, with_interval
from nas.claims.fold_over import GROUPS, design_rows, design_table
from nas.claims.jobs import Job
from nas.claims.results import ClaimTest, Results
from nas.claims.setup import ClaimsSetup
from nas.claims.statistics import (
    Fit,
    deviations_within,
    effect_estimates,
    equality_test,
    fit_effects,
    rank_intervals,
)

_LEAST_EFFECT = 0.005
_SHARE_OF_GAIN = 0.05
_ALPHA = 0.05


def decide_equality(
    settings: np.ndarray, values: Sequence[float], smallest: float, names: Sequence[str]
) -> Finding:
    """Decide C5.

    Args:
        settings: (runs, groups) of 1 where the group has its skips, else -1.
        values: Negative log-loss per run.
        smallest: Difference from the mean effect that is worth having, nats.
        names: Of the groups.
    """
    fit = fit_effects(settings, values)
    p = equality_test(fit)
    verdict, are_small = Verdict.INCONCLUSIVE, deviations_within(fit, smallest)
    if p < _ALPHA:
        verdict = Verdict.SUPPORTED
    elif are_small:
        verdict = Verdict.CONTRADICTED
    size = ""
    if are_small:
        size = (
            f"; no group is further than {smallest:.2g} nats from their mean, which hardly matters"
        )
    estimates = effect_estimates(fit, names, len(values))
    ranks = rank_intervals(fit)
    order = sorted(range(len(names)), key=lambda index: -fit.coefficients[index])
    first, last = order[0], order[-1]
    return Finding(
        verdict=verdict,
        evidence=(
            f"equality of {len(names)} groups of blocks: p = {p:.2g}; most in {names[first]} "
            f"({with_interval(estimates[first])}, {_rank(ranks[first])}), least in {names[last]} "
            f"({with_interval(estimates[last])}, {_rank(ranks[last])}){size}"
        ),
        estimates=tuple(estimates),
        facts={
            "p of the Wald test": p,
            "smallest difference worth having": smallest,
            "all differences are smaller": are_small,
            **{f"rank of {name}": _rank(rank) for name, rank in zip(names, ranks, strict=True)},
        },
        plot=_profile(estimates, fit),
    )


def _rank(rank: tuple[int, int]) -> str:
    low, high = rank
    return f"rank {low}" if low == high else f"rank {low} to {high}"


def _profile(estimates: Sequence[Estimate], fit: Fit) -> Plot:
    points = [(float(i), float(v)) for i, v in enumerate(fit.coefficients, start=1)]
    return Plot(
        x=f"group of blocks, 1 to {len(estimates)} in network order",
        y="gain in log-loss by the skips of a group",
        lines=(Line(name="mean over the other groups", style="identity", points=tuple(points)),),
    )


def _plan(setup: ClaimsSetup) -> list[Job]:
    return [training for _, training in design_rows(setup, "staged")]


def _decide(setup: ClaimsSetup, results: Results) -> Finding:
    settings, values = design_table(setup, results, "staged")
    if len(values) <= 2 * GROUPS:
        return not_tested("trainings are missing")
    fit = fit_effects(settings, values)
    gain = float(np.sum(fit.coefficients))
    smallest = max(_LEAST_EFFECT, _SHARE_OF_GAIN * gain)
    return decide_equality(settings, values, smallest, _group_names(setup))


def _group_names(setup: ClaimsSetup) -> list[str]:
    places = list(setup.frame("staged").places())
    length = len(places) // GROUPS
    names = []
    for start in range(0, len(places), length):
        first, last = places[start], places[start + length - 1]
        if first == last:
            names.append(f"{first}")
        elif first.stage == last.stage:
            names.append(f"stage {first.stage} blocks {first.block}-{last.block}")
        else:
            names.append(f"{first} to {last}")
    return names


EQUALITY = ClaimTest(
    id="C5",
    statement="Some layers benefit more from skipping than others.",
    test=(
        "A fold-over design of six groups of blocks in the study's own stages, each group with its "
        "skips on or off, every run on a seed of its own. Main effects on log-loss with an HC3 "
        "covariance."
    ),
    rule=(
        "Supported: the Wald test that all six effects are equal gives p < 0.05, however small their "
        "differences; where none is worth having, the evidence says so. Contradicted: it does not, and the simultaneous 95% intervals of all six differences from their mean lie "
        "within the smallest difference worth having (5% of the sum of the effects, at least "
        "0.005 nats). Else inconclusive. That effects differ does not settle their order: see the "
        "rank intervals."
    ),
    plan=_plan,
    decide=_decide,
)
