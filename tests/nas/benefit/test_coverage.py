"""Planted truth: bias, coverage and error rates of the estimator."""

import numpy as np
import pytest

from nas.benefit.effects import analyse
from nas.benefit.estimates import answer
from nas.benefit.models import fit_models
from nas.benefit.questions import block_questions, coarse_questions
from search_spaces.spec import Kind

TWO = (Kind.NONE, Kind.IDENTITY)


def normal(rng, codes):
    return 0.35 * rng.normal(size=len(codes))


def wilder_without_first_skip(rng, codes):
    return normal(rng, codes) * np.where(codes[:, 0] == 0, 3, 1)


def heavy_tailed(rng, codes):
    return 0.2 * rng.standard_t(3, size=len(codes))


def two_kinds(planted, gamma=0.0, scale=1.0):
    tau = np.zeros((8, 3))
    tau[:, 1] = scale * np.linspace(0.4, -0.1, 8)
    return planted.world(tau, gamma=gamma)


def replay(world, kinds, runs, rows, noise, seed=0, **options):
    """Return the errors, and whether each pointwise and simultaneous interval held."""
    rng = np.random.default_rng(seed)
    errors, pointwise, bands = [], [], []
    truth = None
    for _ in range(runs):
        sample = world.draw(rng, rows, noise, **options)
        questions = block_questions(sample, kinds) + coarse_questions(sample, kinds)
        truth = truth or {question: world.truth(question) for question in questions}
        answers = answer(fit_models(sample), questions, draws=400)
        error = {q: a.estimate - truth[q] for q, a in answers.items()}
        errors.append([error[q] for q in answers])
        pointwise.append([abs(error[q]) <= a.half_width for q, a in answers.items()])
        held = {}
        for question, found in answers.items():
            inside = abs(error[question]) <= found.half_width_sim
            held[question.level] = held.get(question.level, True) and inside
        bands.append([held[level] for level in ("network", "stage", "block")])
    return np.array(errors), np.array(pointwise), np.array(bands)


@pytest.mark.parametrize("gamma", [0.0, -0.4])
def test_estimates_are_unbiased_with_and_without_interactions(planted, gamma):
    errors, _, _ = replay(two_kinds(planted, gamma), TWO, 150, 96, normal)
    standard = errors.std(axis=0, ddof=1) / np.sqrt(len(errors))
    # Twelve estimates: the largest of as many unbiased ones passes 3 in 3% of such tests.
    assert np.abs(errors.mean(axis=0) / standard).max() < 3


NOISES = pytest.mark.parametrize(
    ("noise", "options"),
    [
        (normal, {}),
        (wilder_without_first_skip, {}),
        (heavy_tailed, {}),
        (normal, {"repeats": 2, "spread": 0.3}),
    ],
)


@NOISES
def test_intervals_hold_as_often_as_they_say(planted, noise, options):
    _, pointwise, bands = replay(two_kinds(planted, -0.2), TWO, 240, 96, noise, **options)
    assert pointwise.mean() >= 0.93
    # Nominal minus two Monte-Carlo standard errors of 240 studies.
    assert bands.mean(axis=0).min() >= 0.92


@pytest.mark.slow
@NOISES
def test_intervals_hold_as_often_as_they_say_in_many_studies(planted, noise, options):
    _, pointwise, bands = replay(two_kinds(planted, -0.2), TWO, 1500, 96, noise, 9, **options)
    assert pointwise.mean(axis=0).min() >= 0.93
    assert bands.mean(axis=0).min() >= 0.93


def test_intervals_hold_for_three_kinds_and_many_columns(planted):
    tau = np.zeros((12, 3))
    tau[:, 1], tau[:, 2] = np.linspace(0.4, 0.1, 12), np.linspace(0.1, 0.3, 12)
    world = planted.world(tau, stages=3, num_kinds=3)
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(200):
        sample = world.draw(rng, 72, normal)
        found = answer(fit_models(sample), block_questions(sample, list(Kind)), draws=300)
        assert len(found) == 24
        inside.append(
            all(
                abs(a.estimate - tau[q.position, 1 if q.kind == "identity" else 2])
                <= a.half_width_sim
                for q, a in found.items()
            )
        )
    assert np.mean(inside) >= 0.93


