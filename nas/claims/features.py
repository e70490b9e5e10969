"""C8: whether low-level features can still be read off the last block."""

from collections.abc import Mapping, Sequence

from nas.claims.finding import Finding, Verdict, not_tested, with_interval
from nas.claims.jobs import Job, Training
from nas.claims.results import ClaimTest, Results, complete_seeds
from nas.claims.setup import ClaimsSetup
from nas.claims.statistics import mean_estimate
from search_spaces.spec import Kind

TARGETS = {
    "stem": "the stem's output",
    "pixels": "input pixels",
    "edges": "edges of the input",
}
"""What the probe predicts: names in `inside`, and words."""
_LAYERS = 20
_BESIDE_LAYERS = (32,)
_SEEDS = 5


def decide_access(
    explained: Mapping[str, tuple[Sequence[float], Sequence[float]]], layers: int
) -> Finding:
    """Decide C8.

    Args:
        explained: By target: per seed the share of its variance that a linear probe explains, with
            skips and in the plain network.
        layers: Of the networks.
    """
    differences = {
        target: mean_estimate(
            f"{TARGETS[target]}, {layers} layers",
            [ours - theirs for ours, theirs in zip(*pair, strict=True)],
            unit="share of variance",
        )
        for target, pair in explained.items()
    }
    verdict = Verdict.INCONCLUSIVE
    if all(estimate.is_above for estimate in differences.values()):
        verdict = Verdict.SUPPORTED
    elif all(estimate.is_below for estimate in differences.values()):
        verdict = Verdict.CONTRADICTED
    words = "; ".join(
        f"{TARGETS[target]} {with_interval(estimate, 2)}"
        for target, estimate in differences.items()
    )
    beside = [
        mean_estimate(f"{name}: {TARGETS[target]}, {layers} layers", values, decides=False)
        for target, pair in explained.items()
        for name, values in zip(("with skips", "plain"), pair, strict=True)
    ]
    return Finding(
        verdict=verdict,
        evidence=f"variance explained at the last block, with skips minus plain: {words}",
        estimates=(*differences.values(), *beside),
    )


def _training(setup: ClaimsSetup, layers: int, kind: Kind, replicate: int) -> Training:
    return setup.by_depth(setup.of_layers(layers, kind), replicate)


def _plan(setup: ClaimsSetup) -> list[Job]:
    if not setup.can_look_inside:
        return []
    return [
        _training(setup, layers, kind, replicate)
        for layers in (_LAYERS, *_BESIDE_LAYERS)
        for kind in (Kind.IDENTITY, Kind.NONE)
        for replicate in range(setup.num_seeds(_SEEDS))
    ]


def _explained(
    setup: ClaimsSetup, results: Results, layers: int
) -> dict[str, tuple[list[float], list[float]]]:
    def values(replicate: int) -> list[float | None]:
        found: list[float | None] = []
        for kind in (Kind.IDENTITY, Kind.NONE):
            outcome = results.outcome(_training(setup, layers, kind, replicate))
            probe = outcome.inside.get("probe") if outcome is not None else None
            found += [(probe or {}).get(target) for target in TARGETS]
        return found

    rows = complete_seeds(setup.num_seeds(_SEEDS), values)
    number = len(TARGETS)
    return {
        target: ([row[i] for row in rows], [row[number + i] for row in rows])
        for i, target in enumerate(TARGETS)
    }


def _decide(setup: ClaimsSetup, results: Results) -> Finding:
    if not setup.can_look_inside:
        return not_tested("a task of one's own may build other networks than the spec's")
    explained = _explained(setup, results, _LAYERS)
    if not all(ours for ours, _ in explained.values()):
        return not_tested("trained networks to look into are missing")
    finding = decide_access(explained, setup.of_layers(_LAYERS).layers)
    beside = [
        mean_estimate(
            f"{TARGETS[target]}, {setup.of_layers(layers).layers} layers",
            [ours - theirs for ours, theirs in zip(*pair, strict=True)],
            unit="share of variance",
            decides=False,
        )
        for layers in _BESIDE_LAYERS
        for target, pair in _explained(setup, results, layers).items()
    ]
    return Finding(
        verdict=finding.verdict,
        evidence=finding.evidence,
        estimates=(*finding.estimates, *beside),
    )


ACCESS = ClaimTest(
    id="C8",
    statement="Skips keep low-level features accessible to the last layers.",
    test=(
        "After training, a linear (ridge) probe reads off the last block's output what is "
        "low-level: the network's own stem output, the input's pixels, its horizontal and vertical "
        "edges, each averaged to at most 4x4. Class means are taken off first, so that knowing the "
        "class is no help. Fitted on the training split, R squared on the validation split; full "
        "identity minus plain, paired by seed, about 20 layers (and 32 beside)."
    ),
    rule=(
        "Supported: the 95% t intervals of all three differences lie above 0. Contradicted: all "
        "three lie below 0. Else inconclusive."
    ),
    plan=_plan,
    decide=_decide,
)
