"""C2: whether the residual form makes learning easier, since doing nothing is easy."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median

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
from nas.claims.jobs import Job, Measuring, Training
from nas.claims.results import ClaimTest, Results, complete_seeds
from nas.claims.setup import ClaimsSetup
from nas.claims.statistics import mean_estimate, sign_test, slope
from search_spaces.spec import Kind

_LAYERS = (8, 20, 32, 56)
_ZERO_INIT_LAYERS = 32
_EARLY_EPOCHS = 2
_SEEDS = 8
_TOY_SEEDS = 20
_CHOOSING_SEEDS = 10
"""Further seeds of the toy, by which its learning rates are chosen."""
_ALPHA = 0.05


def decide_size(ratios: Mapping[int, Sequence[float]]) -> tuple[Verdict, list[Estimate]]:
    """Decide C2 (a): branches are small beside their shortcuts, the more so in deeper networks.

    Args:
        ratios: By layers: per seed, mean over blocks of rms(branch) / rms(shortcut) after training.
            Seeds are in the same order at every depth.
    """
    layers = sorted(ratios)
    slopes = [slope(layers, row) for row in zip(*(ratios[n] for n in layers), strict=True)]
    trend = mean_estimate("(a) slope of branch / shortcut per layer", slopes)
    deepest = mean_estimate(f"(a) branch / shortcut, {layers[-1]} layers", ratios[layers[-1]])
    beside = [
        mean_estimate(f"(a) branch / shortcut, {n} layers", ratios[n], decides=False)
        for n in layers[:-1]
    ]
    verdict = Verdict.INCONCLUSIVE
    if deepest.high is not None and deepest.high < 1 and trend.is_below:
        verdict = Verdict.SUPPORTED
    elif trend.is_above or (deepest.low is not None and deepest.low > 1):
        verdict = Verdict.CONTRADICTED
    return verdict, [trend, deepest, *beside]


def decide_toy(with_skip: Sequence[float], without: Sequence[float]) -> tuple[Verdict, float]:
    """Decide C2 (b): a block with a skip learns the identity in fewer steps.

    Args:
        with_skip: Steps by seed.
        without: Steps of the block without a skip, by seed.

    Returns:
        The verdict, and the p-value of the exact sign test over seeds.
    """
    wins = sum(ours < theirs for ours, theirs in zip(with_skip, without, strict=True))
    losses = sum(ours > theirs for ours, theirs in zip(with_skip, without, strict=True))
    p = sign_test(wins, losses)
    if p >= _ALPHA:
        return Verdict.INCONCLUSIVE, p
    return (Verdict.SUPPORTED if wins > losses else Verdict.CONTRADICTED), p


def decide_zero_init(gains: Sequence[float]) -> tuple[Verdict, Estimate]:
    """Decide C2 (c): starting with branches that are zero is better after two epochs.

    Args:
        gains: Log-loss of the usual start minus that of zero-initialised branches, by seed.
    """
    gain = mean_estimate("(c) log-loss gain of a start at zero", gains, unit="nats")
    if gain.is_above:
        return Verdict.SUPPORTED, gain
    return (Verdict.CONTRADICTED if gain.is_below else Verdict.INCONCLUSIVE), gain


def combine(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict of several tests: all of them, or at least one against and none for."""
    if all(verdict is Verdict.SUPPORTED for verdict in verdicts):
        return Verdict.SUPPORTED
    if Verdict.CONTRADICTED in verdicts and Verdict.SUPPORTED not in verdicts:
        return Verdict.CONTRADICTED
    return Verdict.INCONCLUSIVE


def best_rates(
    measured: Mapping[str, Sequence[Sequence[float]]], num_choosing: int
) -> tuple[dict[str, int], dict[str, Sequence[float]]]:
    """Choose the learning rate of each arm by its last seeds, and return the steps of the others.

    A rate that was chosen by the seeds that are tested would flatter the arm that varies more.

    Args:
        measured: By arm: by rate, then by seed, the steps.
        num_choosing: Seeds, the last ones, that choose the rate with the smallest median.

    Returns:
        Per arm the index of its rate, and the steps at that rate of the seeds that did not choose.
    """
    best = {
        arm: min(range(len(by_rate)), key=lambda index: median(by_rate[index][-num_choosing:]))
        for arm, by_rate in measured.items()
    }
    return best, {arm: measured[arm][best[arm]][:-num_choosing] for arm in measured}


def _networks(setup: ClaimsSetup) -> list[int]:
    return setup.depths(_LAYERS)


def _trained(setup: ClaimsSetup, layers: int, replicate: int) -> Training:
    return setup.by_depth(setup.of_layers(layers, Kind.IDENTITY), replicate)


def _zero_init(setup: ClaimsSetup, replicate: int) -> tuple[Training, Training]:
    """Return the usual start and the start at zero."""
    spec = setup.of_layers(_ZERO_INIT_LAYERS, Kind.IDENTITY)
    usual, zero = spec.changed(zero_init=False), spec.changed(zero_init=True)
    return setup.by_depth(usual, replicate), setup.by_depth(zero, replicate)


def _toy(setup: ClaimsSetup) -> Measuring:
    return setup.measuring("toy", setup.least_seeds(_TOY_SEEDS) + _CHOOSING_SEEDS)


