"""Spans nested in the blocks: recovery, bias, coverage and error rates under planted truth."""

from dataclasses import replace

import numpy as np
import pytest

from nas.benefit.coding import BlockDesign, ShareDesign, network_weights, stage_weights
from nas.benefit.effects import analyse
from nas.benefit.estimates import answer
from nas.benefit.models import fit_models
from nas.benefit.neyman import difference_in_means
from nas.benefit.questions import Question, block_questions, coarse_questions, span_questions
from nas.benefit.sample import KINDS, Sample
from nas.benefit.settling import count_settled
from nas.benefit.spans import (
    SpanShares,
    longer_spans,
    mean_over_blocks,
    span_weights,
    spans_asked,
)
from search_spaces.spec import Place
from tests.nas.benefit.span_worlds import PLACES, SpanWorld


def sample_of(world: SpanWorld, rows: int, seed: int = 0, sd: float = 0.35) -> Sample:
    return world.draw(np.random.default_rng(seed), rows, sd)


def applied(contrast: np.ndarray | None, beta: np.ndarray) -> float:
    assert contrast is not None
    return float(contrast @ beta)


def classic(sample: Sample) -> Sample:
    """The same rows where every skip has span 1."""
    return replace(sample, spans=(sample.codes > 0).astype(int), choices=None)


def replay(world: SpanWorld, runs: int, rows: int, seed: int = 0):
    """Return error, cover and significance of every question in every run, by question."""
    rng = np.random.default_rng(seed)
    errors: dict[Question, list[float]] = {}
    covered: dict[str, list[bool]] = {}
    found_any: dict[str, list[bool]] = {}
    bands: dict[tuple[str, str], list[bool]] = {}
    for _ in range(runs):
        sample = world.draw(rng, rows)
        asked = span_questions(sample) + coarse_questions(sample, KINDS)
        held: dict[tuple[str, str], bool] = {}
        for question, one in answer(fit_models(sample), asked, draws=300).items():
            error = one.estimate - world.truth(question)
            errors.setdefault(question, []).append(error)
            covered.setdefault(question.estimand, []).append(abs(error) <= one.half_width)
            found_any.setdefault(question.estimand, []).append(abs(one.estimate) > one.half_width)
            inside = abs(error) <= one.half_width_sim
            held[question.family] = held.get(question.family, True) and inside
        for family, inside in held.items():
            bands.setdefault(family, []).append(inside)
    return errors, covered, found_any, bands


WORLDS = [
    SpanWorld(),
    SpanWorld(interaction=1.0),
    SpanWorld(interaction=1.0, unequal_kinds=True),
]


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("rows", [40, 140])
def test_spans_are_estimated_without_bias_and_intervals_hold(world: SpanWorld, rows: int) -> None:
    errors, covered, _, bands = replay(world, 160, rows, seed=rows)
    estimands = {"SPAN_ALL", "AMCE_ALL", "AMCE_STAGE"} | ({"SPAN"} if rows > 100 else set())
    assert set(covered) == estimands
    for question, own in errors.items():
        standard = np.std(own, ddof=1) / np.sqrt(len(own))
        # Up to 23 estimates: the largest of as many unbiased ones passes 3.5 in 1% of such tests.
        assert abs(np.mean(own)) < 3.5 * standard, question
    spans = [inside for name in covered if name.startswith("SPAN") for inside in covered[name]]
    assert 0.92 <= np.mean(spans) <= 0.985
    assert np.mean(bands["SPAN", "network"]) >= 0.92
    assert np.mean(covered["AMCE_ALL"]) >= 0.93


def test_spans_that_do_nothing_are_found_as_seldom_as_promised() -> None:
    _, covered, found, bands = replay(SpanWorld(scale=0.0), 250, 60, seed=3)
    # 250 studies of two spans each: nominal 0.05 and two Monte-Carlo errors of 0.014.
    assert np.mean(found["SPAN_ALL"]) <= 0.078
    assert 0.92 <= np.mean(covered["SPAN_ALL"]) <= 0.985
    assert 1 - np.mean(bands["SPAN", "network"]) <= 0.078


