"""Paired evidence: what one skip is worth in one network, from trainings on common seeds.

A base network and each of its flips are trained on the same seeds. The difference of a pair is free
of what the seed does to both; how much that is, is measured and never assumed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from nas.benefit.ablations import Ablation, Contrast, contrasts_of, group_ablations
from nas.benefit.context import BenefitContext, Metric, other_metrics, step_of, study_metric
from nas.benefit.effects import BENEFIT, HARM, INCONCLUSIVE, NEGLIGIBLE
from nas.benefit.estimates import ALPHA
from nas.benefit.ols import t_quantile, two_sided_p
from nas.benefit.reading import outcome_of
from nas.benefit.retrainings import is_rounded_away, outcomes, worthwhile
from nas.trials import State, TrialRecord

MOST_EXACT = 12
"""Pairs up to which all patterns of signs are gone through: 4,096 of them."""
INTERVAL = "Student's t, simultaneous by Bonferroni within a base and estimand"
SIGN_FLIP, STUDENT = "exact sign flip", "t"
_LEAST_COMPLETE = 1 / 3
"""Share of the trainings of a contrast that must be complete before anything is decided."""


@dataclass(frozen=True, kw_only=True)
class PairedMean:
    """The mean difference of pairs; None where they are too few or all differ alike."""

    d_mean: float
    n_pairs: int
    se: float | None = None
    df: int | None = None
    ci: tuple[float, float] | None = None
    """95% interval of this contrast alone."""
    ci_sim: tuple[float, float] | None = None
    """95% interval that holds for the whole family at once."""
    p: float | None = None
    p_method: str | None = None
    rho: float | None = None
    """Correlation of the two arms over the seeds."""
    effective_gain: float | None = None
    """How many times as many trainings on seeds of their own would be as exact: 1 / (1 - rho)."""


def paired_mean(
    first: np.ndarray, second: np.ndarray, *, family_size: int = 1, step: float = 0.0
) -> PairedMean | None:
    """Estimate the mean of `first - second`, both of shape (pairs,); None without a pair.

    Args:
        first: Outcomes of one arm by seed.
        second: Outcomes of the other arm on the same seeds.
        family_size: Contrasts that the simultaneous interval holds for.
        step: Smallest difference that the outcome can show.
    """
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    n = len(differences)
    if not n:
        return None
    mean = float(differences.mean())
    if n == 1:
        return PairedMean(d_mean=mean, n_pairs=n)
    sd = float(differences.std(ddof=1))
    if is_rounded_away(sd, step):
        return PairedMean(d_mean=mean, n_pairs=n)
    se, df = sd / math.sqrt(n), n - 1
    alone = t_quantile(df, 1 - ALPHA / 2) * se
    together = t_quantile(df, 1 - ALPHA / (2 * family_size)) * se
    is_exact = n <= MOST_EXACT
    p = sign_flip_p(differences) if is_exact else float(two_sided_p(np.array(mean / se), df))
    rho = seed_correlation_of([(first, second)])
    return PairedMean(
        d_mean=mean,
        n_pairs=n,
        se=se,
        df=df,
        ci=(mean - alone, mean + alone),
        ci_sim=(mean - together, mean + together),
        p=p,
        p_method=SIGN_FLIP if is_exact else STUDENT,
        rho=rho,
        effective_gain=None if rho is None else 1 / (1 - rho),
    )


def sign_flip_p(differences: np.ndarray) -> float:
    """Return the exact two-sided p of a mean of zero: each sign is as likely as the other.

    Its smallest value is 2 / 2 ** n: with five pairs nothing is below 0.06.
    """
    n = len(differences)
    patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    sums = np.abs((2.0 * patterns - 1.0) @ differences)
    observed = abs(float(differences.sum()))
    # Equal sums differ in their last digits.
    tolerance = 1e-9 * float(np.abs(differences).sum())
    return float((sums >= observed - tolerance).mean())


def seed_correlation_of(arms: Sequence[tuple[np.ndarray, np.ndarray]]) -> float | None:
    """Return the correlation of paired arms over seeds, pooled over all pairs of arms.

    It is the rho of Var(a - b) = (Var a + Var b) (1 - rho), so that 1 / (1 - rho) is what pairing
    gains exactly. None where an arm has fewer than two seeds, or nothing varies.
    """
    known = [(a, b) for a, b in arms if len(a) > 1]
    apart = sum(float(np.var(a, ddof=1) + np.var(b, ddof=1)) for a, b in known)
    paired = sum(float(np.var(a - b, ddof=1)) for a, b in known)
    return 1 - paired / apart if apart > 0 and paired > 0 else None


def seed_correlation(repeats: Sequence[TrialRecord], context: BenefitContext) -> float | None:
    """Return the measured seed correlation of the study's metric, pooled over all pairs."""
    metric = study_metric(context)
    return seed_correlation_of(
        [
            _arms(contrast, metric)
            for ablation in group_ablations(repeats)
            for contrast in contrasts_of(ablation)
        ]
    )


