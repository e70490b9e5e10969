"""C6: whether a projection or an identity is better depends on depth or place."""

from collections.abc import Mapping, Sequence

from nas.claims.depth import accuracy_plot
from nas.claims.finding import Estimate, Finding, Verdict, not_tested, with_interval
from nas.claims.jobs import Job, Training
from nas.claims.results import ClaimTest, Results, complete_seeds
from nas.claims.setup import ClaimsSetup
from nas.claims.statistics import mean_estimate
from search_spaces.shapes import block_shapes
from search_spaces.spec import Kind

_LAYERS = (8, 20, 32, 56)
_SEEDS = 8
_LEVEL = 0.975
"""Of each of two intervals, either of which may support the claim."""
_LEAST_EFFECT = 0.005
_FORMS = ("A", "B", "C")
"""He et al. 2015: identities everywhere; projections where the shape changes; everywhere."""

Losses = Mapping[int, Sequence[tuple[float, ...]]]
"""By layers: per seed the log-loss of forms A, B and C."""


def decide_kinds(losses: Losses, counts: tuple[int, int]) -> Finding:
    """Decide C6.

    Args:
        losses: Seeds are in the same order at every depth.
        counts: Blocks of the deepest network that change the shape, and all others.
    """
    layers = sorted(losses)
    deepest, shallowest = layers[-1], layers[0]
    # A gain is what projections take off the loss.
    everywhere = {n: [a - c for a, _, c in losses[n]] for n in layers}
    at_transitions = {n: [a - b for a, b, _ in losses[n]] for n in layers}
    by_depth = mean_estimate(
        f"C - A at {deepest} minus at {shallowest} layers",
        [
            deep - shallow
            for deep, shallow in zip(everywhere[deepest], everywhere[shallowest], strict=True)
        ],
        level=_LEVEL,
        unit="nats",
    )
    decisive = [by_depth]
    transitions, others = counts
    if transitions and others:
        differences = [(a - b) / transitions - (b - c) / others for a, b, c in losses[deepest]]
        name = f"per block, transitions minus elsewhere, {deepest} layers"
        decisive.append(mean_estimate(name, differences, level=_LEVEL, unit="nats"))
    verdict = Verdict.INCONCLUSIVE
    if any(e.is_above or e.is_below for e in decisive):
        verdict = Verdict.SUPPORTED
    elif all(e.is_within(_LEAST_EFFECT) for e in decisive):
        verdict = Verdict.CONTRADICTED
    beside = [
        mean_estimate(f"{name}, {n} layers", values[n], unit="nats", decides=False)
        for name, values in (("C - A", everywhere), ("B - A", at_transitions))
        for n in layers
    ]
    return Finding(
        verdict=verdict,
        evidence=_words(decisive, beside, deepest),
        estimates=(*decisive, *beside),
    )


def _words(decisive: Sequence[Estimate], beside: Sequence[Estimate], deepest: int) -> str:
    found = {estimate.name: estimate for estimate in beside}
    everywhere = found[f"C - A, {deepest} layers"]
    transitions = found[f"B - A, {deepest} layers"]
    words = [
        f"{'depends on ' if e.is_above or e.is_below else 'cannot tell for '}{name} "
        f"({with_interval(e)})"
        for name, e in zip(("depth", "place"), decisive, strict=False)
    ]
    return (
        f"{', '.join(words)}; at {deepest} layers projections everywhere gain "
        f"{with_interval(everywhere)} log-loss, only at transitions {with_interval(transitions)}"
    )


def _training(setup: ClaimsSetup, form: str, layers: int, replicate: int) -> Training:
    full = setup.of_layers(layers, Kind.IDENTITY)
    if form == "A":
        return setup.by_depth(full, replicate)
    spec = setup.with_projections(full, everywhere=form == "C")
    # Without a change of shape, B is A.
    if spec == full:
        return setup.by_depth(full, replicate)
    return setup.training(spec, replicate)


def _plan(setup: ClaimsSetup) -> list[Job]:
    return [
        _training(setup, form, layers, replicate)
        for layers in setup.depths(_LAYERS)
        for form in _FORMS
        for replicate in range(setup.num_seeds(_SEEDS))
    ]


def _decide(setup: ClaimsSetup, results: Results) -> Finding:
    layers, number = setup.depths(_LAYERS), setup.num_seeds(_SEEDS)
    rows = complete_seeds(
        number,
        lambda r: [results.loss(_training(setup, form, n, r)) for n in layers for form in _FORMS],
    )
    if not rows:
        return not_tested("trainings are missing")
    width = len(_FORMS)
    losses = {n: [row[width * i : width * (i + 1)] for row in rows] for i, n in enumerate(layers)}
    shapes = block_shapes(setup.of_layers(_LAYERS[-1]))
    transitions = sum(shape.changes_shape for shape in shapes)
    finding = decide_kinds(losses, (transitions, len(shapes) - transitions))
    names = {"A": "A, identities", "B": "B, projections at transitions", "C": "C, everywhere"}
    plot = accuracy_plot(
        results,
        {
            names[form]: {n: [_training(setup, form, n, r) for r in range(number)] for n in layers}
            for form in _FORMS
        },
    )
    return Finding(
        verdict=finding.verdict, evidence=finding.evidence, estimates=finding.estimates, plot=plot
    )


KINDS = ClaimTest(
    id="C6",
    statement="Whether projection or identity is better depends on depth or place.",
    test=(
        "Full identity (option A), projections where the shape changes (B) and everywhere (C) at "
        "about 8, 20, 32 and 56 layers, log-loss, paired by seed."
    ),
    rule=(
        "Two 97.5% t intervals over seeds: what C gains over A at the greatest depth minus at the "
        "smallest; and at the greatest depth, what a projection gains per block at transitions "
        "minus elsewhere. Supported: one of them excludes 0. Contradicted: all lie within 0.005 "
        "nats of 0. Else inconclusive."
    ),
    plan=_plan,
    decide=_decide,
)
