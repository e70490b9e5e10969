"""The mirrored design under the estimator: interactions of two blocks cost it nothing."""

from itertools import chain, islice

import numpy as np
import pytest

from nas.benefit.estimates import answer
from nas.benefit.models import fit_models
from nas.benefit.questions import block_questions, coarse_questions
from nas.design import design_rows
from nas.design_mirrored import fold_overs
from search_spaces.spec import Kind

TWO = (Kind.NONE, Kind.IDENTITY)


def codes_of(world, design, rows, seed):
    stream = (
        chain.from_iterable(fold_overs(world.places, TWO, seed))
        if design == "mirrored"
        else design_rows(world.places, TWO, seed)
    )
    return np.array([[TWO.index(kind) for kind in row.values()] for row in islice(stream, rows)])


def replay(world, design, rows, runs):
    """Return the errors of the blocks, and whether each interval and each level's band held."""
    rng = np.random.default_rng(0)
    errors, pointwise, bands = [], [], []
    truth = {}
    for run in range(runs):
        codes = codes_of(world, design, rows, run)
        sample = world.sample(codes, world.mean(codes) + 0.35 * rng.normal(size=rows))
        questions = block_questions(sample, TWO) + coarse_questions(sample, TWO)
        found = answer(fit_models(sample), questions, draws=300)
        truth = truth or {question: world.truth(question) for question in questions}
        error = {q: a.estimate - truth[q] for q, a in found.items()}
        errors.append([e for q, e in error.items() if q.level == "block"])
        pointwise.append([abs(error[q]) <= a.half_width for q, a in found.items()])
        held = {}
        for question, own in found.items():
            inside = abs(error[question]) <= own.half_width_sim
            held[question.level] = held.get(question.level, True) and inside
        bands.append([held[level] for level in ("network", "stage", "block")])
    return np.array(errors), np.array(pointwise), np.array(bands)


def substitutes(planted, places=8, gamma=-0.5):
    """Neighbours stand in for each other."""
    tau = np.zeros((places, 3))
    tau[:, 1] = np.linspace(0.5, 0.1, places)
    return planted.world(tau, gamma=gamma)


@pytest.mark.parametrize("rows", [32, 64])
@pytest.mark.slow
def test_intervals_of_a_mirrored_design_hold_and_its_estimates_are_unbiased(planted, rows):
    errors, pointwise, bands = replay(substitutes(planted), "mirrored", rows, 100)
    assert pointwise.mean() >= 0.95
    # Nominal minus two Monte-Carlo standard errors of 100 studies.
    assert bands.mean(axis=0).min() >= 0.91
    standard = errors.std(axis=0, ddof=1) / np.sqrt(len(errors))
    assert np.abs(errors.mean(axis=0) / standard).max() < 3.5


def test_one_fold_over_is_nearer_to_the_truth_than_as_many_random_rows(planted):
    world = substitutes(planted, 16)
    # Half of a neighbour's interaction is there on average, of two in the middle.
    num_pairs = np.array([1, *[2] * 14, 1])
    truth = world.tau[:, 1] + 0.5 * world.gamma * num_pairs

    def error(design, runs):
        found = []
        for run in range(runs):
            codes = codes_of(world, design, 64, run)
            matrix = np.column_stack([np.ones(64), codes])
            fit = np.linalg.lstsq(matrix, world.mean(codes), rcond=None)[0]
            found.append(fit[1:] - truth)
        return np.sqrt(np.mean(np.square(found)))

    # Without noise, what is left is what interactions add: nothing in a mirrored design.
    assert error("mirrored", 6) < 1e-9
    assert error("random", 6) > 0.05
