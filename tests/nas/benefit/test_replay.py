from dataclasses import replace

import numpy as np
import pytest

from nas.benefit.context import study_metric
from nas.benefit.effects import BENEFIT, HARM, Analysis, analyse
from nas.benefit.frame import make_frame
from nas.benefit.ols import Fit
from nas.benefit.plants import ONE_STAGE, Plants
from nas.benefit.replay import noise_of, replay
from nas.benefit.sample import Sample, make_sample
from tests.nas.benefit.conftest import CONTEXT, design_trials

SIZE = 0.06


def nothing(rows: int, seed: int = 0) -> Sample:
    """Design rows of 15 blocks where no skip does anything."""
    trials = design_trials(rows)
    frame = make_frame(trials, CONTEXT)
    sample = make_sample(frame.reference_rows, frame.places, study_metric(CONTEXT), frame.choices)
    return replace(sample, value=0.1 * np.random.default_rng(seed).normal(size=rows))


def asked(analysis: Analysis) -> list:
    return [q for q in analysis.questions if q.estimand.startswith("AMCE")]


@pytest.mark.parametrize("rows", [40, 96])
def test_shares_are_those_of_whole_reports_made_from_the_same_noise(rows: int) -> None:
    sample = nothing(rows)
    analysis = analyse(sample, CONTEXT.kinds or (), SIZE)
    plants = Plants(sample, asked(analysis))
    column = plants.columns(ONE_STAGE)[0]
    found = replay(analysis, asked(analysis), plants.matrix, 1000, 1)
    helps, decided = found.judge(column, SIZE)
    fit = analysis.models.blocks if rows > 60 else analysis.models.stages
    assert fit is not None
    noise, rng = noise_of(fit), np.random.default_rng(2)
    shares, alarms, repeats = [], 0, 100
    for _ in range(repeats):
        value = noise * rng.choice([-1.0, 1.0], rows) + SIZE * plants.matrix[:, column]
        whole = analyse(replace(sample, value=value), CONTEXT.kinds or (), SIZE, draws=300)
        shares.append([whole.decisions[q] == BENEFIT for q in asked(analysis)])
        idle = plants.is_idle(column)
        alarms += any(
            whole.decisions[q] in (BENEFIT, HARM)
            for q, own in zip(asked(analysis), idle, strict=True)
            if own
        )
    errors = np.sqrt(np.clip(helps.mean(axis=1), 0.02, 0.98) * 0.25 / repeats) * 2
    difference = np.abs(np.mean(shares, axis=0) - helps.mean(axis=1))
    # The blocks' own noise differs from that of the stages, where both models are in use.
    coarse = plants.levels != "block"
    assert (difference[coarse] < 3.5 * errors[coarse]).all()
    assert decided[plants.is_idle(column)].any(axis=0).mean() == pytest.approx(
        alarms / repeats, abs=0.08
    )


def test_noise_is_on_average_as_large_as_the_noise_that_was_there() -> None:
    sample = nothing(48)
    models = analyse(sample, CONTEXT.kinds or (), SIZE).models
    assert models.blocks is not None
    rng = np.random.default_rng(0)
    squares = []
    for repeats in (1, 2):
        cluster = np.arange(48) // repeats
        scale = np.where(np.arange(48) % 3 == 0, 0.3, 0.1)
        fits = [
            Fit(models.blocks.matrix, scale * rng.normal(size=48), cluster) for _ in range(400)
        ]
        squares.append(np.mean([noise_of(fit) ** 2 for fit in fits]) / np.mean(scale**2))
    assert squares == pytest.approx([1.0, 1.0], abs=0.06)


def test_a_row_that_is_fitted_exactly_has_no_noise() -> None:
    matrix = np.column_stack([np.ones(6), np.arange(6) == 0])
    fit = Fit(matrix, np.arange(6.0), np.arange(6))
    assert noise_of(fit)[0] == 0
    assert (noise_of(fit)[1:] != 0).sum() >= 4


def test_many_rows_share_the_errors_of_the_first_simulations() -> None:
    analysis = analyse(nothing(1200), CONTEXT.kinds or (), SIZE)
    questions = asked(analysis)
    plants = Plants(analysis.sample, questions)
    found = replay(analysis, questions, plants.matrix, 200, 1)
    assert (np.ptp(found.variances, axis=1) == 0).all()
    errors = [analysis.answers[question].se for question in questions]
    assert np.sqrt(found.variances[:, 0]) == pytest.approx(errors, rel=0.1)


def test_questions_without_an_answer_are_never_found() -> None:
    analysis = analyse(nothing(24), CONTEXT.kinds or (), SIZE)
    questions = asked(analysis)
    plants = Plants(analysis.sample, questions)
    helps, decided = replay(analysis, questions, plants.matrix, 50, 1).judge(0, 100.0)
    blocks = plants.levels == "block"
    assert not helps[blocks].any()
    assert not decided[blocks].any()
    assert helps[plants.levels == "network"].any()
