from dataclasses import replace

import numpy as np
import pytest

from nas.benefit import Settled, settled, skip_benefit
from nas.report import headline
from nas.space_kinds import BlockChoices
from nas.trials import State
from search_spaces.places import Kind

CHOICES = BlockChoices(kinds=tuple(Kind))


def test_the_count_is_the_maps(planted):
    trials, anchors = planted.design(100, sd=0.3), planted.anchors()
    found = settled(trials, planted.context, anchors)
    told = skip_benefit(trials, anchors, planted.context)["settled"]
    assert {name: told[name] for name in told if name not in ("next", "can_decide")} == {
        "num_settled": found.num_settled,
        "num_answers": 30,
        "trials_to_rest": found.trials_to_rest,
        "num_precise": found.num_precise,
    }
    assert 0 < found.num_settled < 30
    assert found.trials_to_rest > 0


@pytest.mark.parametrize("rows", [0, 1, 3, 24])
def test_before_blocks_have_estimates_nothing_is_settled_and_the_rest_unknown(planted, rows):
    assert settled(planted.design(rows), planted.context) == Settled(0, 30, None)


def test_rows_that_all_diverged_settle_nothing(planted):
    rows = [
        replace(row, state=State.FAILED, reason="diverged", value=None, metrics={})
        for row in planted.design(60)
    ]
    found = settled(rows, replace(planted.context, sesoi=0.5))
    assert found == Settled(0, 30, None, num_precise=0)


def test_with_little_noise_all_is_settled_and_nothing_is_left_to_do(planted):
    found = settled(planted.design(100, sd=0.01), planted.context)
    assert found == Settled(30, 30, 0)


def test_a_significant_answer_that_is_not_precise_is_settled_but_no_reason_to_stop(planted):
    trials, narrow = planted.design(100, sd=0.3), replace(planted.context, sesoi=0.001)
    found = settled(trials, narrow)
    assert found.num_settled > 0
    assert found.num_precise == 0


def test_without_a_smallest_effect_nothing_is_precise(planted):
    found = settled(planted.design(100, sd=0.01), replace(planted.context, sesoi=None))
    assert found.num_precise == 0


def test_a_precise_answer_needs_no_significance(planted):
    rng = np.random.default_rng(0)
    flat = [replace(t, value=float(rng.normal())) for t in planted.design(100)]
    assert settled(flat, replace(planted.context, sesoi=3.0)).num_precise == 30


def test_an_answer_is_settled_when_its_interval_is_narrow_enough(planted):
    rng = np.random.default_rng(0)
    trials = [replace(t, value=float(rng.normal())) for t in planted.design(100)]
    assert settled(trials, planted.context).num_settled == 0
    wide = replace(planted.context, sesoi=3.0)
    assert settled(trials, wide).num_settled == 30


def test_the_estimate_of_what_is_left_is_of_the_right_size(planted):
    context = replace(planted.context, sesoi=0.2)
    rng = np.random.default_rng(0)
    flat = [replace(t, value=float(0.35 * rng.normal())) for t in planted.design(400)]
    asked = settled(flat[:100], context).trials_to_rest
    needed = next(n for n in range(110, 400, 10) if settled(flat[:n], context).num_settled == 30)
    assert 0.6 < (100 + asked) / needed < 1.6


def test_rows_in_any_order_count_alike(planted):
    trials = planted.design(60)
    assert settled(trials[::-1], planted.context) == settled(trials, planted.context)


def test_a_kind_that_constraints_keep_from_a_block_is_no_answer(planted):
    rows = []
    for row in planted.design(60):
        first = {next(iter(row.spec.places())): Kind.NONE}
        rows.append(replace(row, spec=row.spec.with_kinds(first)))
    assert settled(rows, planted.context).num_answers == 30 - 2
    declared = replace(planted.context, choices=dict.fromkeys(planted.plain.places(), CHOICES))
    assert settled(rows, declared).num_answers == 30
    rows[0] = replace(rows[0], rows_left_out=1)
    assert settled(rows, declared).num_answers == 30 - 2
    assert settled(rows[:20], declared).num_answers == 30


class TestWithoutNone:
    """A space whose blocks all have a skip: identity or projection."""

    KINDS = (Kind.IDENTITY, Kind.PROJECTION)

    def context(self, planted):
        choices = dict.fromkeys(planted.plain.places(), BlockChoices(kinds=self.KINDS))
        return replace(planted.context, kinds=self.KINDS, choices=choices)

    def rows(self, planted, number=100, sd=0.01):
        rng = np.random.default_rng(1)
        rows = []
        for row in planted.design(number):
            kinds = {p: self.KINDS[rng.integers(2)] for p in row.spec.places()}
            spec = row.spec.with_kinds(kinds)
            share = list(kinds.values()).count(Kind.PROJECTION)
            loss = float(2 + 0.1 * share + sd * rng.normal())
            metrics = {"val_log_loss": loss}
            rows.append(replace(row, spec=spec, spec_id=spec.spec_id, value=loss, metrics=metrics))
        return rows

    def test_the_answers_are_projection_against_identity_and_can_be_precise(self, planted):
        rows, context = self.rows(planted), replace(self.context(planted), sesoi=0.05)
        assert settled(rows, context) == Settled(15, 15, 0, num_precise=15)
        told = skip_benefit(rows, [], context)
        assert (told["settled"]["num_settled"], told["settled"]["num_precise"]) == (15, 15)
        assert told["settled"]["next"] is None
        assert {row["estimand"] for row in told["effects"]} == {"KIND"}

    def test_nobody_is_told_to_train_rows_for_a_comparison_that_there_is_not(self, planted):
        told = skip_benefit(self.rows(planted), [], replace(self.context(planted), sesoi=0.05))
        assert not {"W_UNDERPOWERED", "W_ALIASED"} & set(told["warnings"])

    def test_the_headline_compares_the_kinds(self, planted):
        told = skip_benefit(self.rows(planted), planted.anchors(), self.context(planted))
        sentence = headline(told)
        assert sentence.startswith(
            "Identity skips are better than projection skips at 32 layers: a projection in place "
            "of an identity raises validation log-loss by 0.10"
        )
        assert "with an identity skip around every block" in sentence

    def test_a_block_with_none_is_not_asked_for_kinds_too(self, planted):
        choices = dict.fromkeys(planted.plain.places(), CHOICES)
        first = next(iter(choices))
        choices[first] = BlockChoices(kinds=self.KINDS)
        context = replace(planted.context, choices=choices)
        assert settled(planted.design(20), context).num_answers == 14 * 2 + 1