@pytest.mark.parametrize("world", WORLDS)
def test_many_rows_recover_the_planted_effects(world: SpanWorld) -> None:
    sample = sample_of(world, 4000, sd=0.0)
    questions = span_questions(sample) + coarse_questions(sample, KINDS)
    questions += block_questions(sample, KINDS)
    found = answer(fit_models(sample), questions, draws=20)
    possible = [q for q in questions if not np.isnan(world.truth(q))]
    assert {q.span for q in questions} == {None, 2, 3}
    assert set(found) == set(possible)
    for question in possible:
        assert found[question].estimate == pytest.approx(world.truth(question), abs=0.05)


@pytest.mark.parametrize("world", WORLDS)
def test_shares_of_spans_mean_the_average_of_the_blocks(world: SpanWorld) -> None:
    # Effects differ between blocks with two and with three spans: one column for all would not.
    sample = sample_of(world, 20_000, sd=0.0)
    stages = ShareDesign(BlockDesign(sample), stage_weights([place.stage for place in PLACES]))
    design = SpanShares(sample, stages.matrix)
    beta = np.linalg.lstsq(design.matrix, sample.value, rcond=None)[0]
    for question in span_questions(sample, blocks=False):
        assert question.span is not None
        contrast = design.contrast(question.span)
        assert applied(contrast, beta) == pytest.approx(world.truth(question), abs=0.03)


def test_additive_effects_are_recovered_exactly_by_the_block_model() -> None:
    world = SpanWorld()
    sample = sample_of(world, 300, sd=0.0)
    design = BlockDesign(sample, with_spans=True)
    beta = np.linalg.lstsq(design.matrix, sample.value, rcond=None)[0]
    for question in span_questions(sample):
        if question.position is not None and question.span is not None:
            contrast = design.span_contrast(question.position, question.span, 1)
            assert applied(contrast, beta) == pytest.approx(world.truth(question))
    # Kinds are averages over the spans, each as likely.
    for question in block_questions(sample, KINDS):
        code = 1 + (question.kind == "projection")
        assert question.position is not None
        contrast = design.contrast(question.position, code, 0)
        assert applied(contrast, beta) == pytest.approx(world.truth(question))


def test_columns_of_spans_are_zero_where_no_skip_ends_and_sum_to_zero() -> None:
    sample = sample_of(SpanWorld(), 200)
    design = BlockDesign(sample, with_spans=True)
    assert design.span_levels == ((), (1, 2), (1, 2, 3)) * 3
    third = design.span_groups[2]
    assert third.shape == (200, 2)
    assert not third[sample.codes[:, 2] == 0].any()
    spans = sample.spans_at(2)
    codes = [third[spans == span][0] for span in (1, 2, 3)]
    assert np.sum(codes, axis=0).tolist() == [0, 0]
    assert design.matrix.shape[1] == BlockDesign(sample).matrix.shape[1] + 9
    assert design.span_contrast(0, 2, 1) is None
    assert BlockDesign(sample).span_contrast(2, 2, 1) is None


def test_pairs_stay_where_they_belong_behind_the_spans() -> None:
    sample = sample_of(SpanWorld(), 400)
    with_pairs = BlockDesign(sample, with_pairs=True, with_spans=True)
    alone = BlockDesign(sample, with_pairs=True)
    spanned = with_pairs.contrast_given(1, 1, 0, neighbours_on=True)
    plain = alone.contrast_given(1, 1, 0, neighbours_on=True)
    assert spanned is not None
    assert plain is not None
    width = sum(group.shape[1] for group in with_pairs.span_groups)
    start = 1 + 18
    assert spanned[:start].tolist() == plain[:start].tolist()
    assert not spanned[start : start + width].any()
    assert spanned[start + width :].tolist() == plain[start:].tolist()


