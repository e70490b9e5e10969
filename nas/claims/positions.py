"""C3: whether skips matter more in early or in deep layers."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from nas.claims.finding import (
    Estimate,
    Finding,
    Line,
    Plot,
    Verdict,
    not_tested,
    with_interval,
)
from nas.claims.fold_over import design_rows, fit_design
from nas.claims.jobs import Job, Training
from nas.claims.results import ClaimTest, Results, complete_seeds
from nas.claims.setup import ClaimsSetup
from nas.claims.statistics import effects_slope, mean_estimate

_FRAMES = ("staged", "isotropic")
_THIRDS = ("early", "middle", "late")
_SEEDS = 8
_PATTERNS = tuple(itertools.product((False, True), repeat=3))
_CONTRAST = "late - early, "
_STYLES = {
    ("staged", True): "identity",
    ("staged", False): "plain",
    ("isotropic", True): "projection",
    ("isotropic", False): "other",
}
"""Of lines, by frame and whether the learning rate is the study's."""


def thirds_effects(gains: Mapping[tuple[bool, ...], float]) -> tuple[float, float, float]:
    """Return what skips in the early, middle and late third are worth, mean over the others.

    Args:
        gains: Negative log-loss of one seed by which thirds have skips, all eight of them.

    >>> gains = {p: 1.0 * p[0] + 3.0 * p[2] for p in _PATTERNS}
    >>> thirds_effects(gains)
    (1.0, 0.0, 3.0)
    """
    found = [
        sum((1 if parts[third] else -1) * gain for parts, gain in gains.items()) / 4
        for third in range(3)
    ]
    return found[0], found[1], found[2]


def decide_trend(
    contrasts: Mapping[tuple[str, float], Sequence[float]], beside: Sequence[Estimate] = ()
) -> Finding:
    """Decide C3.

    Args:
        contrasts: By frame and learning rate: per seed, effect of the late third's skips minus
            that of the early third's.
        beside: Further numbers to be shown.
    """
    estimates = {
        key: mean_estimate(f"{_CONTRAST}{key[0]}, lr {key[1]:.3g}", values, unit="nats")
        for key, values in contrasts.items()
    }
    frames = list(dict.fromkeys(frame for frame, _ in estimates))
    signs = {
        frame: {_sign(e) for (name, _), e in estimates.items() if name == frame}
        for frame in frames
    }
    verdict = Verdict.INCONCLUSIVE
    if all(found == {1} for found in signs.values()):
        verdict = Verdict.SUPPORTED
    elif any(found == {-1} for found in signs.values()):
        verdict = Verdict.CONTRADICTED
    words = "; ".join(
        f"{e.name.removeprefix(_CONTRAST)}: {with_interval(e)}" for e in estimates.values()
    )
    summary = ", ".join(f"{_sign_words(signs[frame])} in the {frame} frame" for frame in frames)
    return Finding(
        verdict=verdict,
        evidence=f"{summary}; late third minus early third, gain in log-loss: {words}",
        estimates=(*estimates.values(), *beside),
        facts={f"trend in the {frame} frame": _sign_words(signs[frame]) for frame in frames},
    )


def _sign(estimate: Estimate) -> int:
    return 1 if estimate.is_above else -1 if estimate.is_below else 0


def _sign_words(signs: set[int]) -> str:
    if signs == {1}:
        return "late skips matter more"
    if signs == {-1}:
        return "early skips matter more"
    return "cannot tell at both rates"


def _third(
    setup: ClaimsSetup, frame: str, lr: float, parts: tuple[bool, ...], replicate: int
) -> Training:
    spec = setup.with_parts(setup.frame(frame), parts)
    # Those of one kind are shared with the claims about depth.
    return setup.training(spec, replicate, lr=lr, looks_inside=len(set(parts)) == 1)


def _plan_trend(setup: ClaimsSetup) -> list[Job]:
    if setup.num_stages == 1:
        return []
    thirds: list[Job] = [
        _third(setup, frame, lr, parts, replicate)
        for frame in _FRAMES
        for lr in setup.rates
        for parts in _PATTERNS
        for replicate in range(setup.num_seeds(_SEEDS))
    ]
    return [*thirds, *(training for frame in _FRAMES for _, training in design_rows(setup, frame))]


def _decide_trend(setup: ClaimsSetup, results: Results) -> Finding:
    if setup.num_stages == 1:
        return not_tested("the space has one stage, and so no staged frame beside the isotropic")
    contrasts: dict[tuple[str, float], list[float]] = {}
    beside: list[Estimate] = []
    lines: list[Line] = []
    for frame, lr in itertools.product(_FRAMES, setup.rates):
        name = f"{frame}, lr {lr:.3g}"
        effects, in_accuracy = _effects(setup, results, frame, lr)
        if not effects:
            return not_tested("trainings are missing")
        contrasts[frame, lr] = [late - early for early, _, late in effects]
        thirds = [
            mean_estimate(f"{third} third, {name}", values, unit="nats", decides=False)
            for third, values in zip(_THIRDS, zip(*effects, strict=True), strict=True)
        ]
        late = [late - early for early, _, late in in_accuracy]
        beside += [
            *thirds,
            mean_estimate(f"late - early in accuracy, {name}", late, decides=False),
        ]
        points = tuple((i, e.value or 0.0) for i, e in enumerate(thirds, start=1))
        lines.append(Line(name=name, style=_STYLES[frame, lr == setup.rates[0]], points=points))
    for frame in _FRAMES:
        fit = fit_design(setup, results, frame)
        if fit is not None:
            beside.append(effects_slope(fit, f"slope over six groups, {frame}"))
    plot = Plot(
        x="third of the network, 1 is early", y="gain in log-loss by skips", lines=tuple(lines)
    )
    return dataclasses.replace(decide_trend(contrasts, beside), plot=plot)


def _effects(
    setup: ClaimsSetup, results: Results, frame: str, lr: float
) -> tuple[list[tuple[float, float, float]], list[tuple[float, float, float]]]:
    """Return per seed the effects of the three thirds, on negative log-loss and on accuracy."""
    number = setup.num_seeds(_SEEDS)
    trainings = [
        [_third(setup, frame, lr, parts, replicate) for parts in _PATTERNS]
        for replicate in range(number)
    ]
    losses = complete_seeds(number, lambda r: [results.loss(t) for t in trainings[r]])
    accuracies = complete_seeds(number, lambda r: [results.accuracy(t) for t in trainings[r]])
    gains = [[-loss for loss in row] for row in losses]
    return (
        [thirds_effects(dict(zip(_PATTERNS, row, strict=True))) for row in gains],
        [thirds_effects(dict(zip(_PATTERNS, row, strict=True))) for row in accuracies],
    )


TREND = ClaimTest(
    id="C3",
    statement="Early layers need skips less, deep layers need them more.",
    test=(
        "The thirds of a network have their skips on or off in all eight ways, in the study's own "
        "stages and in an isotropic network of one width and resolution, at the study's learning "
        "rate and a third of it, paired by seed. Effect of the late third's skips minus that of "
        "the early third's, log-loss. Beside it: a fold-over design of six groups of blocks."
    ),
    rule=(
        "Supported: the 95% t interval of late minus early over seeds lies above 0 in both frames "
        "at both learning rates. Contradicted as a general rule: in at least one frame it lies "
        "below 0 at both rates. Else inconclusive."
    ),
    plan=_plan_trend,
    decide=_decide_trend,
)
