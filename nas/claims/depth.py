"""C4 and C7: whether skips matter more in deeper networks, and make very deep ones trainable."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from nas.claims.finding import (
    SHARE_UNIT,
    Estimate,
    Finding,
    Line,
    Plot,
    Verdict,
    not_tested,
    signed,
    with_interval,
)
from nas.claims.jobs import Job, Training
from nas.claims.results import ClaimTest, Results, complete_seeds
from nas.claims.setup import ClaimsSetup
from nas.claims.statistics import fisher_test, mean_estimate, share_bounds, slope
from search_spaces.spec import Kind

_GROWTH_LAYERS = (8, 14, 20, 26, 32)
_VERY_DEEP_LAYERS = 110
_VERY_DEEP_WARMUP = 3.0
_SEEDS = 5
_ALPHA = 0.05
_NAMES = {Kind.NONE: "plain", Kind.IDENTITY: "with skips"}

Share = tuple[int, int]
"""Trainings that came to something, and all."""


def decide_trainable(
    with_skips: Mapping[float, Share], plain: Mapping[float, Share], layers: int
) -> Finding:
    """Decide C4.

    Args:
        with_skips: By learning rate: trained networks, and all.
        plain: The same without skips.
        layers: Of the networks.
    """
    best, best_plain = _best(with_skips), _best(plain)
    ours, theirs = with_skips[best], plain[best_plain]
    p = fisher_test(ours, theirs)
    verdict = Verdict.INCONCLUSIVE
    if ours[0] / ours[1] > 0.5 and p < _ALPHA and ours[0] / ours[1] > theirs[0] / theirs[1]:
        verdict = Verdict.SUPPORTED
    elif all(share_bounds(*share)[1] < 0.5 for share in with_skips.values()):
        # Each rate must fail by itself, so that two looks need no correction.
        verdict = Verdict.CONTRADICTED
    # The better of the plain arms is one of several, each with its part of the error.
    level = 1 - _ALPHA / len(plain)
    low_plain, _ = share_bounds(*theirs, level=level)
    arms = [("with skips", with_skips), ("plain", plain)]
    said = [
        f"{name} {hits} of {number} at lr {lr:.3g}"
        for name, shares in arms
        for lr, (hits, number) in shares.items()
    ]
    return Finding(
        verdict=verdict,
        evidence=f"trained at {layers} layers: {', '.join(said)}; p = {p:.2g} at the best rates"
        f"{_of_plain(theirs, low_plain)}",
        estimates=tuple(
            _share(f"{name}, lr {lr:.3g}", share)
            for name, shares in arms
            for lr, share in shares.items()
        ),
        facts={
            "p of Fisher's test": p,
            "best rate with skips": best,
            "best rate plain": best_plain,
            f"lower {level:.1%} bound of plain at its best rate": low_plain,
        },
    )


def _of_plain(share: Share, low: float) -> str:
    if share[0] / share[1] <= 0.5:
        return ""
    words = "; plain networks train as well, so that skips are not what makes the difference"
    return f"{words} (more than half surely)" if low > 0.5 else words


def _best(shares: Mapping[float, Share]) -> float:
    return max(shares, key=lambda lr: shares[lr][0] / shares[lr][1])


def _share(name: str, share: Share) -> Estimate:
    low, high = share_bounds(*share)
    return Estimate(
        name=f"trained, {name}",
        value=share[0] / share[1],
        low=low,
        high=high,
        n=share[1],
        unit=SHARE_UNIT,
    )


def decide_growth(
    gains: Mapping[int, Sequence[float]],
    in_accuracy: Mapping[int, Sequence[float]] | None = None,
    guessing: Sequence[int] = (),
) -> Finding:
    """Decide C7.

    Args:
        gains: By layers: per seed, log-loss of the plain network minus that with skips. Seeds are
            in the same order at every depth.
        in_accuracy: The same in accuracy, shown beside.
        guessing: Layers at which both arms end at guessing: a gain there is none that was measured.
    """
    layers = sorted(gains)
    slopes = [slope(layers, row) for row in zip(*(gains[n] for n in layers), strict=True)]
    trend = mean_estimate("slope of the gain per layer", slopes, unit="nats per layer")
    verdict = Verdict.INCONCLUSIVE
    if trend.is_above and not guessing:
        verdict = Verdict.SUPPORTED
    elif trend.is_below and not guessing:
        verdict = Verdict.CONTRADICTED
    by_depth = [
        mean_estimate(f"gain in log-loss, {n} layers", gains[n], unit="nats", decides=False)
        for n in layers
    ]
    points = in_accuracy or {}
    by_depth += [
        mean_estimate(f"gain in accuracy, {n} layers", points[n], decides=False)
        for n in sorted(points)
    ]
    means = ", ".join(signed(fmean(gains[n])) for n in layers)
    return Finding(
        verdict=verdict,
        evidence=(
            f"gain by skips {means} log-loss at {', '.join(map(str, layers))} layers; slope "
            f"{with_interval(trend, 4)} per layer{_of_guessing(guessing)}"
        ),
        estimates=(trend, *by_depth),
        facts={"layers at which both arms guess": ", ".join(map(str, guessing))}
        if guessing
        else {},
    )


def _of_guessing(layers: Sequence[int]) -> str:
    if not layers:
        return ""
    named = ", ".join(map(str, layers))
    return (
        f"; at {named} layers both arms end at guessing, so that the gains say nothing of the claim: "
        "train longer, or at another rate"
    )


def _growth(setup: ClaimsSetup, layers: int, kind: Kind, replicate: int) -> Training:
    return setup.by_depth(setup.of_layers(layers, kind), replicate)


def _plan_growth(setup: ClaimsSetup) -> list[Job]:
    return [
        _growth(setup, layers, kind, replicate)
        for layers in setup.depths(_GROWTH_LAYERS)
        for kind in _NAMES
        for replicate in range(setup.num_seeds(_SEEDS))
    ]


def _decide_growth(setup: ClaimsSetup, results: Results) -> Finding:
    layers, number = setup.depths(_GROWTH_LAYERS), setup.num_seeds(_SEEDS)
    if len(layers) < 2:
        return not_tested("networks of this block type have one depth here")

    def differences(score: str) -> dict[int, list[float]]:
        read = results.loss if score == "log_loss" else results.accuracy
        rows = complete_seeds(
            number,
            lambda r: [read(_growth(setup, n, kind, r)) for n in layers for kind in _NAMES],
        )
        # Kinds alternate, plain first; a gain is the fall of a loss or the rise of an accuracy.
        sign = 1 if score == "log_loss" else -1
        return {
            n: [sign * (row[2 * i] - row[2 * i + 1]) for row in rows] for i, n in enumerate(layers)
        }

    gains = differences("log_loss")
    if not all(gains.values()):
        return not_tested("trainings are missing")
    guessing = [n for n in layers if _both_guess(setup, results, n)]
    finding = decide_growth(gains, differences("accuracy"), guessing)
    return Finding(
        verdict=finding.verdict,
        evidence=finding.evidence,
        estimates=finding.estimates,
        facts=finding.facts,
        plot=accuracy_plot(
            results,
            {
                _NAMES[kind]: {
                    n: [_growth(setup, n, kind, r) for r in range(number)] for n in layers
                }
                for kind in _NAMES
            },
        ),
    )


def _both_guess(setup: ClaimsSetup, results: Results, layers: int) -> bool:
    """Say whether most seeds of a depth end at guessing, with skips and without."""
    rows = complete_seeds(
        setup.num_seeds(_SEEDS),
        lambda r: [results.loss(_growth(setup, layers, kind, r)) for kind in _NAMES],
    )
    # A loss is never above chance here: what is not below it has learnt nothing.
    return 2 * sum(min(row) >= setup.chance_loss for row in rows) > len(rows)


def accuracy_plot(results: Results, arms: Mapping[str, Mapping[int, Sequence[Training]]]) -> Plot:
    """Plot mean validation accuracy against depth, a line for each arm."""
    styles = {"plain": "plain", "with skips": "identity", "A": "identity", "C": "projection"}
    lines = []
    for name, by_depth in arms.items():
        points = []
        for layers, trainings in by_depth.items():
            known = [a for t in trainings if (a := results.accuracy(t)) is not None]
            if known:
                points.append((float(layers), fmean(known)))
        style = styles.get(name.split(",")[0], "other")
        lines.append(Line(name=name, style=style, points=tuple(points)))
    return Plot(x="layers", y="validation accuracy", lines=tuple(lines), is_share=True)


def _very_deep(setup: ClaimsSetup) -> dict[tuple[Kind, float], list[Training]]:
    # The study's rate needs a longer warm-up at this depth; a tenth of it does not.
    rates = {setup.recipe.lr: _VERY_DEEP_WARMUP, setup.recipe.lr / 10: None}
    return {
        (kind, lr): [
            setup.training(
                setup.of_layers(_VERY_DEEP_LAYERS, kind),
                replicate,
                lr=lr,
                warmup_epochs=warmup,
            )
            for replicate in range(setup.num_seeds(_SEEDS))
        ]
        for kind in _NAMES
        for lr, warmup in rates.items()
    }


def _plan_trainable(setup: ClaimsSetup) -> list[Job]:
    return [training for arm in _very_deep(setup).values() for training in arm]


def _decide_trainable(setup: ClaimsSetup, results: Results) -> Finding:
    threshold = (1 + 1 / setup.facts.num_classes) / 2
    shares: dict[Kind, dict[float, Share]] = {kind: {} for kind in _NAMES}
    accuracies: list[Estimate] = []
    arms = _very_deep(setup)
    for (kind, lr), trainings in arms.items():
        known = [a for t in trainings if (a := results.accuracy(t)) is not None]
        if not known:
            return not_tested("trainings are missing")
        shares[kind][lr] = (sum(a >= threshold for a in known), len(known))
        name = f"accuracy, {_NAMES[kind]}, lr {lr:.3g}"
        accuracies.append(mean_estimate(name, known, decides=False))
    layers = setup.of_layers(_VERY_DEEP_LAYERS).layers
    finding = decide_trainable(shares[Kind.IDENTITY], shares[Kind.NONE], layers)
    failed = {
        f"diverged, {_NAMES[kind]}, lr {lr:.3g}": results.num_diverged(trainings)
        for (kind, lr), trainings in arms.items()
    }
    return Finding(
        verdict=finding.verdict,
        evidence=finding.evidence,
        estimates=(*finding.estimates, *accuracies),
        facts={**finding.facts, **failed, "accuracy from which on a network counts": threshold},
    )


TRAINABLE = ClaimTest(
    id="C4",
    statement="With skips, networks of 100 and more layers can be trained.",
    test=(
        "Plain and full identity at about 110 layers, at the study's learning rate with a warm-up "
        "of three epochs and at a tenth of it. A network counts as trained if it ends at least "
        "half-way between chance and no error; one that diverged does not."
    ),
    rule=(
        "Each arm at its best rate. Supported: more than half of the networks with skips train, and "
        "more than without by Fisher's exact test (two-sided, 5%). Contradicted: at every rate the "
        "one-sided 95% bound says that fewer than half train with skips. Else inconclusive, also "
        "where networks train with skips and without."
    ),
    plan=_plan_trainable,
    decide=_decide_trainable,
)

GROWTH = ClaimTest(
    id="C7",
    statement="Skips matter more the deeper the network is.",
    test=(
        "Log-loss of the plain minus the full-identity network, paired by seed, about 8, 14, 20, 26 "
        "and 32 layers; slope of this gain over the layers for each seed."
    ),
    rule=(
        "Supported: the 95% t interval of the slope over seeds lies above 0. Contradicted: below "
        "0. Else inconclusive, also where at some depth most seeds of both networks end at guessing, "
        "since such a gain of zero is no measurement."
    ),
    plan=_plan_growth,
    decide=_decide_growth,
)
