import math
from datetime import date
from typing import Any, ClassVar

import pytest

from nas.config import RESUMABLE, SearchConfig, make_config
from nas.config_file import check_resume, nested
from nas.errors import ConfigError, ResumeError
from search_spaces.errors import UserError


def wrong(key: str, value: Any) -> str:
    """The message that one wrong value gets."""
    with pytest.raises(UserError) as caught:
        make_config(nested(key, value))
    return str(caught.value)


def test_default_is_the_digits_study() -> None:
    config = make_config({})
    assert (config.name, config.data, config.storage) == ("digits", "digits", "journal")
    assert config.search.trials == 200
    assert config.space["max_blocks"] == 5
    assert config.wandb.mode == "offline"
    assert config.make_space().deepest == (5, 5, 5)


def test_configuration_reads_back_what_it_writes() -> None:
    config = make_config(
        {
            "name": "a.b-c_1",
            "space": {"max_blocks": 2, "kinds": ["none", "identity"]},
            "search": {
                "trials": 7,
                "sampler": {"class_path": "optuna.samplers.RandomSampler"},
                "callbacks": [{"class_path": "a.B", "init_args": {"n": 1}}],
                "sesoi": 0.01,
            },
        }
    )
    assert make_config(config.to_dict()) == config


def test_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        make_config({}).name = "other"  # type: ignore[misc]


