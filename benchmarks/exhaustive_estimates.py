"""Effects and ranks that come out of rows of the table, by our estimator and by others."""

from dataclasses import dataclass

import numpy as np
import optuna

from benchmarks.exhaustive_designs import KINDS, NAMES, PLACES, Rows, params_of, ranges
from nas.benefit.effects import analyse
from nas.benefit.neyman import difference_in_means
from nas.benefit.questions import Question
from nas.benefit.sample import KINDS as CODES
from nas.benefit.sample import Sample
from nas.space_kinds import BlockChoices
from search_spaces.spec import Kind
from trainer.data import data_facts
from trainer.recorded.skipbench import NAME
from trainer.recorded.table import PatternTable

EVALUATORS = {
    "fANOVA": optuna.importance.FanovaImportanceEvaluator,
    "PED-ANOVA": optuna.importance.PedAnovaImportanceEvaluator,
}
"""Optuna's, each with its default settings."""


@dataclass(frozen=True, kw_only=True)
class Effects:
    """One estimate per group, positive = better; NaN where there is none."""

    estimate: np.ndarray
    half: np.ndarray
    """Half-width of the pointwise 95% interval."""
    half_sim: np.ndarray
    """Half-width of the simultaneous 95% interval; NaN where the estimator has none."""


def sample_of(table: PatternTable, metric: str, rows: Rows, only: np.ndarray) -> Sample:
    """Return some of the rows as the estimator takes them."""
    patterns, seeds = rows.patterns[only], rows.seeds[only]
    values = table.values(metric, data_facts(NAME).num_classes)
    has_skip = table.patterns[patterns]
    codes = np.where(has_skip, CODES.index(Kind.IDENTITY), CODES.index(Kind.NONE))
    return Sample(
        places=PLACES,
        codes=codes,
        depths=np.full((len(patterns), 3), 2),
        value=values[patterns, seeds],
        cluster=np.unique(patterns, return_inverse=True)[1],
        diverged=np.zeros(len(patterns), dtype=bool),
        choices=tuple(BlockChoices(kinds=KINDS) for _ in PLACES),
    )


def ours(sample: Sample) -> Effects:
    """Estimate as the skip map does."""
    analysis = analyse(sample, KINDS, None)
    found = [analysis.answers.get(question) for question in _questions()]
    nan = float("nan")
    known = [answer if answer is not None and np.isfinite(answer.se) else None for answer in found]
    return Effects(
        estimate=np.array([nan if own is None else own.estimate for own in known]),
        half=np.array([nan if own is None else own.half_width for own in known]),
        half_sim=np.array([nan if own is None else own.half_width_sim for own in known]),
    )


def naive(sample: Sample) -> Effects:
    """Take differences of means, as if kinds had been drawn by lot, with Neyman's intervals."""
    found = [difference_in_means(sample, question) for question in _questions()]
    nan = float("nan")
    return Effects(
        estimate=np.array([nan if own is None else own["estimate"] for own in found]),
        half=np.array([nan if own is None else own["ci_high"] - own["estimate"] for own in found]),
        half_sim=np.full(len(found), nan),
    )


def importances(study: optuna.Study, evaluator: str) -> np.ndarray:
    """Return Optuna's importance of every group; they have no sign."""
    made = EVALUATORS[evaluator]
    # The forest is drawn at random.
    found = made(seed=0) if evaluator == "fANOVA" else made()
    values = optuna.importance.get_param_importances(study, evaluator=found)
    return np.array([values.get(name, 0.0) for name in NAMES])


def as_study(table: PatternTable, rows: Rows) -> optuna.Study:
    """Return rows of a design as a study, for Optuna's evaluators."""
    study = optuna.create_study(direction="minimize")
    for pattern, seed in zip(rows.patterns.tolist(), rows.seeds.tolist(), strict=True):
        study.add_trial(
            optuna.trial.create_trial(
                params=params_of(table, pattern),
                distributions=ranges(),
                value=float(table.log_loss[pattern, seed, -1]),
            )
        )
    return study


def _questions() -> list[Question]:
    return [
        Question("AMCE", Kind.IDENTITY.value, Kind.NONE.value, place.stage, index)
        for index, place in enumerate(PLACES)
    ]
