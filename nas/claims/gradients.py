"""C1 and C1b: what becomes of gradients on their way to the first block, without training."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from nas.claims.finding import (
    Estimate,
    Finding,
    Line,
    Plot,
    Verdict,
    not_tested,
    signed,
    with_interval,
)
from nas.claims.jobs import Job, Measuring
from nas.claims.results import ClaimTest, Results
from nas.claims.setup import ClaimsSetup
from nas.claims.statistics import mean_estimate, slope
from search_spaces.spec import ArchitectureSpec, Kind

_LAYERS = (20, 56)
_SEEDS = 10
_LIMIT = 1.0
"""Powers of ten between the first and the last block up to which gradients count as even."""
_CLIPPED = 30.0
"""Powers of ten from which on a gradient is too large, or too small, to be known."""
_NORMS = {"batch": "with batch norm", "none": "without norm"}
_KINDS = {Kind.NONE: "plain", Kind.IDENTITY: "with skips"}
_STYLES = {Kind.NONE: "plain", Kind.IDENTITY: "identity"}


@dataclass(frozen=True, kw_only=True)
class GradientCase:
    """Gradients of one network at initialisation."""

    norm: str
    layers: int
    has_skips: bool
    logs: Sequence[Sequence[float]]
    """By seed, then by block in network order: log10 of the norm of the branch's gradient."""

    @property
    def ratio(self) -> Estimate:
        """Mean of log10(first block / last block) over seeds, with its interval."""
        name = f"{'with skips' if self.has_skips else 'plain'}, {_NORMS[self.norm]}"
        ratios = [_ratio(blocks[0], blocks[-1]) for blocks in self.logs]
        return mean_estimate(f"{name}, {self.layers} layers", ratios, unit="powers of ten")

    @property
    def slope(self) -> Estimate:
        """Mean slope of log10 G over the blocks."""
        slopes = [slope(range(len(blocks)), blocks) for blocks in self.logs]
        return mean_estimate(f"{self.ratio.name}: slope per block", slopes, decides=False)

    @property
    def course(self) -> str:
        """`vanish`, `explode`, `stay even` or `are unclear` towards the first block."""
        low, high = self.ratio.low, self.ratio.high
        if low is None or high is None:
            return "are unclear"
        if high < -_LIMIT:
            return "vanish"
        if low > _LIMIT:
            return "explode"
        return "stay even" if low >= -_LIMIT and high <= _LIMIT else "are unclear"


def _ratio(first: float, last: float) -> float:
    """Return log10(first / last); NaN where both are beyond what is known, on the same side."""
    is_known = min(abs(first), abs(last)) < _CLIPPED or first * last < 0
    return first - last if is_known else math.nan


def decide_vanishing(cases: Sequence[GradientCase], norm: str) -> Finding:
    """Decide C1 for the study's norm; the other norm is told beside it."""
    verdicts = {name: _verdict([c for c in cases if c.norm == name]) for name in _NORMS}
    others = [name for name in _NORMS if name != norm]
    words = [_words([c for c in cases if c.norm == name], name) for name in (norm, *others)]
    facts = {f"verdict {_NORMS[name]}": verdicts[name].value for name in _NORMS}
    facts |= {case.slope.name: case.slope.value for case in cases}
    # Shown in the order of the sentence: the study's own norm first.
    shown = [c.ratio for name in (norm, *others) for c in cases if c.norm == name]
    return Finding(
        verdict=verdicts[norm],
        evidence="; ".join(words) + f" ({verdicts[others[0]].value} there)",
        estimates=tuple(shown),
        facts=facts,
        plot=_plot(cases, norm),
    )


def _verdict(cases: Sequence[GradientCase]) -> Verdict:
    plain = [case for case in cases if not case.has_skips]
    with_skips = {case.layers: case for case in cases if case.has_skips}
    vanished = [case for case in plain if case.course == "vanish"]
    held = [case for case in vanished if _is_above(with_skips[case.layers].ratio)]
    if vanished and len(held) == len(vanished):
        return Verdict.SUPPORTED
    excluded = [case for case in plain if _is_above(case.ratio)]
    if plain and len(excluded) == len(plain):
        return Verdict.CONTRADICTED
    return Verdict.INCONCLUSIVE


def _is_above(ratio: Estimate) -> bool:
    return ratio.low is not None and ratio.low > -_LIMIT


def _words(cases: Sequence[GradientCase], norm: str) -> str:
    deepest = max(case.layers for case in cases)
    found = {case.has_skips: case for case in cases if case.layers == deepest}
    plain, skips = found[False], found[True]
    return (
        f"{_NORMS[norm]} plain gradients {plain.course} towards the first block "
        f"({signed(plain.ratio.value, 2)} powers of ten), with skips they {skips.course} "
        f"({signed(skips.ratio.value, 2)})"
    )


def _plot(cases: Sequence[GradientCase], norm: str) -> Plot:
    deepest = max(case.layers for case in cases)
    lines = [
        Line(
            name=_KINDS[kind],
            style=_STYLES[kind],
            points=tuple(
                (index + 1, fmean(values))
                for index, values in enumerate(zip(*case.logs, strict=True))
            ),
        )
        for kind in _KINDS
        for case in cases
        if (case.norm, case.layers) == (norm, deepest) and case.has_skips == (kind != Kind.NONE)
    ]
    return Plot(
        x=f"block, of {deepest} layers",
        y=f"log10 of the gradient's norm at initialisation, {_NORMS[norm]}",
        lines=tuple(lines),
    )


