from typing import Any

import numpy as np
import pytest

from nas.known_truth import known_truth
from trainer.recorded.skipbench import load_skipbench


def effect(estimand: str, **fields: Any) -> dict[str, Any]:
    none = dict.fromkeys(("stage", "block", "position", "span"))
    band = {"estimate": 0.1, "ci_sim_low": -9.0, "ci_sim_high": 9.0}
    return {
        "estimand": estimand,
        "kind": "identity",
        "reference_kind": "none",
        **none,
        **band,
        **fields,
    }


def benefit(*effects: dict[str, Any], **data: Any) -> dict[str, Any]:
    facts = {"dataset": "skipbench", "metric": "val/log_loss"} | data
    return {"data": facts, "effects": list(effects), "metrics": {"val_accuracy": {"effects": []}}}


def losses_with(group: int, has_skip: bool) -> float:
    table = load_skipbench()
    return float(table.log_loss[table.patterns[:, group] == has_skip, :, -1].mean())


def test_truth_of_a_block_is_the_difference_over_the_whole_table() -> None:
    truth = known_truth(benefit(effect("AMCE", stage=2, block=1, position=3)))
    assert truth is not None
    [row] = truth["effects"]
    assert row["truth"] == pytest.approx(losses_with(2, False) - losses_with(2, True))
    assert row["truth_se"] > 0
    assert (row["inside"], truth["num_inside"], truth["num_compared"]) == (True, 1, 1)


def test_coarse_effects_are_means_of_blocks() -> None:
    blocks = [effect("AMCE", stage=p // 2 + 1, block=p % 2 + 1, position=p + 1) for p in range(6)]
    stage = effect("AMCE_STAGE", kind="skip", stage=3)
    overall = effect("AMCE_ALL", kind="skip")
    truth = known_truth(benefit(overall, stage, *blocks))
    assert truth is not None
    found = [row["truth"] for row in truth["effects"]]
    assert found[0] == pytest.approx(np.mean(found[2:]))
    assert found[1] == pytest.approx(np.mean(found[6:]))


def test_interval_that_misses_and_one_that_is_not_known_are_told_apart() -> None:
    missing = effect("AMCE_ALL", kind="skip", ci_sim_low=5.0)
    unknown = effect("AMCE_ALL", kind="skip", ci_sim_low=None, ci_sim_high=None)
    truth = known_truth(benefit(missing, unknown))
    assert truth is not None
    assert [row["inside"] for row in truth["effects"]] == [False, None]
    assert (truth["num_inside"], truth["num_compared"]) == (0, 1)


def test_questions_without_a_true_answer_are_left_out() -> None:
    other = effect("FAIL", position=1)
    against_identity = effect("KIND", reference_kind="identity", position=1)
    same_as_any_skip = effect("AMCE_ALL")
    truth = known_truth(benefit(other, against_identity, same_as_any_skip))
    assert truth is not None
    assert truth["effects"] == []


def test_paired_truths_and_the_other_outcome_are_there() -> None:
    truth = known_truth(benefit())
    assert truth is not None
    assert [row["estimand"] for row in truth["paired"]] == 2 * (["ABL"] * 6 + ["ADD"] * 6)
    assert {row["base"] for row in truth["paired"]} == {"identity-26", "plain-26"}
    assert [row["split"] for row in truth["paired"]] == ["validation"] * 12 + ["test"] * 12
    table = load_skipbench()
    last = truth["paired"][-1]
    assert (last["stage"], last["block"], last["position"]) == (3, 2, 6)
    gain = table.test_log_loss[0].mean() - table.test_log_loss[1].mean()
    assert last["truth"] == pytest.approx(gain)
    losses = table.log_loss[:, :, -1].mean(axis=1)
    assert truth["difference"]["truth"] == pytest.approx(losses[0] - losses[-1])
    assert truth["metrics"]["val_accuracy"]["difference"]["truth"] > 0
    assert (truth["layers"], truth["n_patterns"]) == (26, 64)


@pytest.mark.parametrize("data", [{"dataset": "digits"}, {"metric": "val/f1"}, {"dataset": None}])
def test_nobody_knows_the_truth_of_other_data(data: dict[str, Any]) -> None:
    assert known_truth(benefit(**data)) is None
    assert known_truth({}) is None