def test_section_without_keys_is_the_default() -> None:
    sections: dict[str, Any] = {"space": None, "recipe": None, "search": None, "wandb": None}
    assert make_config(sections) == make_config({})


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        # Unknown keys, with the nearest.
        (
            "serch.trials",
            3,
            "Unknown key 'serch'. Did you mean 'search'? Known: constraints, data",
        ),
        ("search.trails", 3, "Unknown key 'search.trails'. Did you mean 'search.trials'?"),
        ("recipe.epoch", 3, "Unknown key 'recipe.epoch'. Did you mean 'recipe.epochs'?"),
        ("wandb.projct", "a", "Unknown key 'wandb.projct'. Did you mean 'wandb.project'?"),
        ("space.widht", 3, "Unknown key 'space.widht'. Did you mean 'space.width'?"),
        (
            "search.sampler.class_pat",
            "a.B",
            "Unknown key 'search.sampler.class_pat'. Did you mean 'search.sampler.class_path'?",
        ),
        (
            "search.callbacks",
            [{"class_paht": "a.B"}],
            "Unknown key 'search.callbacks.0.class_paht'. Did you mean "
            "'search.callbacks.0.class_path'?",
        ),
        # Words.
        (
            "search.metric",
            "val/acuracy",
            "must be one of val/log_loss, val/accuracy without a task of your own, got metric="
            "'val/acuracy'. Name the module that measures it in task.class_path. Did you mean "
            "'val/accuracy'?",
        ),
        (
            "search.metric",
            "accuracy",
            "must be 'val/log_loss', 'val/accuracy' or val/<name> of a metric that your task "
            "measures, got metric='accuracy'. Did you mean 'val/accuracy'?",
        ),
        ("search.mode", "effect", "got mode='effect'. Did you mean 'effects'?"),
        ("search.until", "setled", "search.until must be 'settled', got until='setled'. Did you"),
        ("search.goal", "zzz", "search.goal must be 'best', 'map' or 'both', got goal='zzz'."),
        (
            "search.sampler",
            "tpee",
            "search.sampler must be 'tpe', 'mutation' or 'random' or a mapping with class_path and "
            "init_args, got sampler='tpee'. Did you mean 'tpe'?",
        ),
        ("wandb.mode", "onlin", "wandb.mode must be 'offline', 'online' or 'disabled', got mode="),
        ("space.name", "resdual", "Unknown search space 'resdual'. Did you mean 'residual'?"),
        ("space.kinds", ["identiy"], "'identiy' in space.kinds. Did you mean 'identity'?"),
        ("data", "digit", "Unknown data set 'digit'. Did you mean 'digits'?"),
        ("recipe.optimizer", "adam", "must be 'sgd' or 'adamw', got optimizer='adam'. Did you"),
        # Numbers.
        ("search.trials", 0, "search.trials must be >= 1, got trials=0."),
        ("search.trials", "abc", "search.trials must be an int, got trials='abc'."),
        ("search.trials", 2.5, "search.trials must be an int, got trials=2.5."),
        ("search.workers", 0, "search.workers must be 'auto' or an int >= 1, got workers=0."),
        ("search.workers", "two", "search.workers must be 'auto' or an int, got workers='two'."),
        (
            "search.group_size",
            0,
            "search.group_size must be 'auto' or an int >= 1, got group_size=0.",
        ),
        ("search.devices", "gpu", "search.devices must be 'auto' or 'cpu' or an int, got devic"),
        ("search.sesoi", 0, "search.sesoi must be > 0, got sesoi=0."),
        ("search.anchor_seeds", 1, "search.anchor_seeds must be >= 2, got anchor_seeds=1."),
        ("recipe.lr", "fast", "recipe.lr must be a number, got lr='fast'."),
        ("recipe.momentum", 1, "recipe.momentum must be < 1, got momentum=1."),
        ("recipe.nesterov", "maybe", "recipe.nesterov must be true or false, got nesterov='m"),
        ("space.min_blocks", 0, "space.min_blocks must be an int >= 1 or a list of such, one"),
        # Forms.
        ("recipe", 3, "recipe must be a mapping of keys and values, got recipe=3."),
        ("space", 3, "space must be a mapping of keys and values, got space=3."),
        ("task", "my_task.Focal", "task must be a mapping of keys and values, got task='my_task."),
        ("task", {"init_args": {}}, "Key 'task.class_path' must be given, got none."),
        (
            "task",
            {"class_path": "a.B", "init_args": {"day": date(2026, 1, 31)}},
            "task.init_args must be JSON values, got init_args={'day': datetime.date(2026, 1, 31)}"
            " (Object of type date is not JSON serializable). Put other values between quotes.",
        ),
        ("search.pruner", "asha", "search.pruner must be a mapping of keys and values, got pru"),
        ("search.callbacks", 3, "search.callbacks must be a list, got callbacks=3."),
        ("search.callbacks", [3], "search.callbacks.0 must be a mapping of keys and values, got"),
        (
            "search.rungs",
            {"fist": 2},
            "Unknown key 'search.rungs.fist'. Did you mean 'search.rungs.first'?",
        ),
        ("search.rungs", 3, "search.rungs must be a mapping of keys and values, got rungs=3."),
        ("search.rungs", {"first": 8}, "search.rungs.first must be in [1, 7] for 8 epochs, got"),
        ("search.rungs", {"reduction_factor": 1}, "must be at least 2, got reduction_factor=1."),
        ("search.pruner", {}, "Key 'search.pruner.class_path' must be given, got none."),
        ("name", 3, "name must be text, got name=3."),
        ("wandb.project", "a/b", "wandb.project must be text that matches"),
        ("wandb.project", "", "wandb.project must be text of 1 or more characters, got project="),
        # Names and places.
        ("name", "../x", "starting with a letter or digit, at most 100 of them, got name='../x'"),
        ("name", "", "got name=''"),
        ("name", "a" * 101, "at most 100 of them, got name='aaa"),
        ("name", "digits\n", r"got name='digits\n'"),
        ("name", "digits.repeats", "name must not end in '.repeats', got name='digits.repeats'."),
        ("storage", "jornal", "storage must be 'journal', the path of a journal (*.log) or a URL"),
        # What is not there yet.
        ("search.launcher", "ray", "search.launcher must be 'local', got launcher='ray'. Workers"),
        ("search.devices_per_trial", 2, "must be 1, got devices_per_trial=2. One trial on"),
        # Together.
        ("search.direction", "maximize", "must be 'minimize' for metric 'val/log_loss', got dir"),
        ("search.metric", "val/accuracy", "must be 'maximize' for metric 'val/accuracy', got di"),
        ("recipe.warmup_epochs", 9, "recipe: warmup_epochs <= epochs must hold, got warmup_epoc"),
        ("space.min_blocks", 6, "min_blocks <= max_blocks must hold, got min_blocks=6 and max_"),
        (
            "recipe.crop_padding",
            8,
            r"crop_padding must be less than the images' shorter side, 8 px",
        ),
        ("recipe.flip", "often", "recipe.flip must be true or false, got flip='often'."),
    ],
)
def test_wrong_value_is_named_with_its_rule(key: str, value: Any, message: str) -> None:
    assert message in wrong(key, value)