def confirm_rows(
    repeats: Sequence[TrialRecord], context: BenefitContext, *, layers: int | None = None
) -> list[dict[str, Any]]:
    """Return one row per base and flip, bases as they were begun, flips in network order.

    Args:
        repeats: Trials of the `.repeats` study, in any order; only paired ones are estimated.
        context: What the rows do not say.
        layers: Layers of the anchors from which the smallest effect of interest is taken; None:
            those of the reference network.
    """
    if layers is None and context.reference_spec is not None:
        layers = context.reference_spec.layers
    metric, others = study_metric(context), other_metrics(context)
    limit = worthwhile(repeats, metric, layers, context.sesoi)["value"]
    found = [(a, contrasts_of(a)) for a in group_ablations(repeats)]
    split = _split([c for _, contrasts in found for c in contrasts], metric)
    rows: list[dict[str, Any]] = []
    for ablation, contrasts in found:
        families = [contrast.estimand for contrast in contrasts]
        base_mean = _mean(ablation, _on_split(metric, split, context))
        for contrast in contrasts:
            size = families.count(contrast.estimand)
            estimates = _estimates(contrast, metric, others, size, split, context)
            row = _row(ablation, contrast, estimates, limit, size, split)
            rows.append(row | {"base_mean": base_mean})
    return rows


@dataclass(frozen=True)
class _Estimates:
    """One contrast in all its outcomes."""

    main: PairedMean | None
    validation: PairedMean | None
    """Beside a result on the test split; else None."""
    others: Mapping[str, PairedMean]
    n_failed: int
    may_decide: bool


def _split(contrasts: Sequence[Contrast], metric: Metric) -> str:
    """Return the split that all complete trainings were measured on; the test split if it can."""
    runs = [run for c in contrasts for pair in c.pairs() for run in pair]
    complete = [run for run in runs if run.state is State.COMPLETE]
    name = _test_name(metric.name)
    is_tested = bool(complete) and all(name in run.metrics for run in complete)
    return "test" if is_tested else "validation"


def _test_name(name: str) -> str:
    return f"test_{name.removeprefix('val_')}"


def _on_split(metric: Metric, split: str, context: BenefitContext) -> Metric:
    """Return a validation outcome as it is measured on a split."""
    if split != "test":
        return metric
    name = _test_name(metric.name)
    step = step_of(name, context.num_test)
    return replace(metric, name=name, is_study_metric=False, step=step)


def _arms(contrast: Contrast, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    """Return the outcomes of both arms, positive = better, of the pairs that have both.

    A diverged training is an outcome: a network that guesses.
    """
    found = [
        (metric.sign * first, metric.sign * second)
        for pair in contrast.pairs()
        for first, second in [[outcome_of(run, metric) for run in pair]]
        if first is not None and second is not None
    ]
    arms = np.array(found, dtype=np.float64).reshape(len(found), 2)
    return arms[:, 0], arms[:, 1]


def _mean(ablation: Ablation, metric: Metric) -> float | None:
    """Return the mean outcome of a base over its seeds, in the metric's own unit."""
    found = outcomes(ablation.runs.values(), metric)
    return float(np.mean(found)) if found else None


def _estimates(
    contrast: Contrast,
    metric: Metric,
    others: Sequence[Metric],
    family_size: int,
    split: str,
    context: BenefitContext,
) -> _Estimates:
    def estimate(outcome: Metric) -> PairedMean | None:
        return paired_mean(*_arms(contrast, outcome), family_size=family_size, step=outcome.step)

    measured = [_on_split(other, split, context) for other in others]
    beside = {other.name: estimate(other) for other in measured}
    runs = [run for pair in contrast.pairs() for run in pair]
    num_complete = sum(run.state is State.COMPLETE for run in runs)
    return _Estimates(
        main=estimate(_on_split(metric, split, context)),
        validation=estimate(metric) if split == "test" else None,
        others={name: found for name, found in beside.items() if found is not None},
        n_failed=sum(run.state is State.FAILED for run in runs),
        # Two networks that guess differ by nothing, because nothing was measured.
        may_decide=num_complete >= _LEAST_COMPLETE * len(runs),
    )


def _row(
    ablation: Ablation,
    contrast: Contrast,
    estimates: _Estimates,
    limit: float | None,
    family_size: int,
    split: str,
) -> dict[str, Any]:
    main = estimates.main
    numbers = dict.fromkeys(PairedMean.__dataclass_fields__) | {"n_pairs": 0}
    if main is not None:
        numbers |= asdict(main)
    large = main is not None and limit is not None and abs(main.d_mean) >= limit
    validation = estimates.validation
    return {
        "estimand": contrast.estimand,
        "base": ablation.base,
        "flip": str(contrast.flip),
        "of_trial": ablation.of_trial,
        "depth": ablation.layers,
        **contrast.where(ablation),
        **numbers,
        "n_failed": estimates.n_failed,
        "split": split,
        "decision": _decide(main, limit) if estimates.may_decide else INCONCLUSIVE,
        "size": None if main is None or limit is None else ("large" if large else "small"),
        "interval": INTERVAL,
        "family_size": family_size,
        "delta_params": contrast.difference("params"),
        "delta_macs": contrast.difference("macs"),
        "validation": None if validation is None else _short(validation),
        "metrics": {name: _short(found) for name, found in estimates.others.items()},
        "grade": "paired",
    }


def _short(found: PairedMean) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("d_mean", "se", "ci", "ci_sim", "n_pairs")}


def _decide(found: PairedMean | None, limit: float | None) -> str:
    """Read the decision off the simultaneous interval."""
    if found is None or found.ci_sim is None:
        return INCONCLUSIVE
    low, high = found.ci_sim
    if low > 0:
        return BENEFIT
    if high < 0:
        return HARM
    if limit is not None and -limit < low and high < limit:
        return NEGLIGIBLE
    return INCONCLUSIVE
