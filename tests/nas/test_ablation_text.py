from dataclasses import replace
from typing import Any

import pytest

from nas.ablation_plan import AblateOptions, plan_ablation
from nas.ablation_text import (
    STAND_IN,
    TEST_USE,
    describe_ablation,
    describe_rows,
    estimate_seconds,
)
from nas.price import training_seconds
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import Kind
from tests.nas.fake_pool import tiny_config

CONFIG = tiny_config()
SPACE = CONFIG.make_space()
PLAN = plan_ablation(SPACE, CONFIG.recipe, None, AblateOptions(top=0, seeds=2))
ALL = PLAN.repeats()
ROW: dict[str, Any] = {
    "base": "identity-14",
    "flip": "stage1.block1=none",
    "stage": 1,
    "block": 1,
    "kind": "identity",
    "reference_kind": "none",
    "base_mean": 0.25,
    "d_mean": 0.0123,
    "ci_sim": (-0.003, 0.0276),
    "n_pairs": 5,
    "n_failed": 0,
    "decision": "inconclusive",
    "split": "test",
}


def test_plan_says_bases_flips_trainings_and_minutes() -> None:
    assert describe_ablation(PLAN, ALL, 150.0, 2) == [
        "ablate   identity-14  12 flips",
        "         plain-14     12 flips",
        "price    52 trainings on 2 fresh seeds; 2 epochs each, about 2.5 min.",
    ]


def test_plan_that_is_partly_or_wholly_done_says_so() -> None:
    assert describe_ablation(PLAN, ALL[:2], 1.0, 1)[-1] == (
        "price    50 of 52 are done, 2 trainings on 2 fresh seeds; 1 epoch each, about 0.1 min."
    )
    done = "price    52 of 52 are done, nothing is left to train."
    assert describe_ablation(PLAN, [], 0.0, 2)[-1] == done


def test_anchor_that_is_the_winner_is_said_to_be() -> None:
    known = replace(PLAN, bases=(replace(PLAN.bases[0], of_trial=7),))
    assert describe_ablation(known, ALL, 1.0, 2)[0] == (
        "ablate   identity-14  12 flips; it is the network of trial 7"
    )


@pytest.mark.parametrize(("number", "seconds"), [(1, 3700.0), (60, 3.0)])
def test_what_is_much_is_warned_of(number: int, seconds: float) -> None:
    [*_, last] = describe_ablation(PLAN, ALL * number, seconds, 2)
    assert last.startswith("warning  this is much: fewer --seeds, a lower --top, or --flip")


def test_minutes_follow_from_what_trainings_of_the_study_took() -> None:
    spec = SPACE.uniform(SPACE.deepest, Kind.IDENTITY)
    by_arithmetic = estimate_seconds(ALL, CONFIG, [], 1)
    each = training_seconds(spec, CONFIG.recipe.reference(), CONFIG.facts())
    assert by_arithmetic == pytest.approx(52 * each, rel=0.05)
    ended = [
        TrialRecord(
            number=number,
            state=State.COMPLETE,
            source=Source.ADAPTIVE,
            decisions={},
            spec=spec,
            seconds=3 * each,
        )
        for number in range(3)
    ]
    assert estimate_seconds(ALL, CONFIG, ended, 2) == pytest.approx(1.5 * by_arithmetic)
    unknown = [replace(record, seconds=None) for record in ended]
    assert estimate_seconds(ALL, CONFIG, unknown, 1) == by_arithmetic


def test_table_says_place_kinds_mean_interval_and_what_follows() -> None:
    rows = [
        ROW,
        ROW | {"block": 2, "d_mean": -0.5, "ci_sim": (-0.6, -0.4), "decision": "harm"},
        ROW | {"base": "plain-14", "ci_sim": None, "n_failed": 3, "n_pairs": 2, "base_mean": None},
        ROW
        | {"base": "plain-14", "stage": None, "flip": "stage1.block1=none,stage2.block1=none"}
        | {"d_mean": None, "ci_sim": None, "n_pairs": 0},
    ]
    assert describe_rows(rows, "val/log_loss").splitlines() == [
        "",
        "identity-14, test log_loss 0.2500: mean of 5 pairs, positive = better, simultaneous 95%",
        "  stage1.block1  identity, not none  +0.0123  [-0.0030, +0.0276]  cannot tell",
        "  stage1.block2  identity, not none  -0.5000  [-0.6000, -0.4000]  hurts",
        "",
        "plain-14, test log_loss: mean of 0 to 2 pairs, positive = better, simultaneous 95%",
        "  stage1.block1                           identity, not none  +0.0123  no interval  "
        "cannot tell, 3 failed",
        "  stage1.block1=none, stage2.block1=none  changed together             no interval  "
        "cannot tell",
        "",
        STAND_IN,
        TEST_USE,
    ]
    chosen = [row | {"split": "validation"} for row in rows]
    assert describe_rows(chosen, "val/log_loss").splitlines()[-1] == STAND_IN


def test_without_a_pair_there_is_no_table() -> None:
    assert describe_rows([], "val/log_loss") == "No pair of trainings is complete."