@pytest.mark.parametrize("key", sorted(SearchConfig.model_fields))
@pytest.mark.parametrize("value", [True, False])
def test_truth_value_is_no_number(key: str, value: bool) -> None:
    assert f"search.{key} must be " in wrong(f"search.{key}", value)


@pytest.mark.parametrize(
    ("key", "value", "given"),
    [
        ("search.trials", True, "trials=true"),
        ("search.group_size", True, "group_size=true"),
        ("search.seed", False, "seed=false"),
        ("search.lr_factors", [True, 0.5], "lr_factors=[true, 0.5]"),
        ("search.rungs.first", True, "first=true"),
        ("search.rungs.reduction_factor", True, "reduction_factor=true"),
    ],
)
def test_truth_value_is_told_as_it_was_written(key: str, value: Any, given: str) -> None:
    remedy = "Write the number itself, or leave the key out."
    assert f"{key} must be a number, got {given}. {remedy}" in wrong(key, value)


def test_key_that_is_no_text_is_unknown() -> None:
    with pytest.raises(ConfigError, match="1"):
        make_config({1: "a"})  # type: ignore[dict-item]


class TestTrialsAndSpace:
    SPACE: ClassVar[dict[str, Any]] = {"stages": 1, "min_blocks": 1, "max_blocks": 2}

    def test_as_many_trials_as_architectures_are_allowed(self) -> None:
        config = make_config({"space": self.SPACE, "search": {"trials": 12}})
        assert config.make_space().size == config.search.trials

    def test_one_more_is_refused(self) -> None:
        message = "got trials=13 for 12 architectures. Ask for fewer, widen the space, or set"
        with pytest.raises(ConfigError, match=message):
            make_config({"space": self.SPACE, "search": {"trials": 13}})

    def test_equal_architectures_may_be_trained_on_several_seeds(self) -> None:
        search = {"trials": 13, "duplicates": "reseed"}
        assert make_config({"space": self.SPACE, "search": search}).search.trials == 13


@pytest.mark.parametrize(
    ("mode", "goal", "share"),
    [
        ("search", "best", 0.0),
        ("search", "both", 0.5),
        ("search", "map", 1.0),
        ("effects", "both", 1.0),
    ],
)
def test_goal_sets_the_share_of_the_design(mode: str, goal: str, share: float) -> None:
    assert make_config({"search": {"mode": mode, "goal": goal}}).search.design_share == share


@pytest.mark.parametrize("storage", ["journal", "a.log", "dir/journal", "sqlite:///a.db"])
def test_storage_is_a_word_a_path_or_a_url(storage: str) -> None:
    assert make_config({"storage": storage}).storage == storage


def test_what_may_differ_on_resume_are_keys_that_exist() -> None:
    keys = make_config({}).to_dict()
    for name in RESUMABLE:
        found: Any = keys
        for part in name.split("."):
            assert part in found
            found = found[part]