def decide_shattering(cosines: Mapping[int, tuple[Sequence[float], Sequence[float]]]) -> Finding:
    """Decide C1b.

    Args:
        cosines: By layers: mean cosine of every seed with skips, and in the plain network.
    """
    estimates, beside = [], []
    for layers, (with_skips, plain) in sorted(cosines.items()):
        differences = [ours - theirs for ours, theirs in zip(with_skips, plain, strict=True)]
        estimates.append(mean_estimate(f"with skips - plain, {layers} layers", differences))
        for name, values in (("with skips", with_skips), ("plain", plain)):
            beside.append(mean_estimate(f"{name}, {layers} layers", values, decides=False))
    verdict = Verdict.INCONCLUSIVE
    if all(estimate.is_above for estimate in estimates):
        verdict = Verdict.SUPPORTED
    elif all(estimate.is_below for estimate in estimates):
        verdict = Verdict.CONTRADICTED
    words = [f"{with_interval(e)} at {e.name.rpartition(', ')[2]}" for e in estimates]
    return Finding(
        verdict=verdict,
        evidence=f"mean cosine with skips minus plain: {'; '.join(words)}",
        estimates=(*estimates, *beside),
    )


def _network(setup: ClaimsSetup, layers: int, kind: Kind, norm: str) -> ArchitectureSpec:
    return setup.of_layers(layers, kind).changed(norm=norm)


def _gradient_jobs(setup: ClaimsSetup) -> dict[tuple[str, int, Kind], Measuring]:
    seeds = setup.least_seeds(_SEEDS)
    return {
        (norm, layers, kind): setup.measuring(
            "gradients", seeds, _network(setup, layers, kind, norm)
        )
        for norm in _NORMS
        for layers in setup.depths(_LAYERS)
        for kind in _KINDS
    }


def _cosine_jobs(setup: ClaimsSetup) -> dict[tuple[int, Kind], Measuring]:
    seeds = setup.least_seeds(_SEEDS)
    return {
        (layers, kind): setup.measuring("cosines", seeds, setup.of_layers(layers, kind))
        for layers in setup.depths(_LAYERS)
        for kind in _KINDS
    }


def _with_nan(values: Sequence[float | None]) -> list[float]:
    """Return what was measured; a file has None for what was not a number."""
    return [math.nan if value is None else value for value in values]


def _plan_gradients(setup: ClaimsSetup) -> list[Job]:
    return list(_gradient_jobs(setup).values())


def _plan_cosines(setup: ClaimsSetup) -> list[Job]:
    return list(_cosine_jobs(setup).values())


def _decide_gradients(setup: ClaimsSetup, results: Results) -> Finding:
    cases = [
        GradientCase(
            norm=norm,
            layers=layers,
            has_skips=kind is not Kind.NONE,
            logs=[_with_nan(blocks) for blocks in logs],
        )
        for (norm, layers, kind), job in _gradient_jobs(setup).items()
        if (logs := results.measured(job)) is not None
    ]
    if len(cases) < len(_gradient_jobs(setup)):
        return not_tested("its gradients are not measured")
    return decide_vanishing(cases, setup.template.norm)


def _decide_cosines(setup: ClaimsSetup, results: Results) -> Finding:
    found = {key: results.measured(job) for key, job in _cosine_jobs(setup).items()}
    if any(values is None for values in found.values()):
        return not_tested("its gradients are not measured")
    return decide_shattering(
        {
            layers: (
                _with_nan(found[layers, Kind.IDENTITY]),
                _with_nan(found[layers, Kind.NONE]),
            )
            for layers in setup.depths(_LAYERS)
        }
    )


VANISHING = ClaimTest(
    id="C1",
    statement="Without skips gradients vanish on their way to the first block; skips prevent it.",
    test=(
        "No training: L2 norm G of the gradient of each block's branch on one batch, plain and "
        "full identity, with batch norm and without, about 20 and 56 layers."
    ),
    rule=(
        "Gradients vanish where the 95% t interval of log10(G first block / G last block) over "
        "seeds lies below -1, and explode where it lies above +1. Supported: plain gradients "
        "vanish at some depth, and wherever they do, the interval with skips lies above -1. "
        "Contradicted: at every depth the plain interval lies above -1, so that there is no "
        "vanishing to prevent. Else inconclusive. Judged with the study's own norm; the other is "
        "told beside it."
    ),
    plan=_plan_gradients,
    decide=_decide_gradients,
)

SHATTERING = ClaimTest(
    id="C1b",
    statement="Skips keep the gradients of different mini-batches alike.",
    test=(
        "No training: mean cosine between the gradients of eight mini-batches at the first "
        "block's branch, full identity minus plain of equal seed, about 20 and 56 layers."
    ),
    rule=(
        "Supported: the 95% t interval of the difference lies above 0 at every depth. "
        "Contradicted: below 0 at every depth. Else inconclusive."
    ),
    plan=_plan_cosines,
    decide=_decide_cosines,
)
