from dataclasses import replace

import numpy as np
import pytest

from nas.benefit.context import BenefitContext, study_metric
from nas.benefit.sample import (
    architecture_of,
    block_layers_of,
    depths_of,
    kinds_of,
    layers_of,
    make_sample,
    outcome_of,
    plans,
)
from nas.trials import State
from search_spaces.spec import Kind, Place


@pytest.fixture
def trial(planted):
    return planted.design(1)[0]


def test_decisions_tell_the_same_as_the_spec(trial):
    bare = replace(trial, spec=None)
    assert kinds_of(bare) == kinds_of(trial)
    assert depths_of(bare) == depths_of(trial) == (5, 5, 5)


def test_blocks_alone_tell_the_depth(trial):
    decisions = {k: v for k, v in trial.decisions.items() if k.startswith("skip.")}
    assert depths_of(replace(trial, spec=None, decisions=decisions)) == (5, 5, 5)


def test_equal_decisions_are_one_architecture_in_any_order(trial):
    bare = replace(trial, spec=None, spec_id=None)
    turned = replace(bare, decisions=dict(reversed(bare.decisions.items())))
    assert architecture_of(bare) == architecture_of(turned)
    assert architecture_of(replace(trial, spec=None)) == trial.spec_id


@pytest.mark.parametrize(
    ("change", "chance", "expected"),
    [
        ({"value": 0.5}, 2.3, 0.5),
        ({"value": None}, 2.3, None),
        ({"value": float("nan")}, 2.3, None),
        ({"state": State.FAILED, "reason": "diverged", "value": None}, 2.3, 2.3),
        ({"state": State.FAILED, "reason": "diverged", "value": 7.0}, None, 7.0),
        ({"state": State.FAILED, "reason": "diverged", "value": None}, None, None),
        ({"state": State.FAILED, "reason": "oom", "value": 7.0}, 2.3, None),
        ({"state": State.FAILED, "reason": None, "value": 7.0}, 2.3, 7.0),
        ({"state": State.PRUNED, "value": 7.0}, 2.3, None),
    ],
)
def test_what_counts_as_an_outcome(trial, change, chance, expected):
    chances = {} if chance is None else {"val_log_loss": chance}
    context = BenefitContext(direction="minimize", metric="val/log_loss", chance=chances)
    assert outcome_of(replace(trial, **change), study_metric(context)) == expected


def test_values_are_turned_so_that_larger_is_better(trial):
    rows = [replace(trial, value=0.25), replace(trial, number=1, value=0.75)]
    metric = study_metric(BenefitContext(direction="minimize"))
    sample = make_sample(rows, [Place(1, 1)], metric)
    assert sample.value.tolist() == [-0.25, -0.75]
    assert sample.cluster.tolist() == [0, 0]
    assert sample.codes.tolist() == [[list(Kind).index(trial.spec.kinds[0])]] * 2


def test_absent_blocks_have_their_own_code(trial):
    metric = study_metric(BenefitContext(direction="minimize"))
    sample = make_sample([trial], [Place(1, 5), Place(1, 6)], metric)
    assert sample.codes[0, 1] == -1
    assert np.array_equal(sample.depths, [[5]])


def test_plans_come_most_frequent_first_and_deep_before_shallow(planted):
    deep = planted.design(2)
    small = planted.space.spec((1, 1, 1), {})
    shallow = [replace(row, spec=small) for row in deep]
    assert plans([*deep, *shallow]) == [(5, 5, 5), (1, 1, 1)]
    assert plans([deep[0], *shallow]) == [(1, 1, 1), (5, 5, 5)]


def test_layers_that_nobody_states_are_two_per_block_and_two(trial):
    bare = replace(trial, spec=None)
    assert (layers_of(trial), layers_of(bare)) == (32, 32)
    assert (block_layers_of(trial), block_layers_of(bare)) == (2, 2)
    assert block_layers_of(replace(bare, decisions={})) == 0