class TestOwnTask:
    TASK: ClassVar[dict[str, Any]] = {"class_path": "my_task.Focal", "init_args": {"gamma": 2.0}}
    F1: ClassVar[dict[str, Any]] = {"metric": "val/macro_f1", "direction": "maximize"}

    def test_its_metric_may_be_optimised(self) -> None:
        config = make_config({"task": self.TASK, "search": self.F1})
        assert config.task is not None
        assert (config.task.class_path, config.search.metric) == ("my_task.Focal", "val/macro_f1")
        assert make_config(config.to_dict()) == config

    def test_its_metric_needs_a_direction(self) -> None:
        with pytest.raises(
            ConfigError,
            match=r"search\.direction must be given for metric 'val/macro_f1' of your task, got none",
        ):
            make_config({"task": self.TASK, "search": {"metric": "val/macro_f1"}})

    def test_usual_metrics_keep_their_direction(self) -> None:
        with pytest.raises(ConfigError, match="must be 'maximize' for metric 'val/accuracy'"):
            make_config({"task": self.TASK, "search": {"metric": "val/accuracy"}})

    def test_it_is_part_of_what_a_study_is(self) -> None:
        config = make_config({"task": self.TASK})
        assert config.fixed()["task"] == self.TASK
        with pytest.raises(
            ResumeError, match=r"was started with task=\{'class_path': 'my_task.Fo"
        ):
            check_resume(config, make_config({}))
        other = {"class_path": "my_task.Focal", "init_args": {"gamma": 1.0}}
        with pytest.raises(ResumeError, match=r"got task=.*'gamma': 1.0"):
            check_resume(config, make_config({"task": other}))


def test_rungs_and_a_pruner_exclude_each_other() -> None:
    search = {"rungs": {}, "pruner": {"class_path": "optuna.pruners.MedianPruner"}}
    message = "must not both be given, got pruner=optuna.pruners.MedianPruner. Both end trials"
    with pytest.raises(ConfigError, match=message):
        make_config({"search": search})


def test_rungs_are_part_of_what_a_study_is() -> None:
    assert "rungs" not in make_config({}).fixed()["search"]
    fixed = make_config({"search": {"rungs": {"first": 1}}}).fixed()
    assert fixed["search"]["rungs"] == {"first": 1, "reduction_factor": 2}


class TestDesign:
    TWO: ClassVar = {"kinds": ["none", "identity"]}

    @pytest.mark.parametrize("factors", [[], [0], [-1, 1], [1, 1], [math.inf], [math.nan]])
    def test_factors_of_the_rate_are_distinct_positive_numbers(self, factors: list[float]) -> None:
        with pytest.raises(
            ConfigError,
            match=r"search\.lr_factors must be distinct numbers > 0, at least one, got "
            r"lr_factors=\[.*\]\. Write \[1\], or \[0\.333, 1\] for two rates\.",
        ):
            make_config({"search": {"lr_factors": factors}})

    def test_trials_may_have_a_rate_of_their_own_by_a_range_or_by_factors(self) -> None:
        ranged = {"lr": {"low": 0.1, "high": 1.0}, "weight_decay": {"low": 1e-5, "high": 1e-4}}
        crossed = {"lr_factors": [0.333, 1]}
        assert make_config({}).own_recipe_fields == ()
        assert make_config({"search": crossed}).own_recipe_fields == ("lr",)
        both = make_config({"recipe": ranged, "search": crossed})
        assert both.own_recipe_fields == ("lr", "weight_decay")

    def test_limits_make_auto_random_and_exclude_mirrors(self) -> None:
        limits = {"max_params": 10**6}
        assert make_config({}).design == "auto"
        assert make_config({"constraints": limits}).design == "random"
        assert make_config({"search": {"design": "mirrored"}}).design == "mirrored"
        with pytest.raises(
            ConfigError,
            match=r"search\.design=mirrored and constraints must not both be given, got "
            r"constraints\.max_params: rows beyond a limit would leave others without their "
            r"mirror\. Set search\.design=random, or leave the limit out\.",
        ):
            make_config({"constraints": limits, "search": {"design": "mirrored"}})

    def test_a_study_is_what_its_design_comes_to(self) -> None:
        def fixed(**changes: object) -> object:
            return make_config(changes).fixed()["search"].get("design")

        assert fixed() is None
        assert fixed(space=self.TWO) == "mirrored"
        assert fixed(space=self.TWO, search={"design": "mirrored"}) == "mirrored"
        assert fixed(space=self.TWO, search={"design": "random"}) is None
        assert fixed(space=self.TWO, search={"goal": "best"}) is None
        assert fixed(space=self.TWO, constraints={"max_layers": 40}) is None
        assert "lr_factors" not in make_config({}).fixed()["search"]
        crossed = make_config({"search": {"lr_factors": [0.5, 1]}}).fixed()
        assert crossed["search"]["lr_factors"] == [0.5, 1.0]