def test_the_block_model_holds_spans_once_there_are_two_networks_per_column() -> None:
    # 1 + 9 * 2 columns of kinds, 9 of spans.
    few, many = fit_models(sample_of(SpanWorld(), 55)), fit_models(sample_of(SpanWorld(), 56))
    assert (few.block_design.with_spans, many.block_design.with_spans) == (False, True)
    question = Question("SPAN", "skip", "skip", 1, 2, 2, 1)
    assert question not in answer(few, [question])
    assert answer(many, [question])[question].estimator == "ols_blocks_spans"


@pytest.mark.parametrize(
    ("rows", "name"), [(14, "ols_network_shares_spans"), (40, "ols_stage_shares_spans")]
)
def test_few_rows_have_fewer_columns_of_kinds(rows: int, name: str) -> None:
    sample = sample_of(SpanWorld(), rows)
    found = answer(fit_models(sample), span_questions(sample))
    assert {(q.estimand, estimate.estimator) for q, estimate in found.items()} == {
        ("SPAN_ALL", name)
    }
    assert len(found) == 2


def test_without_long_skips_nothing_is_asked_and_nothing_changes() -> None:
    sample = classic(sample_of(SpanWorld(), 120))
    alone = replace(sample, spans=None)
    assert spans_asked(sample) == ()
    assert span_questions(sample) == []
    ours, before = analyse(sample, KINDS, 0.1), analyse(alone, KINDS, 0.1)
    assert ours.questions == before.questions
    for question, estimate in before.answers.items():
        other = ours.answers[question]
        assert (other.estimate, other.half_width_sim, other.p_adj, other.estimator) == (
            estimate.estimate,
            estimate.half_width_sim,
            estimate.p_adj,
            estimate.estimator,
        )


def test_spans_enter_no_family_of_kinds() -> None:
    sample = sample_of(SpanWorld(scale=5.0), 200)
    both = analyse(sample, KINDS, 0.1)
    kinds = coarse_questions(sample, KINDS) + block_questions(sample, KINDS)
    alone = answer(both.models, kinds)
    for question in kinds:
        assert alone[question].half_width_sim == pytest.approx(
            both.answers[question].half_width_sim
        )
        assert alone[question].p_adj == both.answers[question].p_adj
    families = {question.family for question in span_questions(sample)}
    assert families == {("SPAN", "network"), ("SPAN", "block")}


def test_a_span_at_a_block_is_opened_by_the_same_span_over_all_blocks() -> None:
    world = SpanWorld(scale=0.0)
    world.effect[[2, 5, 8], 1:, 3] = 3.0
    found = analyse(sample_of(world, 200), KINDS, 0.1)
    [two, three] = [q for q in found.questions if q.estimand == "SPAN_ALL"]
    assert (found.decisions[two], found.decisions[three]) == ("inconclusive", "benefit")
    gates = {(q.span, found.gates[q]) for q in found.questions if q.estimand == "SPAN"}
    assert gates == {(2, False), (3, True)}
    decided = {found.decisions[q] for q in found.questions if (q.estimand, q.span) == ("SPAN", 3)}
    assert decided == {"benefit"}


def test_spans_over_all_blocks_are_answers_and_those_at_blocks_are_not() -> None:
    sample = sample_of(SpanWorld(), 120, sd=0.01)
    assert count_settled(analyse(sample, KINDS, 0.2)).num_answers == 18 + 2
    assert count_settled(analyse(sample, KINDS, 0.2, live=True)).num_answers == 18 + 2
    assert count_settled(analyse(classic(sample), KINDS, 0.2)).num_answers == 18


def test_kinds_that_a_block_cannot_have_are_no_answers() -> None:
    sample = sample_of(SpanWorld(unequal_kinds=True), 120, sd=0.01)
    found = count_settled(analyse(sample, KINDS, 0.2))
    assert found.num_answers == 18 - 3 + 2
    assert found.num_settled == found.num_answers


