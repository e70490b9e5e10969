"""Door 2: our candidates in a user's own `study.optimize`, trained for real."""

import json
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.pruners import SuccessiveHalvingPruner
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from nas.design_sampler import DesignSampler
from nas.errors import ConfigError, TrainingError
from nas.objective import Objective
from nas.records import to_records
from nas.report_sources import report_storage
from nas.trials import State
from search_spaces.errors import SpaceError, UserError
from trainer.recipe import Recipe

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
    objective.recipe = Recipe(batch_size=256).model_copy(update={"optimizer": "none"})
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
