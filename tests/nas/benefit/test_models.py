from dataclasses import replace

import numpy as np
import pytest

from nas.benefit.estimates import answer
from nas.benefit.models import fit_models
from nas.benefit.questions import Question, block_questions, coarse_questions, kind_questions
from nas.space_kinds import BlockChoices
from search_spaces.spec import Kind

TWO = (Kind.NONE, Kind.IDENTITY)


def quiet(rng, codes):
    return 0.1 * rng.normal(size=len(codes))


def world_of(planted, gamma=0.0, blocks=6, num_kinds=2):
    tau = np.zeros((blocks, 3))
    tau[:, 1], tau[:, 2] = 0.3, 0.2
    return planted.world(tau, gamma=gamma, num_kinds=num_kinds)


def test_strong_interactions_are_found_and_kept_in_the_model(planted):
    world = world_of(planted, gamma=-0.4)
    models = fit_models(world.draw(np.random.default_rng(0), 60, quiet))
    assert models.pair_test is not None
    assert models.pair_test.p < 0.01
    assert (models.pair_test.num_pairs, models.pair_test.df) == (5, 5)
    assert models.block_design.with_pairs


def test_the_joint_test_of_pairs_keeps_its_level_under_unequal_noise(planted):
    def unequal(rng, codes):
        return quiet(rng, codes) * np.where(codes[:, 0] == 0, 3, 1)

    rng = np.random.default_rng(1)
    found = [fit_models(world_of(planted).draw(rng, 60, unequal)).pair_test for _ in range(120)]
    assert np.mean([test.p < 0.05 for test in found if test]) <= 0.1


def test_pairs_are_not_tested_with_fewer_than_two_rows_per_column(planted):
    models = fit_models(world_of(planted).draw(np.random.default_rng(0), 23, quiet))
    assert models.pair_test is None


@pytest.mark.parametrize(
    ("rows", "estimators"),
    [
        (4, set()),
        (6, {"ols_network_shares"}),
        (7, {"ols_network_shares"}),
        (8, {"ols_stage_shares"}),
        (11, {"ols_stage_shares"}),
        (17, {"ols_stage_shares", "ols_blocks"}),
        (23, {"ols_blocks"}),
    ],
)
def test_models_become_finer_as_rows_come_in(planted, rows, estimators):
    sample = world_of(planted).draw(np.random.default_rng(3), rows, quiet)
    questions = coarse_questions(sample, TWO) + block_questions(sample, TWO)
    found = answer(fit_models(sample), questions, draws=50)
    assert {estimate.estimator for estimate in found.values()} == estimators


def test_a_stage_is_the_mean_of_its_blocks_and_the_network_that_of_its_stages(planted):
    sample = world_of(planted).draw(np.random.default_rng(3), 60, quiet)
    questions = coarse_questions(sample, TWO) + block_questions(sample, TWO)
    found = answer(fit_models(sample), questions, draws=50)
    blocks = [found[q].estimate for q in questions if q.level == "block"]
    stages = [found[q].estimate for q in questions if q.level == "stage" and q.kind == "identity"]
    assert stages == pytest.approx([np.mean(blocks[:3]), np.mean(blocks[3:])])
    [network] = [found[q].estimate for q in questions if q.level == "network" and q.kind == "skip"]
    assert network == pytest.approx(np.mean(stages))


def test_any_skip_is_the_mean_of_identity_and_projection(planted):
    sample = world_of(planted, num_kinds=3).draw(np.random.default_rng(3), 90, quiet)
    questions = coarse_questions(sample, list(Kind))
    found = answer(fit_models(sample), questions, draws=50)
    identity, projection, skip = (
        found[Question("AMCE_STAGE", kind, "none", 1)].estimate
        for kind in ("identity", "projection", "skip")
    )
    assert skip == pytest.approx((identity + projection) / 2)


def test_kinds_are_compared_only_where_both_belong_to_the_space(planted):
    sample = world_of(planted).draw(np.random.default_rng(3), 30, quiet)
    assert kind_questions(sample, TWO) == []
    assert len(kind_questions(sample, list(Kind))) == 1 + 2 + 6


