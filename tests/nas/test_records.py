import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.records import (
    best_record,
    measured,
    result_attribute,
    start_attributes,
    to_record,
    to_records,
)
from nas.sampling import parameters_of
from nas.trials import Source, State
from search_spaces.complexity import complexity
from search_spaces.registry import make_space
from search_spaces.spec import InputShape, Kind
from tests.nas.made_studies import make_failure, make_measurement
from tests.nas.wandb_studies import make_record

SPACE = make_space(
    {"stages": 2, "max_blocks": 2}, InputShape(channels=1, height=8, width=8), num_classes=10
)
SPEC = SPACE.uniform((2, 1), Kind.IDENTITY)


def frozen(state: TrialState, **attributes: Any) -> FrozenTrial:
    """A trial as a storage gives it: attributes have been through JSON."""
    params, distributions = parameters_of(SPACE, SPEC)
    return create_trial(
        state=state,
        value=0.25 if state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
        params=params,
        distributions=distributions,
        user_attrs=json.loads(json.dumps(attributes)),
    )


def started(**more: Any) -> dict[str, Any]:
    return start_attributes(SPEC, Source.ADAPTIVE, 7, 0.1, **more)


def test_end_is_kept_in_utc() -> None:
    ended = frozen(TrialState.COMPLETE, **started())
    # Optuna keeps the local time without a zone.
    moment = datetime(2026, 1, 31, 12, 30, 5, 678, UTC)
    ended.datetime_complete = moment.astimezone().replace(tzinfo=None)
    assert to_record(ended).ended_utc == "2026-01-31T12:30:05+00:00"
    assert to_record(frozen(TrialState.RUNNING, **started())).ended_utc is None


def test_complete_trial_is_read_back_whole() -> None:
    outcome = make_measurement(
        SPEC, 1.5, 0.25, test_accuracy=0.9, test_log_loss=0.3, evidence={"ratio": (0.5, None)}
    )
    result = result_attribute(outcome, seconds_before=2.0)
    record = to_record(
        frozen(TrialState.COMPLETE, **started(wandb_id="u-0000", attempts=2), result=result)
    )
    assert (record.state, record.source, record.value) == (State.COMPLETE, Source.ADAPTIVE, 0.25)
    assert record.decisions == SPACE.decisions(SPEC)
    assert record.spec == SPEC
    assert record.spec_id == SPEC.spec_id
    assert (record.seed, record.lr, record.attempts) == (7, 0.1, 2)
    assert record.history == outcome.history
    assert record.epochs_done == 2
    assert record.seconds == pytest.approx(3.0)
    assert (record.params, record.macs) == (complexity(SPEC).params, complexity(SPEC).macs)
    assert record.gradient_norms == outcome.gradient_norms
    assert record.evidence == {"ratio": (0.5, None)}
    assert record.wandb_id == "u-0000"
    assert record.metrics == {
        "val_log_loss": 0.25,
        "val_accuracy": outcome.last.val_accuracy,
        "train_loss": 0.35,
        "test_log_loss": 0.3,
        "test_accuracy": 0.9,
    }


def test_metrics_of_the_task_are_read_back_from_both_splits() -> None:
    outcome = make_measurement(SPEC, 1.5, 0.25, test_accuracy=0.9, test_more={"f1": 0.7})
    last = replace(outcome.last, more={"f1": 0.75})
    outcome = replace(outcome, history=(outcome.history[0], last))
    record = to_record(
        frozen(TrialState.COMPLETE, **started(), result=result_attribute(outcome, 0.0))
    )
    assert (record.metrics["val_f1"], record.metrics["test_f1"]) == (0.75, 0.7)
    assert [epoch.more for epoch in record.history] == [{}, {"f1": 0.75}]
    assert record.to_row()["val_f1"] == 0.75


def test_result_from_before_there_were_more_metrics_is_read() -> None:
    result = result_attribute(make_measurement(SPEC, 0.25), 0.0)
    del result["test_more"]
    for epoch in result["history"]:
        del epoch["more"]
    record = to_record(frozen(TrialState.COMPLETE, **started(), result=result))
    assert [epoch.more for epoch in record.history] == [{}]


def test_epoch_says_what_it_measured_of_an_optimised_metric() -> None:
    epoch = replace(make_measurement(SPEC, 0.25).last, more={"f1": 0.5})
    assert [measured(epoch, f"val/{name}") for name in ("log_loss", "f1", "f2")] == [
        0.25,
        0.5,
        None,
    ]


def test_failed_trial_says_why_and_keeps_its_epochs() -> None:
    result = result_attribute(make_failure(SPEC), 0.0)
    record = to_record(frozen(TrialState.FAIL, **started(), result=result))
    assert record.state is State.FAILED
    assert (record.reason, record.message) == ("diverged", "the loss is nan")
    assert record.value is None
    assert record.epochs_done == 1
    assert record.metrics["val_log_loss"] == 2.5


def test_pruned_trial_has_the_value_of_its_last_epoch() -> None:
    result = result_attribute(make_measurement(SPEC, 0.25, stopped=True), 0.0)
    record = to_record(frozen(TrialState.PRUNED, **started(), result=result))
    assert (record.state, record.value, record.epochs_done) == (State.PRUNED, 0.25, 1)


def test_running_trial_has_its_architecture_and_no_value() -> None:
    record = to_record(frozen(TrialState.RUNNING, **started()))
    assert record.state is State.RUNNING
    assert (record.value, record.history, record.seconds) == (None, (), None)
    assert record.spec == SPEC


def test_repeat_says_what_it_repeats() -> None:
    attributes = start_attributes(SPEC, Source.FINALIST, 9, 0.1, of_trial=12, replicate=3)
    record = to_record(create_trial(value=1.0, user_attrs=attributes))
    assert (record.source, record.of_trial, record.replicate) == (Source.FINALIST, 12, 3)
    assert record.decisions == {}


