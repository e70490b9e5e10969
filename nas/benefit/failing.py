"""FAIL: what skips do to the probability that a network does not train at all."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nas.benefit.coding import network_weights, stage_weights
from nas.benefit.context import BenefitContext, Metric, other_metrics, study_metric
from nas.benefit.effect_rows import NUMBERS, cost_columns, count_columns, place_columns
from nas.benefit.effects import BENEFIT, HARM, INCONCLUSIVE
from nas.benefit.estimates import ALPHA
from nas.benefit.places import BlockFacts
from nas.benefit.proportions import MeanDifference, normal_quantile
from nas.benefit.questions import SKIP, Question
from nas.benefit.sample import KINDS, Sample
from nas.trials import State, TrialRecord
from search_spaces.spec import Kind

_NAMES = {"AMCE_ALL": "FAIL_ALL", "AMCE_STAGE": "FAIL_STAGE", "AMCE": "FAIL"}


def not_trained(rows: Sequence[TrialRecord], context: BenefitContext) -> np.ndarray:
    """Say which rows did not train: 1 or 0, NaN where a row says nothing of it.

    A network did not train where it diverged, or ended with an accuracy that guessing can have:
    within two standard errors of a network that guesses. Trainings that failed for want of memory
    or of a machine, and pruned ones, say nothing.
    """
    accuracy = next(
        (
            metric
            for metric in (study_metric(context), *other_metrics(context))
            if metric.name == "val_accuracy"
        ),
        None,
    )
    limit = _guessing(accuracy, context.num_val)
    return np.array([_not_trained(row, accuracy, limit) for row in rows], dtype=np.float64)


def _guessing(accuracy: Metric | None, num_images: int | None) -> float:
    """Return the largest accuracy that guessing can have."""
    if accuracy is None or accuracy.chance is None:
        return -math.inf
    chance = accuracy.chance
    spread = math.sqrt(chance * (1 - chance) / num_images) if num_images else 0.0
    return chance + 2 * spread


def _not_trained(row: TrialRecord, accuracy: Metric | None, limit: float) -> float:
    if row.state is State.FAILED:
        return 1.0 if row.reason in ("diverged", None) else math.nan
    if row.state is not State.COMPLETE:
        return math.nan
    is_value = accuracy is not None and accuracy.is_study_metric
    reached = row.value if is_value else row.metrics.get("val_accuracy")
    return float(reached is not None and reached <= limit)


def fail_rows(
    table: Sample,
    failed: np.ndarray,
    asked: Sequence[Question],
    facts: Sequence[BlockFacts],
    depth: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Return the effects on the probability of not training; empty where every row trained.

    `estimate` is that probability without the skip minus that with it: positive = better, as
    everywhere. Bands are Bonferroni's over a level, and levels are opened as those of the metric.

    Args:
        table: All rows at the reference, whatever their outcome.
        failed: `not_trained` of them.
        asked: Questions of the map; those against none are asked here too.
        facts: Coordinates and costs of every block.
        depth: `depth` and `depth_plan` of the network.
    """
    if not np.nansum(failed):
        return []
    sample = table.scored(-failed)
    sample = replace(sample, diverged=sample.value < 0)
    questions = [question for question in asked if question.estimand in _NAMES]
    answers = {question: mean_difference(sample, question) for question in questions}
    sizes = {q.level: sum(other.level == q.level for other in questions) for q in questions}
    rows = {question: _numbers(answers[question], sizes[question.level]) for question in questions}
    gates = _gates(rows)
    return [
        {
            **place_columns(replace(question, estimand=_NAMES[question.estimand]), facts, depth),
            **row,
            "decision": row["decision"] if gates[question] else INCONCLUSIVE,
            **count_columns(sample, question),
            **cost_columns(sample, question, facts),
            "source": "randomised",
            "grade": "randomised",
            "gate_passed": gates[question],
            "check": None,
            "neighbour_conditional": {"on": None, "off": None},
        }
        for question, row in rows.items()
    ]


