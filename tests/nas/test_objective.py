"""Door 2: our candidates in a user's own `study.optimize`, trained for real."""

import itertools
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import optuna
import pytest
from optuna.pruners import SuccessiveHalvingPruner
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassF1Score

from nas.config import make_config
from nas.constraints import Constraints
from nas.design_plan import DesignPlan
from nas.design_sampler import DesignSampler
from nas.errors import ConfigError, ResumeError, TrainingError
from nas.objective import Objective
from nas.plan_enqueue import enqueue_plan
from nas.plan_rows import make_plan
from nas.records import to_records
from nas.report_sources import report_storage
from nas.trials import Source, State
from search_spaces.complexity import complexity
from search_spaces.errors import SpaceError, UserError
from trainer.module import CandidateModule

SPACE = {"stages": 1, "max_blocks": 2, "width": 2}
RECIPE = {"epochs": 3, "batch_size": 256, "warmup_epochs": 0.5}


def make(**changes: object) -> Objective:
    return Objective(**{"space": SPACE, "recipe": RECIPE, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A study in SQLite: 16 trials, half of them design rows, pruned by successive halving."""
    url = f"sqlite:///{tmp_path_factory.mktemp('own')}/study.db"
    objective = make()
    study = optuna.create_study(
        study_name="own",
        storage=url,
        direction="minimize",
        sampler=DesignSampler(RandomSampler(seed=0), objective.space, seed=1),
        pruner=SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    )
    study.optimize(objective, n_trials=16)
    return url


def test_every_trial_ends_and_only_adaptive_ones_are_pruned(url: str) -> None:
    study = optuna.load_study(study_name="own", storage=url)
    states = Counter((t.user_attrs["source"], t.state) for t in study.trials)
    assert states["randomised", TrialState.COMPLETE] == 8
    assert states["adaptive", TrialState.PRUNED] > 0
    assert states["adaptive", TrialState.COMPLETE] > 0
    assert sum(states.values()) == 16


def test_trials_carry_what_the_report_needs(url: str) -> None:
    study = optuna.load_study(study_name="own", storage=url)
    for record, trial in zip(to_records(study.trials), study.trials, strict=True):
        assert record.spec is not None
        assert record.spec_id == record.spec.spec_id
        assert record.decisions == trial.params
        assert len(record.history) == len(trial.intermediate_values)
        assert record.value == record.metrics["val_log_loss"]
        assert len(record.history) == 3 or record.state is State.PRUNED
        assert record.gradient_norms
        assert "test_accuracy" not in record.metrics
    assert len({trial.user_attrs["seed"] for trial in study.trials}) == 16


def test_the_report_of_that_storage_has_a_map(url: str, tmp_path: Path) -> None:
    written = report_storage(url, "own", None, tmp_path / "report")
    assert (tmp_path / "report" / "report.html").is_file()
    benefit = json.loads((tmp_path / "report" / "skip_benefit.json").read_text())
    assert benefit == written.benefit
    assert written.benefit["rows"]["used"] == 8
    blocks = {effect["block"] for effect in written.benefit["effects"]}
    assert {1, 2} <= blocks
    assert written.headline


def test_the_same_seed_gives_the_same_value() -> None:
    fixed = {"depth.stage1": 1, "skip.stage1.block1": "identity"}
    values = []
    for seed in (0, 0, 1):
        study = optuna.create_study()
        study.enqueue_trial(fixed)
        study.optimize(make(seed=seed), n_trials=1)
        values.append(study.best_value)
    assert values[0] == values[1] != values[2]


def test_a_trial_enqueued_at_a_rows_number_is_no_row() -> None:
    objective = make(recipe={**RECIPE, "epochs": 1})
    sampler = DesignSampler(RandomSampler(seed=0), objective.space, share=1.0)
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial({"depth.stage1": 1})
    study.optimize(objective, n_trials=2)
    assert [t.user_attrs["source"] for t in study.trials] == ["adaptive", "randomised"]


def test_accuracy_is_returned_where_it_is_the_metric() -> None:
    study = optuna.create_study(direction="maximize")
    study.optimize(make(metric="val/accuracy"), n_trials=1)
    [record] = to_records(study.trials)
    assert record.value == record.metrics["val_accuracy"]


@pytest.mark.filterwarnings("ignore:.*nan.*:UserWarning")
def test_a_training_that_diverges_fails_and_the_study_goes_on() -> None:
    study = optuna.create_study()
    recipe = {**RECIPE, "lr": 1e20, "schedule": "constant", "warmup_epochs": 0}
    study.optimize(make(recipe=recipe), n_trials=2)
    for trial in study.trials:
        assert trial.state is TrialState.FAIL
        assert trial.user_attrs["result"]["reason"] == "diverged"


def test_another_error_ends_the_study_and_names_the_trial() -> None:
    study = optuna.create_study()
    objective = make()
    # A recipe that no training can follow.
    objective.recipe = objective.recipe.model_copy(update={"precision": "none"})
    with pytest.raises(TrainingError, match=r"Trial 0 must train, got .*for \d"):
        study.optimize(objective, n_trials=1)
    assert study.trials[0].user_attrs["result"]["reason"] == "error"


def test_ctrl_c_passes_through() -> None:
    class Interrupting(optuna.pruners.NopPruner):
        def prune(self, study: object, trial: object) -> bool:
            raise KeyboardInterrupt

    study = optuna.create_study(pruner=Interrupting())
    with pytest.raises(KeyboardInterrupt):
        study.optimize(make(), n_trials=1)


def test_a_user_may_give_a_space_and_a_recipe_of_their_own() -> None:
    first = make()
    second = Objective(first.space, recipe=first.recipe)
    assert second.space is first.space
    assert second.recipe == first.recipe
    assert Objective().space.size > 1000


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"metric": "val/acc"}, UserError, "metric must be one of .*, got metric='val/acc'"),
        ({"data": "digit"}, UserError, "digits"),
        ({"space": {"max_block": 2}}, SpaceError, "Unknown key 'space.max_block'"),
        ({"recipe": {"epoch": 2}}, ConfigError, "Unknown key 'recipe.epoch'"),
        ({"recipe": {"epochs": 0}}, ConfigError, "recipe.epochs"),
    ],
)
def test_wrong_arguments_are_refused_at_once(
    changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(**changes)


def test_a_space_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match=r"space must be a SearchSpace, .*got space='residual'"):
        make(space="residual")


def test_a_device_that_torch_does_not_train_on_here_is_refused() -> None:
    with pytest.raises(UserError, match="must be 'cpu' or 'cuda:<number>', got device='tpu'"):
        make(device="tpu")


def test_a_study_that_runs_the_other_way_is_refused_before_training() -> None:
    study = optuna.create_study(direction="maximize")
    with pytest.raises(
        UserError, match="of val/log_loss must have direction='minimize', got direction='maximize'"
    ):
        study.optimize(make(), n_trials=1)


def test_a_study_of_several_objectives_is_refused() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    with pytest.raises(UserError, match=r"must have one objective, got directions=\['minimize', "):
        study.optimize(make(), n_trials=1)


@pytest.mark.parametrize(
    "trial",
    [optuna.trial.FixedTrial({"depth.stage1": 1}), optuna.trial.create_trial(value=1.0)],
    ids=["fixed", "frozen"],
)
def test_a_trial_without_a_study_is_refused(trial: Any) -> None:
    with pytest.raises(UserError, match=r"must belong to a study that runs, got trial=F\w+Trial"):
        make()(trial)


@pytest.fixture(scope="module")
def kept() -> optuna.Study:
    """A study of one trial, which has kept its settings."""
    study = optuna.create_study(study_name="kept")
    study.optimize(make(recipe=TestSettings.ONE_EPOCH), n_trials=1)
    return study


class TestSettings:
    """What all trials of a study share is kept on it."""

    ONE_EPOCH: ClassVar[dict[str, Any]] = {"epochs": 1, "batch_size": 512, "warmup_epochs": 0}

    def test_the_same_settings_go_on_whatever_the_seed(self, kept: optuna.Study) -> None:
        kept.optimize(make(recipe=self.ONE_EPOCH, seed=7), n_trials=1)
        assert len(kept.trials) == 2

    @pytest.mark.parametrize(
        ("changes", "difference"),
        [
            ({"constraints": {"max_layers": 6}}, "constraints.max_layers=None, got .*=6"),
            ({"recipe": {**ONE_EPOCH, "epochs": 2}}, "recipe.epochs=1, got recipe.epochs=2"),
            ({"recipe": {**ONE_EPOCH, "lr": {"low": 0.03, "high": 0.3}}}, "recipe.lr=0.1, got"),
            ({"space": {**SPACE, "width": 4}}, "space.random_network="),
        ],
    )
    def test_others_are_refused(
        self, kept: optuna.Study, changes: dict[str, Any], difference: str
    ) -> None:
        number = len(kept.trials)
        objective = make(**{"recipe": self.ONE_EPOCH, **changes})
        message = f"study 'kept' must keep the settings of its first trial, {difference}"
        with pytest.raises(ResumeError, match=message):
            kept.optimize(objective, n_trials=1)
        assert len(kept.trials) == number + 1


class F1(CandidateModule):
    """A task with a metric of its own."""

    def make_metrics(self) -> MetricCollection:
        metrics = super().make_metrics()
        metrics.add_metrics({"f1": MulticlassF1Score(10)})
        return metrics


class TestOwnTask:
    ONE_EPOCH: ClassVar[dict[str, Any]] = {"epochs": 1, "batch_size": 512, "warmup_epochs": 0}

    def test_its_metric_is_returned_in_either_direction(self) -> None:
        objective = make(recipe=self.ONE_EPOCH, task=F1, metric="val/f1")
        for direction in ("maximize", "minimize"):
            study = optuna.create_study(direction=direction)
            study.optimize(objective, n_trials=1)
            [record] = to_records(study.trials)
            assert record.value == record.metrics["val_f1"]
            assert study.trials[0].intermediate_values == {1: record.value}

    def test_it_may_be_named_with_arguments_as_in_a_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "objective_task.py").write_text(
            "from trainer.module import CandidateModule\n"
            "class Task(CandidateModule):\n"
            "    def __init__(self, spec, recipe, seed, scale):\n"
            "        super().__init__(spec, recipe, seed)\n"
            "        self.scale = scale\n"
            "    def training_loss(self, logits, labels):\n"
            "        return self.scale * super().training_loss(logits, labels)\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        task = {"class_path": "objective_task.Task", "init_args": {"scale": 100.0}}
        study = optuna.create_study()
        study.optimize(make(recipe=self.ONE_EPOCH | {"lr": 1e-5}, task=task), n_trials=1)
        [record] = to_records(study.trials)
        assert record.metrics["train_loss"] > 100 * record.metrics["val_log_loss"] / 2

    def test_its_metric_without_a_value_is_a_failed_trial(self) -> None:
        class Broken(F1):
            def on_validation_epoch_end(self) -> None:
                self.log_dict({"val/log_loss": 1.0, "val/accuracy": 0.5, "val/f1": math.nan})

        study = optuna.create_study()
        study.optimize(make(recipe=self.ONE_EPOCH, task=Broken, metric="val/f1"), n_trials=1)
        assert [trial.state for trial in study.trials] == [TrialState.FAIL]

    def test_it_is_tried_out_at_once(self) -> None:
        with pytest.raises(
            ConfigError, match=r"must measure 'f2', since search\.metric is 'val/f2'"
        ):
            make(task=F1, metric="val/f2")
        with pytest.raises(
            ConfigError, match="task must be a mapping of keys and values, got tas"
        ):
            make(task="my_task.F1")
        with pytest.raises(
            UserError, match=r"or val/<name> of what a task measures, got metric='f1"
        ):
            make(task=F1, metric="f1")


class TestConstraints:
    def test_a_trial_beyond_a_limit_is_pruned_before_any_training(self) -> None:
        objective = make(constraints={"max_layers": 4}, recipe={**RECIPE, "epochs": 1})
        study = optuna.create_study(sampler=RandomSampler(seed=0))
        for depth in (1, 2):
            study.enqueue_trial({"depth.stage1": depth})
        study.optimize(objective, n_trials=2)
        allowed, refused = study.trials
        assert (allowed.state, allowed.constraints) == (TrialState.COMPLETE, {"max_layers": 0})
        assert refused.state is TrialState.PRUNED
        assert refused.constraints == {"max_layers": 0.5}
        assert refused.user_attrs["reason"] == "constraint max_layers"
        assert "result" not in refused.user_attrs
        record = to_records(study.trials)[1]
        assert (record.reason, record.value) == ("constraint max_layers", None)
        assert study.best_trials == [allowed]

    def test_a_row_that_is_left_out_says_nothing_about_skips(self) -> None:
        objective = make(constraints={"max_layers": 4})
        sampler = DesignSampler(RandomSampler(seed=0), objective.space, share=1.0)
        study = optuna.create_study(sampler=sampler)
        study.optimize(objective, n_trials=2)
        for record in to_records(study.trials):
            assert (record.source, record.state) == (Source.ADAPTIVE, State.PRUNED)
            assert record.rows_left_out == 1

    def test_latency_is_measured_where_it_is_limited(self) -> None:
        study = optuna.create_study(sampler=RandomSampler(seed=0))
        study.optimize(make(constraints=Constraints(max_latency_ms=1e-6)), n_trials=1)
        assert study.trials[0].state is TrialState.PRUNED
        assert study.trials[0].constraints["max_latency_ms"] > 0

    def test_the_sampler_takes_the_next_allowed_row_so_that_none_is_lost(self) -> None:
        space = make().space
        plan = itertools.islice(DesignPlan(space, 0).rows(), 9)
        limit = {"max_params": sorted(complexity(row.spec).params for row in plan)[2]}
        objective = make(constraints=limit, recipe={**RECIPE, "epochs": 1})
        sampler = DesignSampler(RandomSampler(seed=0), space, share=1.0, constraints=limit)
        study = optuna.create_study(sampler=sampler)
        study.optimize(objective, n_trials=4)
        records = to_records(study.trials)
        assert {(r.source, r.state) for r in records} == {(Source.RANDOMISED, State.COMPLETE)}
        expected = [sampler.rows_left_out(number) for number in range(4)]
        assert [record.rows_left_out for record in records] == expected
        assert sum(expected) > 0

    def test_limits_of_the_sampler_are_those_of_the_objective(self) -> None:
        objective = make(constraints={"max_layers": 6})
        other = {"max_layers": 20}
        sampler = DesignSampler(RandomSampler(seed=0), objective.space, constraints=other)
        study = optuna.create_study(sampler=sampler)
        with pytest.raises(
            UserError, match=r"must be equal, got \{'max_layers': 6\} and \{'max_l"
        ):
            study.optimize(objective, n_trials=1)

    def test_limits_that_allow_nothing_are_refused_at_once(self) -> None:
        with pytest.raises(
            ConfigError,
            match=r"must allow some network of the space, got none within max_params=10",
        ):
            make(constraints={"max_params": 10})

    def test_a_limit_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"Unknown key 'constraints.max_param'"):
            make(constraints={"max_param": 3})


class TestRecipeRanges:
    RECIPE: ClassVar = {**RECIPE, "epochs": 1, "lr": {"low": 0.03, "high": 0.3}}

    def test_trials_are_asked_and_rows_have_the_reference(self) -> None:
        objective = make(recipe=self.RECIPE)
        sampler = DesignSampler(RandomSampler(seed=0), objective.space, share=0.5)
        study = optuna.create_study(sampler=sampler)
        study.optimize(objective, n_trials=4)
        records = to_records(study.trials)
        assert {record.source for record in records} == {Source.RANDOMISED, Source.ADAPTIVE}
        for record, trial in zip(records, study.trials, strict=True):
            is_row = record.source is Source.RANDOMISED
            expected = objective.recipe.lr if is_row else trial.params["recipe.lr"]
            assert record.lr == expected
            assert ("recipe.lr" in trial.params) != is_row
            assert "recipe.lr" not in record.decisions
            # Cosine from the peak to zero.
            assert record.history[-1].lr <= expected

    def test_a_recipe_with_ranges_can_be_handed_on(self) -> None:
        first = make(recipe=self.RECIPE)
        second = make(recipe=first.recipe)
        assert second.recipe == first.recipe
        assert second.recipe.ranges


class TestRatesOfRows:
    def test_rows_are_trained_at_their_rates_and_others_at_the_base(self) -> None:
        objective = make(recipe={**RECIPE, "epochs": 1, "lr": 0.06})
        sampler = DesignSampler(
            RandomSampler(seed=0), objective.space, share=0.5, lr_factors=[0.5, 1.0]
        )
        study = optuna.create_study(sampler=sampler)
        study.optimize(objective, n_trials=8)
        for trial, record in zip(study.trials, to_records(study.trials), strict=True):
            factor = sampler.lr_factor(record.number)
            assert record.lr == 0.06 * factor
            # The schedule's last epoch of one is at the rate itself.
            [epoch] = trial.user_attrs["result"]["history"]
            assert epoch["lr"] <= 0.06 * factor
        rows = [r for r in to_records(study.trials) if r.source is Source.RANDOMISED]
        assert len(rows) == 4


class TestPlannedRows:
    @pytest.fixture
    def study(self, tmp_path: Path) -> optuna.Study:
        config = make_config(
            {
                "space": SPACE,
                "recipe": {"lr": 0.06},
                "search": {"mode": "effects", "trials": 4, "lr_factors": [0.5, 1.0]},
            }
        )
        url = f"sqlite:///{tmp_path}/plan.db"
        enqueue_plan(url, "mine", "minimize", lambda first: make_plan(config, 4, first))
        return optuna.load_study(storage=url, study_name="mine", sampler=RandomSampler(seed=0))

    def test_they_stay_rows_with_their_seeds_and_rates(self, study: optuna.Study) -> None:
        planned = [dict(trial.user_attrs) for trial in study.trials]
        study.optimize(make(recipe={**RECIPE, "epochs": 1, "lr": 0.06}), n_trials=5)
        *rows, other = to_records(study.trials)
        assert [row.source for row in rows] == [Source.RANDOMISED] * 4
        assert other.source is Source.ADAPTIVE
        for row, attributes in zip(rows, planned, strict=True):
            assert row.decisions == attributes["decisions"]
            assert (row.seed, row.lr) == (attributes["seed"], attributes["lr"])
            assert row.spec_id == attributes["spec_id"]

    def test_one_of_another_space_is_no_row(self, study: optuna.Study) -> None:
        # Its width is asked for, which the plan has not drawn.
        wider = make(space={**SPACE, "width": [2, 4]}, recipe={**RECIPE, "epochs": 1})
        study.optimize(wider, n_trials=1)
        assert to_records(study.trials)[0].source is Source.ADAPTIVE


def test_recorded_data_brings_its_space_and_recipe() -> None:
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    study.optimize(Objective(data="skipbench"), n_trials=3)
    assert [len(trial.intermediate_values) for trial in study.trials] == [12, 12, 12]