def test_paired_training_says_what_it_is_compared_with() -> None:
    more = {"base": "plain-14", "flip": "stage1.block1=identity", "replicate": 3}
    attributes = start_attributes(SPEC, Source.PAIRED, 9, 0.1, **more)
    record = to_record(create_trial(value=1.0, user_attrs=attributes))
    assert {name: getattr(record, name) for name in more} == more


def test_result_that_is_not_finite_survives_json() -> None:
    outcome = make_measurement(SPEC, math.inf, gradient_norms=(math.nan,))
    result = json.loads(json.dumps(result_attribute(outcome, 0.0)))
    assert result["history"][0]["val_log_loss"] == math.inf


class TestTrialsMadeElsewhere:
    def test_parameters_state_and_value_are_enough(self) -> None:
        record = to_record(frozen(TrialState.COMPLETE))
        assert record.decisions == SPACE.decisions(SPEC)
        assert (record.source, record.value, record.spec) == (Source.ADAPTIVE, 0.25, None)

    def test_other_parameters_are_no_decisions(self) -> None:
        trial = create_trial(
            value=1.0, params={"lr": 0.1}, distributions={"lr": FloatDistribution(0, 1)}
        )
        assert to_record(trial).decisions == {}

    @pytest.mark.parametrize(
        "attributes",
        [
            {"result": 3.2, "spec": "resnet-18", "seed": "zero", "lr": None, "source": 7},
            {"result": [1, 2], "spec": {"a": 1}, "name": 5},
            {"result": {"history": [1, 2, 3]}, "spec_id": 9, "decisions": "none"},
            {"source": "nobody"},
        ],
    )
    def test_attributes_of_other_people_do_no_harm(self, attributes: dict[str, Any]) -> None:
        record = to_record(frozen(TrialState.COMPLETE, **attributes))
        assert (record.source, record.history, record.spec) == (Source.ADAPTIVE, (), None)
        assert (record.seed, record.lr, record.name) == (None, None, None)

    def test_design_rows_of_a_plan_keep_their_source_and_seed(self) -> None:
        trial = frozen(TrialState.COMPLETE, source="randomised", seed=3, lr=1)
        record = to_record(trial)
        assert (record.source, record.seed, record.lr) == (Source.RANDOMISED, 3, 1)

    def test_refused_trial_says_why(self) -> None:
        result = {"reason": "error", "message": "no such kind"}
        record = to_record(frozen(TrialState.FAIL, result=result))
        assert (record.reason, record.message) == ("error", "no such kind")


def test_records_come_in_order_of_number() -> None:
    study = optuna.create_study()
    for value in (3.0, 1.0, 2.0):
        study.add_trial(create_trial(value=value))
    assert [record.number for record in to_records(reversed(study.trials))] == [0, 1, 2]


class TestBest:
    def test_direction_decides(self) -> None:
        records = [make_record(n, value=value) for n, value in enumerate((0.5, 0.25, 0.75))]
        smallest, largest = best_record(records, "minimize"), best_record(records, "maximize")
        assert smallest is records[1]
        assert largest is records[2]

    @pytest.mark.parametrize("direction", ["minimize", "maximize"])
    def test_zero_is_a_value_like_any_other(self, direction: str) -> None:
        sign = 1 if direction == "minimize" else -1
        records = [make_record(0, value=0.1 * sign), make_record(1, value=0.0)]
        assert best_record(records, direction) is records[1]

    def test_first_of_equals_wins(self) -> None:
        records = [make_record(1, value=0.5), make_record(0, value=0.5)]
        assert best_record(records, "minimize") is records[1]

    def test_only_complete_trials_count(self) -> None:
        records = [
            make_record(0, value=0.1, state=State.PRUNED),
            make_record(1, value=None),
            make_record(2, value=None, state=State.FAILED),
        ]
        assert best_record(records, "minimize") is None
        assert best_record([], "minimize") is None


class TestDecisions:
    def test_recipe_is_no_decision_about_the_architecture(self) -> None:
        params, distributions = parameters_of(SPACE, SPEC)
        trial = create_trial(
            value=1.0,
            params=params | {"recipe.lr": 0.1, "width": 8, "mixer": "mlp"},
            distributions=distributions
            | {
                "recipe.lr": FloatDistribution(0.01, 1),
                "width": CategoricalDistribution((8, 16)),
                "mixer": CategoricalDistribution(("mlp", "conv")),
            },
            user_attrs=started(weight_decay=1e-4),
        )
        record = to_record(trial)
        assert record.decisions == {**SPACE.decisions(SPEC), "width": 8, "mixer": "mlp"}
        assert record.recipe == {"lr": 0.1, "weight_decay": 1e-4}
        assert record.to_row()["weight_decay"] == 1e-4

    def test_what_was_refused_before_a_trial_is_read(self) -> None:
        trial = frozen(TrialState.COMPLETE, **started(refused={"max_macs": 3}, rows_left_out=2))
        record = to_record(trial)
        assert (record.refused, record.rows_left_out) == ({"max_macs": 3}, 2)
        assert to_record(frozen(TrialState.COMPLETE, **started())).refused == {}

    def test_further_skips_of_a_trial_made_elsewhere_are_decisions(self) -> None:
        trial = create_trial(
            value=1.0,
            params={"skip2.stage1.block3": "none", "skipper.a": 1},
            distributions={
                "skip2.stage1.block3": CategoricalDistribution(("none", "identity")),
                "skipper.a": CategoricalDistribution((1, 2)),
            },
        )
        assert to_record(trial).decisions == {"skip2.stage1.block3": "none"}