def test_few_rows_still_give_honest_intervals_for_the_network(planted):
    tau = np.zeros((15, 3))
    tau[:, 1], tau[:, 2] = np.linspace(0.4, 0.1, 15), np.linspace(0.1, 0.3, 15)
    world = planted.world(tau, stages=3, num_kinds=3)
    rng = np.random.default_rng(2)
    inside = []
    for _ in range(250):
        sample = world.draw(rng, 12, normal)
        questions = coarse_questions(sample, list(Kind))
        found = answer(fit_models(sample), questions, draws=300)
        [skip] = [q for q in questions if q.stage is None and q.kind == "skip"]
        truth = tau[:, 1:].mean()
        inside.append(abs(found[skip].estimate - truth) <= found[skip].half_width_sim)
        assert all(q.position is None for q in found)
    assert np.mean(inside) >= 0.93


@pytest.mark.slow
def test_without_effects_a_study_seldom_claims_one(planted):
    world = planted.world(np.zeros((8, 3)))
    rng = np.random.default_rng(4)
    claims = 0
    for _ in range(250):
        found = analyse(world.draw(rng, 96, normal), TWO, None, draws=400, live=True)
        claims += any(decision != "inconclusive" for decision in found.decisions.values())
    assert claims / 250 <= 0.07


@pytest.mark.slow
def test_an_effect_as_large_as_worth_having_is_seldom_called_negligible(planted):
    tau = np.zeros((8, 3))
    tau[:, 1] = 0.4
    world = planted.world(tau)
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(150):
        found = analyse(world.draw(rng, 96, normal), TWO, 0.4, draws=300, live=True)
        wrong += "negligible" in found.decisions.values()
    assert wrong / 150 <= 0.07


@pytest.mark.slow
def test_rows_that_a_greedy_sampler_chose_mislead_where_random_rows_do_not(planted):
    world = two_kinds(planted, scale=1.0)
    rng = np.random.default_rng(6)
    naive, primary = [], []
    for _ in range(150):
        sample = world.draw(rng, 48, normal)
        codes, values = list(sample.codes), list(sample.value)
        for _ in range(72):
            # Copy one of the five best and flip one block, as an evolutionary sampler does.
            parent = codes[rng.choice(np.argsort(values)[-5:])].copy()
            parent[rng.integers(8)] ^= 1
            codes.append(parent)
            values.append(float(world.mean(parent[None])[0] + 0.35 * rng.normal()))
        every, outcome = np.array(codes), np.array(values)
        found = answer(fit_models(sample), block_questions(sample, TWO), draws=100)
        for question, estimate in found.items():
            truth = world.tau[question.position, 1]
            on = every[:, question.position] == 1
            difference = outcome[on].mean() - outcome[~on].mean()
            error = np.sqrt(
                outcome[on].var(ddof=1) / on.sum() + outcome[~on].var(ddof=1) / (~on).sum()
            )
            naive.append(abs(difference - truth) <= 1.99 * error)
            primary.append(abs(estimate.estimate - truth) <= estimate.half_width)
    assert np.mean(naive) < 0.85
    assert np.mean(primary) >= 0.93


@pytest.mark.slow
def test_dropping_diverged_rows_biases_and_scoring_them_at_chance_does_not(planted):
    tau = np.zeros((8, 3))
    tau[:, 1] = 0.3
    world = planted.world(tau)
    rng = np.random.default_rng(8)
    scored, dropped, truth = [], [], []
    chance = -1.0
    for _ in range(200):
        sample = world.draw(rng, 96, normal)
        failed = rng.random(96) < np.where(sample.codes[:, 0] == 0, 0.4, 0.05)
        value = np.where(failed, chance, sample.value)
        question = block_questions(sample, TWO)[0]
        kept = ~failed
        both = (
            world.sample(sample.codes, value),
            world.sample(sample.codes[kept], sample.value[kept]),
        )
        for found, one in zip((scored, dropped), both, strict=True):
            found.append(answer(fit_models(one), [question], draws=50)[question].estimate)
    # E[y | skip] - E[y | none] with the other seven at 0.15 each.
    others = 7 * 0.15
    truth = (0.95 * (0.3 + others) + 0.05 * chance) - (0.6 * others + 0.4 * chance)
    error = np.std(scored, ddof=1) / np.sqrt(200)
    assert abs(np.mean(scored) - truth) < 3 * error
    assert abs(np.mean(dropped) - truth) > 2 * np.std(dropped, ddof=1)
