"""Validation with a search in the loop: what adaptive trials do to effects, ours and others'."""

import warnings
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

from benchmarks.figures import Figure, kendall
from benchmarks.planted import World, twelve_blocks
from benchmarks.validation_samples import DRAWS
from nas.benefit.effects import analyse
from nas.benefit.ols import Fit
from nas.benefit.sample import KINDS

TRIALS = 96
_STARTUP = 10
_CASES = (("TPE alone", 0.0), ("half TPE, half random", 0.5), ("random alone", 1.0))
"""Share of the trials that are drawn at random."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """Trials of one search, those of the design among them."""

    codes: np.ndarray
    values: np.ndarray
    is_random: np.ndarray
    study: optuna.Study


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to read a study: estimates and intervals, or unsigned importances."""

    estimates: np.ndarray
    half: np.ndarray | None = None


def search(world: World, rng: np.random.Generator, *, design_share: float) -> Study:
    """Let Optuna's TPE maximise, one trial after the other, with random rows mixed in."""
    sampler = optuna.samplers.TPESampler(
        seed=int(rng.integers(2**31)), n_startup_trials=_STARTUP, multivariate=True
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    names = [f"skip.{place}" for place in world.places]
    kinds = [kind.value for kind in world.kinds]
    ranges: dict[str, BaseDistribution] = {name: CategoricalDistribution(kinds) for name in names}
    codes, values, is_random = [], [], []
    for number in range(TRIALS):
        is_row = sum(is_random) < design_share * (number + 1)
        if is_row:
            row = world.draw_codes(rng, 1)[0]
            value = float(world.values(rng, row[None])[0])
            params = {name: kinds[code] for name, code in zip(names, row, strict=True)}
            study.add_trial(
                optuna.trial.create_trial(params=params, distributions=ranges, value=value)
            )
        else:
            trial = study.ask(ranges)
            row = np.array([kinds.index(trial.params[name]) for name in names])
            value = float(world.values(rng, row[None])[0])
            study.tell(trial, value)
        codes.append(row)
        values.append(value)
        is_random.append(is_row)
    return Study(
        codes=np.array(codes),
        values=np.array(values),
        is_random=np.array(is_random),
        study=study,
    )


def read(world: World, found: Study) -> dict[str, Arm]:
    """Estimate every block in every way; an arm that cannot is missing."""
    names = [f"skip.{place}" for place in world.places]
    arms = {"differences of means, all trials": _differences(found.codes, found.values)}
    arms["least squares, all trials"] = _least_squares(found.codes, found.values)
    if found.is_random.any():
        rows = found.is_random
        sample = world.sample(found.codes[rows], found.values[rows])
        analysis = analyse(sample, world.kinds, None, draws=DRAWS)
        asked = [q for q in analysis.questions if q.estimand == "AMCE" and q.position is not None]
        arms["ours, randomised trials"] = Arm(
            estimates=np.array([analysis.answers[q].estimate for q in asked]),
            half=np.array([analysis.answers[q].half_width for q in asked]),
        )
    evaluators = {
        "Optuna's fANOVA": FanovaImportanceEvaluator(n_trees=16, seed=0),
        "Optuna's PED-ANOVA": PedAnovaImportanceEvaluator(),
    }
    for name, evaluator in evaluators.items():
        with warnings.catch_warnings():
            # Both warn of few trials, which is what they are compared on.
            warnings.simplefilter("ignore")
            values = optuna.importance.get_param_importances(found.study, evaluator=evaluator)
        arms[name] = Arm(estimates=np.array([values.get(own, 0.0) for own in names]))
    return arms


def adaptivity(studies: int) -> list[Figure]:
    """Coverage and ranks of all arms, by how many of the trials are random."""
    world = twelve_blocks()
    truth = world.effects[:, 0]
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    figures: list[Figure] = []
    try:
        for case, share in _CASES:
            read_all: dict[str, list[Arm]] = {}
            for study in range(studies):
                rng = np.random.default_rng((int(100 * share), study))
                for name, arm in read(world, search(world, rng, design_share=share)).items():
                    read_all.setdefault(name, []).append(arm)
            for name, arms in read_all.items():
                figures += _figures(case, name, arms, truth, is_adaptive=share < 1)
    finally:
        optuna.logging.set_verbosity(verbosity)
    return figures


def _figures(
    case: str, name: str, arms: list[Arm], truth: np.ndarray, *, is_adaptive: bool
) -> list[Figure]:
    estimates = np.array([arm.estimates for arm in arms])
    agreement = np.nanmean([_agreement(own, truth) for own in estimates])
    found = [
        Figure(test="adaptivity", case=f"{case}: {name}", what="mean Kendall tau with the truth",
               value=float(agreement), n=len(arms))
    ]  # fmt: skip
    halves = [arm.half for arm in arms if arm.half is not None]
    if len(halves) < len(arms):
        return found
    known = np.isfinite(estimates)
    held = float((np.abs(estimates - truth) <= np.array(halves))[known].mean())
    bias = np.nanmean(estimates - truth, axis=0)
    missing = int((~known).sum())
    note = f"{missing} of {known.size} effects without an estimate" if missing else ""
    # The naive reading must be seen to fail: it is why the randomised share exists.
    is_ours = name.startswith("ours")
    is_naive = name.startswith("differences") and is_adaptive
    found += [
        Figure(test="adaptivity", case=f"{case}: {name}", what="95% intervals that hold",
               note=note, value=held, n=len(arms), slack=0.1 if len(arms) < 60 else 0.0,
               low=0.93 if is_ours else None, high=0.85 if is_naive else None),
        Figure(test="adaptivity", case=f"{case}: {name}", what="mean error of the worst block",
               value=float(bias[np.abs(bias).argmax()]), n=len(arms)),
    ]  # fmt: skip
    return found


def _agreement(estimates: np.ndarray, truth: np.ndarray) -> float:
    """Return the rank correlation over the blocks that have an estimate."""
    known = np.isfinite(estimates)
    return kendall(estimates[known], truth[known]) if known.sum() > 1 else np.nan


def _differences(codes: np.ndarray, values: np.ndarray) -> Arm:
    """Compare trials with and without each skip, as if skips had been drawn by lot."""
    estimates, halves = [], []
    for block in range(codes.shape[1]):
        arms = [values[(codes[:, block] > 0) == on] for on in (True, False)]
        if min(map(len, arms)) < 2:
            # The search left nothing to compare with: neither a hit nor a miss.
            estimates.append(np.nan)
            halves.append(np.nan)
            continue
        variance = sum(float(np.var(arm, ddof=1)) / len(arm) for arm in arms)
        estimates.append(float(arms[0].mean() - arms[1].mean()))
        halves.append(1.96 * float(np.sqrt(variance)))
    return Arm(estimates=np.array(estimates), half=np.array(halves))


def _least_squares(codes: np.ndarray, values: np.ndarray) -> Arm:
    """Fit all main effects to all trials, with robust errors."""
    matrix = np.column_stack([np.ones(len(codes)), codes != KINDS.index(KINDS[0])])
    fit = Fit(matrix, values, np.arange(len(values)))
    weights = fit.weights(np.eye(matrix.shape[1])[1:])
    return Arm(estimates=weights @ values, half=1.98 * fit.standard_errors(weights))