def _plan(setup: ClaimsSetup) -> list[Job]:
    seeds = range(setup.num_seeds(_SEEDS))
    jobs: list[Job] = [_toy(setup)]
    if setup.can_look_inside:
        jobs += [_trained(setup, layers, r) for layers in _networks(setup) for r in seeds]
    jobs += [job for r in seeds for job in _zero_init(setup, r)]
    return jobs


def _ratio(results: Results, training: Training) -> float | None:
    outcome = results.outcome(training)
    # A network that diverged has nothing to be looked at.
    found = outcome.inside.get("branch_shortcut_ratio") if outcome is not None else None
    known = [value for value in found or () if value is not None]
    return fmean(known) if known else None


def _decide(setup: ClaimsSetup, results: Results) -> Finding:
    number, layers = setup.num_seeds(_SEEDS), _networks(setup)
    rows = complete_seeds(
        number, lambda r: [_ratio(results, _trained(setup, n, r)) for n in layers]
    )
    toy = results.measured(_toy(setup))
    pairs = complete_seeds(
        number, lambda r: [results.loss(t, _EARLY_EPOCHS) for t in _zero_init(setup, r)]
    )
    if not rows or toy is None or not pairs:
        return not_tested("trained networks to look into, or trainings, are missing")
    size, estimates = decide_size({n: [row[i] for row in rows] for i, n in enumerate(layers)})
    arms = {arm: toy[arm] for arm in ("with_skip", "without")}
    best, steps = best_rates(arms, _CHOOSING_SEEDS)
    easier, p = decide_toy(steps["with_skip"], steps["without"])
    start, gain = decide_zero_init([usual - zero for usual, zero in pairs])
    verdicts = {"a": size, "b": easier, "c": start}
    medians = {arm: median(values) for arm, values in steps.items()}
    at = f"{_early(setup)} epochs, {_zero_init(setup, 0)[0].spec.layers} layers"
    return Finding(
        verdict=combine(list(verdicts.values())),
        evidence=(
            f"(a) branch / shortcut {estimates[1].value or 0:.2f} at {layers[-1]} layers, slope "
            f"{signed(estimates[0].value, 4)} per layer: {size.value}; (b) identity learnt in "
            f"{medians['with_skip']:g} steps with a skip, {medians['without']:g} without "
            f"(medians, p = {p:.2g}): {easier.value}; (c) a start at zero gains "
            f"{with_interval(gain)} log-loss after {at}: {start.value}"
        ),
        estimates=(*estimates, gain),
        facts={
            **{f"verdict ({part})": verdict.value for part, verdict in verdicts.items()},
            "(b) p of the sign test": p,
            "(b) seeds": len(steps["with_skip"]),
            "(b) further seeds that choose the rates": _CHOOSING_SEEDS,
            "(a) seeds": len(rows),
            "(c) seeds": len(pairs),
            "(b) median steps with a skip": medians["with_skip"],
            "(b) median steps without": medians["without"],
            "(b) learning rate with a skip": toy["rates"][best["with_skip"]],
            "(b) learning rate without": toy["rates"][best["without"]],
        },
        plot=_plot(setup, results, layers),
    )


def _early(setup: ClaimsSetup) -> int:
    return min(_EARLY_EPOCHS, setup.recipe.epochs)


def _plot(setup: ClaimsSetup, results: Results, layers: Sequence[int]) -> Plot:
    """Plot the ratio over the blocks of the deepest network, mean of its seeds."""
    found = [
        outcome.inside.get("branch_shortcut_ratio")
        for r in range(setup.num_seeds(_SEEDS))
        if (outcome := results.outcome(_trained(setup, layers[-1], r))) is not None
    ]
    columns = zip(*[row for row in found if row], strict=True)
    points = tuple(
        (index, fmean(known))
        for index, column in enumerate(columns, start=1)
        if (known := [value for value in column if value is not None])
    )
    return Plot(
        x=f"block, of {layers[-1]} layers",
        y="branch / shortcut after training",
        lines=(Line(name="with skips", style="identity", points=points),),
    )


RESIDUAL_FORM = ClaimTest(
    id="C2",
    statement="Learning a residual is easier, since a branch that does nothing is easy to reach.",
    test=(
        "(a) After training, rms of each branch over rms of its shortcut, mean over blocks, full "
        "identity at about 8, 20, 32 and 56 layers. (b) A toy: one block of two layers learns the "
        "identity of Gaussian inputs, with and without a skip, steps to a mean squared error of "
        "0.01, each arm at the best of three learning rates, chosen by ten other seeds. (c) Branches that begin as zero "
        "against the usual start, paired by seed, log-loss after two epochs, about 32 layers."
    ),
    rule=(
        "(a) supported: at the greatest depth the 95% t interval of the ratio lies below 1, and "
        "that of its slope over depth below 0; contradicted: one of them lies above. (b) exact "
        "two-sided sign test over seeds, 5%. (c) 95% t interval of the paired difference. "
        "The claim is supported if all three are, contradicted if at least one is contradicted and "
        "none supported, else inconclusive."
    ),
    plan=_plan,
    decide=_decide,
)