def test_shares_of_unequal_kinds_average_over_the_blocks_that_have_them() -> None:
    world = SpanWorld(scale=0.0, unequal_kinds=True)
    sample = sample_of(world, 8000, sd=0.0)
    stages = [place.stage for place in PLACES]
    shares = ShareDesign(BlockDesign(sample), (network_weights(stages),))
    assert [part.levels for part in shares.parts] == [(0, 1, 2), (0, 2)]
    beta = np.linalg.lstsq(shares.matrix, sample.value, rcond=None)[0]
    for name in ("identity", "projection", "skip"):
        question = Question("AMCE_ALL", name, "none")
        codes = {"identity": (1,), "projection": (2,), "skip": (1, 2)}[name]
        contrast = shares.mean_contrast(0, codes, 0)
        assert applied(contrast, beta) == pytest.approx(world.truth(question), abs=0.02)


def test_a_kind_without_choice_takes_no_share() -> None:
    choices = SpanWorld().choices
    sample = sample_of(SpanWorld(scale=0.0), 4000, sd=0.0)
    codes = sample.codes.copy()
    codes[:, 0] = 2
    blocks = np.arange(9)
    sample = replace(
        sample,
        codes=codes,
        value=SpanWorld().tau[blocks, codes].sum(axis=1),
        choices=(replace(choices[0], kinds=(KINDS[2],)), *choices[1:]),
    )
    shares = ShareDesign(BlockDesign(sample), stage_weights([place.stage for place in PLACES]))
    beta = np.linalg.lstsq(shares.matrix, sample.value, rcond=None)[0]
    expected = SpanWorld().tau[[1, 2], 1].mean()
    assert applied(shares.contrast(0, 1, 0), beta) == pytest.approx(expected, abs=0.02)


def test_blocks_without_the_classic_span_are_compared_with_nothing() -> None:
    world = SpanWorld()
    choices = tuple(
        replace(own, spans=own.spans[1:]) if len(own.spans) == 3 else own for own in world.choices
    )
    sample = replace(sample_of(world, 100), choices=choices)
    assert [longer_spans(sample, index) for index in range(3)] == [(), (2,), ()]
    assert spans_asked(sample) == (2,)
    assert span_weights(sample, 2) == pytest.approx([0, 1 / 3, 0] * 3)
    assert span_weights(sample, 3) == (0.0,) * 9


def test_the_difference_in_means_of_spans_agrees_within_its_error() -> None:
    world = SpanWorld()
    sample = sample_of(world, 600)
    for question in span_questions(sample):
        check = difference_in_means(sample, question)
        assert check is not None
        assert abs(check["estimate"] - world.truth(question)) < 4 * check["se"]
    assert difference_in_means(sample, Question("SPAN", "skip", "skip", 1, 0, 2, 1)) is None


def test_a_block_that_some_rows_lack_has_no_span_there() -> None:
    sample = sample_of(SpanWorld(), 60)
    codes, spans = sample.codes.copy(), np.array(sample.spans)
    codes[:20, 2], spans[:20, 2] = -1, 0
    short = replace(sample, codes=codes, spans=spans)
    design = BlockDesign(short, with_spans=True)
    assert not design.span_groups[2][:20].any()
    assert Place(1, 3) == short.places[2]


@pytest.mark.parametrize("rows", [40, 140])
def test_a_span_that_a_block_lacks_leaves_its_mean_over_blocks_open(rows: int) -> None:
    sample = sample_of(SpanWorld(), rows)
    assert sample.spans is not None
    spans = sample.spans.copy()
    spans[:, 5] = np.minimum(spans[:, 5], 2)
    found = answer(fit_models(replace(sample, spans=spans)), span_questions(sample))
    assert [q.span for q in found if q.estimand == "SPAN_ALL"] == [2]
    assert len(answer(fit_models(sample), span_questions(sample, blocks=False))) == 2


def test_a_mean_of_contrasts_is_that_of_all_or_none() -> None:
    one, two = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    both = mean_over_blocks([one, two, None], [1.0, 3.0, 0.0])
    assert both is not None
    assert both.tolist() == [0.25, 0.75]
    assert mean_over_blocks([one, None], [1.0, 3.0]) is None
    assert mean_over_blocks([], []) is None
