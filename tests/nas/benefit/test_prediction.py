import json
from dataclasses import replace

import numpy as np
import pytest

from nas.benefit import skip_benefit
from nas.benefit.coding import BlockDesign
from nas.benefit.effects import analyse
from nas.benefit.ols import Fit
from nas.benefit.places import block_facts
from nas.benefit.prediction import prediction
from search_spaces.complexity import complexity
from search_spaces.spec import Kind
from tests.nas.benefit.span_worlds import SpanWorld
from tests.nas.predicting import predicted

THREE = tuple(Kind)


def quiet(rng, codes):
    return 0.1 * rng.normal(size=len(codes))


def model_of(planted, sample):
    facts = block_facts(sample.places, planted.context)
    return prediction(analyse(sample, THREE, None, draws=50), facts)


def world_of(planted, blocks=6, gamma=0.0):
    tau = np.zeros((blocks, 3))
    tau[:, 1], tau[:, 2] = np.linspace(0.5, 0.0, blocks), 0.2
    return planted.world(tau, gamma=gamma, num_kinds=3)


@pytest.fixture(scope="module")
def benefit(planted):
    return skip_benefit(planted.design(100), planted.anchors(), planted.context)


def test_a_change_at_one_block_is_predicted_as_the_effect_of_that_block(benefit):
    model, plain = benefit["prediction"], ["none"] * 15
    rows = [row for row in benefit["effects"] if row["estimand"] == "AMCE"]
    assert len(rows) == 30
    for row in rows:
        index = row["position"] - 1
        estimate, half = predicted(
            model, plain, [*plain[:index], row["kind"], *plain[index + 1 :]]
        )
        assert estimate == pytest.approx(row["estimate"], abs=1e-5)
        assert (estimate - half, estimate + half) == pytest.approx(
            (row["ci_low"], row["ci_high"]), abs=1e-5
        )


def test_several_changes_add_up_with_their_joint_covariance(planted):
    sample = world_of(planted).draw(np.random.default_rng(3), 80, quiet)
    model, design = model_of(planted, sample), BlockDesign(sample)
    fit = Fit(design.matrix, sample.value, sample.cluster)
    contrast = design.contrast(0, 1, 0) + design.contrast(3, 2, 1)
    weights = fit.weights(contrast[None])
    before = ["none", "none", "none", "identity", "none", "none"]
    after = ["identity", "none", "none", "projection", "none", "none"]
    estimate, half = predicted(model, before, after)
    assert estimate == pytest.approx(float((weights @ fit.y)[0]), abs=1e-5)
    assert half == pytest.approx(model["t"] * float(fit.standard_errors(weights)[0]), rel=1e-4)


def test_pairs_that_the_model_keeps_are_predicted_too(planted):
    world = world_of(planted, gamma=-0.4)
    sample = world.draw(np.random.default_rng(0), 150, quiet)
    model = model_of(planted, sample)
    assert model["estimator"] == "ols_blocks_pairs"
    plain, both = ["none"] * 6, ["identity", "identity", *["none"] * 4]
    estimate, half = predicted(model, plain, both)
    # 0.5 and 0.4 alone; together they stand in for each other.
    codes = np.array([[0] * 6, [1, 1, 0, 0, 0, 0]])
    truth = float(np.diff(world.mean(codes))[0])
    assert estimate == pytest.approx(truth, abs=2 * half)
    assert abs(estimate - truth) < 0.2


def test_its_intervals_hold_the_truth_as_often_as_they_promise(planted):
    world, rng, held = world_of(planted, blocks=4), np.random.default_rng(5), 0
    names = [kind.value for kind in THREE]
    for _ in range(120):
        sample = world.draw(rng, 40, quiet)
        codes = rng.integers(0, 3, (2, 4))
        kinds = [[names[code] for code in row] for row in codes]
        estimate, half = predicted(model_of(planted, sample), *kinds)
        truth = float(np.diff(world.mean(codes))[0])
        held += abs(estimate - truth) <= half + 1e-9
    assert 0.9 <= held / 120 <= 1.0


def test_costs_are_those_of_the_networks(benefit, planted):
    plain = planted.plain
    for place, row in zip(plain.places(), benefit["prediction"]["blocks"], strict=True):
        own = complexity(plain.with_kinds({place: Kind.PROJECTION}))
        at = row["kinds"].index("projection")
        assert row["params"][at] == own.params - complexity(plain).params > 0
        assert row["macs"][at] == own.macs - complexity(plain).macs
        assert row["params"][row["kinds"].index("identity")] == 0


def test_support_is_the_range_of_each_kind_over_the_rows(benefit, planted):
    counts = [[row.spec.ending_kinds.count(kind) for row in planted.design(100)] for kind in THREE]
    assert benefit["prediction"]["support"] == {
        kind.value: [min(own), max(own)] for kind, own in zip(THREE, counts, strict=True)
    }


def test_the_same_rows_give_the_same_bytes(benefit, planted):
    rows = list(reversed(planted.design(100)))
    again = skip_benefit(rows, planted.anchors(), planted.context)
    assert json.dumps(again["prediction"]) == json.dumps(benefit["prediction"])


def test_there_is_no_model_without_rows_enough_or_with_several_depths_or_spans(planted):
    world = world_of(planted)
    sample = world.draw(np.random.default_rng(1), 60, quiet)
    assert model_of(planted, sample) is not None
    assert model_of(planted, sample.where(np.arange(60) < 15)) is None
    depths = sample.depths.copy()
    depths[:30, 0] -= 1
    codes = sample.codes.copy()
    codes[:30, 2] = -1
    assert model_of(planted, replace(sample, depths=depths, codes=codes)) is None
    spans = SpanWorld().draw(np.random.default_rng(2), 120)
    assert model_of(planted, spans) is None


def test_a_kind_that_no_row_tells_is_left_out(planted):
    sample = world_of(planted).draw(np.random.default_rng(1), 60, quiet)
    codes = np.where(sample.codes == 2, 1, sample.codes)
    codes[:, 1:] = sample.codes[:, 1:]
    model = model_of(planted, replace(sample, codes=codes))
    assert model["blocks"][0]["kinds"] == ["none", "identity"]
    assert model["blocks"][1]["kinds"] == ["none", "identity", "projection"]