def mean_difference(sample: Sample, question: Question) -> MeanDifference | None:
    """Return the difference that a question is about; None where a block lacks one of the kinds.

    Rows of one architecture are no independent evidence, so arms count architectures. None where
    rows were left out for a constraint: networks with and without a skip then differ elsewhere.

    Args:
        sample: Rows whose value is minus `not_trained`.
        question: A kind, or any skip, against none.
    """
    parts = [] if sample.is_conditional else _parts(sample, question)
    if not parts:
        return None
    weights = np.array([weight for weight, _, _ in parts])
    arms = [sample.codes[:, index] == code for _, index, code in parts]
    nones = [sample.codes[:, index] == 0 for _, index, _ in parts]
    if not all(arm.any() and none.any() for arm, none in zip(arms, nones, strict=True)):
        return None
    failed = -sample.value
    shares = [np.array([failed[arm].mean() for arm in side]) for side in (arms, nones)]
    numbers = [
        np.array([len(np.unique(sample.cluster[arm])) for arm in side]) for side in (arms, nones)
    ]
    return MeanDifference(
        weights=weights / weights.sum(),
        share=shares[0],
        number=numbers[0],
        against=shares[1],
        number_against=numbers[1],
        correlations=_correlations(sample, arms, nones),
    )


def _parts(sample: Sample, question: Question) -> list[tuple[float, int, int]]:
    """Return weight, block and code of every difference that the question averages."""
    stages = [place.stage for place in sample.places]
    if question.position is not None:
        weights = tuple(float(index == question.position) for index in range(len(stages)))
    elif question.stage is None:
        weights = network_weights(stages)
    else:
        weights = stage_weights(stages)[sorted(set(stages)).index(question.stage)]
    skips = (Kind.IDENTITY, Kind.PROJECTION)
    members = skips if question.kind == SKIP else (Kind(question.kind),)
    parts = []
    for index, weight in enumerate(weights):
        own = sample.choices_at(index).kinds
        kinds = [kind for kind in members if kind in own]
        if weight and kinds and Kind.NONE in own:
            parts += [(weight / len(kinds), index, KINDS.index(kind)) for kind in kinds]
    return parts


def _correlations(
    sample: Sample, arms: Sequence[np.ndarray], nones: Sequence[np.ndarray]
) -> np.ndarray:
    """Return how the differences vary together: by the rows that they share, and as observed.

    By the shared rows alone, all of equal variance, blocks of a balanced design are uncorrelated.
    Where failures need several blocks without a skip they are not, but few failures tell it badly.
    """
    rows = np.array(
        [none / none.sum() - arm / arm.sum() for arm, none in zip(arms, nones, strict=True)]
    )
    found = []
    for values in (rows, rows * (sample.value - sample.value.mean())):
        sums = np.zeros((sample.num_clusters, len(rows)))
        np.add.at(sums, sample.cluster, values.T)
        norms = np.sqrt((sums**2).sum(axis=0))
        found.append(sums.T @ sums / np.maximum(np.outer(norms, norms), 1e-300))
    return np.array(found)


def _numbers(found: MeanDifference | None, family_size: int) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(NUMBERS)
    row |= {"decision": INCONCLUSIVE, "size": None, "mde": None, "unit": "probability"}
    row |= {"p_failed": None, "p_failed_reference": None, "estimator": None, "cov_type": None}
    if found is None:
        return row
    low, high = found.limits(normal_quantile(1 - ALPHA / 2))
    sim_low, sim_high = found.limits(normal_quantile(1 - ALPHA / (2 * family_size)))
    p = found.p()
    row |= {
        "estimate": found.estimate,
        "se": found.standard_error,
        "ci_low": low,
        "ci_high": high,
        "ci_sim_low": sim_low,
        "ci_sim_high": sim_high,
        "p": p,
        "p_adj": min(1.0, family_size * p),
        "p_failed": float(found.weights @ found.share),
        "p_failed_reference": float(found.weights @ found.against),
        "estimator": "difference_in_proportions",
        "cov_type": "newcombe_mover",
    }
    if sim_low > 0 or sim_high < 0:
        row["decision"] = BENEFIT if sim_low > 0 else HARM
    return row


def _gates(rows: Mapping[Question, Mapping[str, Any]]) -> dict[Question, bool]:
    """Open stages when the whole network is decided, blocks when their stage is."""
    decided = {
        (question.level, question.stage)
        for question, row in rows.items()
        if row["decision"] != INCONCLUSIVE
    }
    network = ("network", None) in decided
    return {
        question: question.level == "network"
        or (network and (question.level == "stage" or ("stage", question.stage) in decided))
        for question in rows
    }