def test_a_kind_that_is_illegal_at_one_block_leaves_only_that_answer_out(planted):
    world = world_of(planted, num_kinds=3)
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 3, (90, 6))
    codes[:, 2] = np.minimum(codes[:, 2], 1)
    sample = world.sample(codes, world.mean(codes) + quiet(rng, codes))
    questions = block_questions(sample, list(Kind))
    found = answer(fit_models(sample), questions, draws=50)
    missing = [q for q in questions if q not in found]
    assert [(q.position, q.kind) for q in missing] == [(2, "projection")]
    assert all(
        abs(a.estimate - world.tau[q.position, 1 if q.kind == "identity" else 2]) < 0.15
        for q, a in found.items()
    )


@pytest.mark.parametrize("rows", [30, 90])
def test_a_mean_over_blocks_of_which_one_lacks_a_kind_it_may_have_is_not_answered(planted, rows):
    world = world_of(planted, num_kinds=3)
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 3, (rows, 6))
    codes[:, 4] = np.minimum(codes[:, 4], 1)
    sample = world.sample(codes, world.mean(codes) + quiet(rng, codes))
    declared = replace(sample, choices=(BlockChoices(kinds=tuple(Kind)),) * 6)
    questions = coarse_questions(sample, list(Kind)) + kind_questions(sample, list(Kind))
    asked = [q for q in questions if q.position is None]
    found = answer(fit_models(declared), asked, draws=50)
    assert {(q.estimand, q.kind, q.stage) for q in found} == {
        ("AMCE_ALL", "identity", None),
        ("AMCE_STAGE", "identity", 1),
        ("AMCE_STAGE", "projection", 1),
        ("AMCE_STAGE", "skip", 1),
        ("AMCE_STAGE", "identity", 2),
        ("KIND", "projection", 1),
    }
    # Where the block cannot have the kind, it is no part of the question.
    few = BlockChoices(kinds=(Kind.NONE, Kind.IDENTITY))
    apart = replace(
        declared, choices=tuple(few if i == 4 else declared.choices[i] for i in range(6))
    )
    assert set(answer(fit_models(apart), asked, draws=50)) == set(asked)


def test_what_few_rows_lack_by_chance_is_no_reason_for_shares_to_be_silent(planted):
    world = world_of(planted, num_kinds=3)
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 3, (20, 6))
    codes[:, 4] = np.minimum(codes[:, 4], 1)
    sample = world.sample(codes, world.mean(codes) + quiet(rng, codes))
    sample = replace(sample, choices=(BlockChoices(kinds=tuple(Kind)),) * 6)
    [question] = [q for q in coarse_questions(sample, list(Kind)) if q.kind == "skip"][:1]
    assert question in answer(fit_models(sample), [question], draws=50)


def test_under_constraints_nothing_is_read_off_shares(planted):
    tau = np.zeros((6, 3))
    tau[:, 1] = [0.9, 0.6, 0.3, 0.0, 0.0, 0.0]
    world, rng = planted.world(tau), np.random.default_rng(3)
    codes = (rng.random((4000, 6)) < [0.5, 0.5, 0.5, 0.05, 0.05, 0.05]).astype(int)
    codes = codes[codes.sum(axis=1) <= 3]
    few, many = (
        replace(world.sample(codes[:n], world.mean(codes[:n])), is_conditional=True)
        for n in (11, len(codes))
    )
    questions = coarse_questions(few, TWO)
    assert answer(fit_models(few), questions, draws=20) == {}
    everything = answer(fit_models(replace(few, is_conditional=False)), questions, draws=20)
    assert {one.estimator for one in everything.values()} == {"ols_stage_shares"}
    found = answer(fit_models(many), questions, draws=20)
    assert found[questions[0]].estimate == pytest.approx(0.3)
    assert found[questions[0]].estimator.startswith("ols_blocks")


@pytest.mark.parametrize(("gamma", "low", "high"), [(0.0, 0.01, 1.0), (0.12, 0.0, 1e-4)])
def test_many_networks_tell_interactions_without_a_bootstrap(planted, gamma, low, high):
    world = planted.world(np.zeros((6, 3)), gamma=gamma)
    rng = np.random.default_rng(0)
    sample = world.draw(rng, 1200, lambda rng, codes: 0.3 * rng.normal(size=len(codes)))
    test = fit_models(sample).pair_test
    assert low <= test.p <= high
    assert (test.num_pairs, test.df) == (5, 5)
    few = fit_models(sample.where(np.arange(1200) < 990)).pair_test
    assert low <= few.p
