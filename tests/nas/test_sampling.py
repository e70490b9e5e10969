import sys
from pathlib import Path
from typing import Any, ClassVar, Literal

import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import MedianPruner, NopPruner
from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.config import ClassPath, SearchConfig, make_config
from nas.constraints import Constraints, Limits, broken
from nas.errors import ConfigError
from nas.sampling import (
    SamplerMirror,
    distribution_of,
    load_class,
    make_pruner,
    make_sampler,
    parameters_of,
)
from nas.tpe import LongTPESampler
from search_spaces.complexity import complexity
from search_spaces.errors import SpaceError
from search_spaces.registry import make_space
from search_spaces.space import Decision
from search_spaces.spec import InputShape, Kind

SPACE = make_space(
    {"stages": 2, "max_blocks": 2}, InputShape(channels=1, height=8, width=8), num_classes=10
)


SPACE_3 = make_space(
    {"stages": 3, "max_blocks": 2}, InputShape(channels=1, height=8, width=8), num_classes=10
)


class Watching(RandomSampler):
    """Remembers the constraints of the trials that it could learn from."""

    seen: ClassVar[list[dict[str, float]]] = []

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self.seen.extend(trial.constraints for trial in study.trials[:-1])


def mirror_of(**search: Any) -> SamplerMirror:
    return SamplerMirror(SPACE, SearchConfig(**search))


class TestAsk:
    def test_answers_are_those_of_the_proposed_network(self) -> None:
        ask = mirror_of(sampler="random").ask()
        assert ask.params == SPACE.decisions(ask.spec)
        assert set(ask.distributions) == set(ask.params)

    def test_given_answers_are_kept_and_the_rest_is_chosen(self) -> None:
        fixed = {"depth.stage1": 2, "depth.stage2": 1, "skip.stage1.block2": "projection"}
        ask = mirror_of().ask(fixed)
        assert ask.spec.depths == (2, 1)
        assert fixed.items() <= ask.params.items()

    def test_whole_network_can_be_given(self) -> None:
        spec = SPACE.uniform((1, 2), Kind.IDENTITY)
        assert mirror_of().ask(dict(SPACE.decisions(spec))).spec == spec

    @pytest.mark.parametrize(
        ("fixed", "message"),
        [
            ({"depth.stage1": 3}, r"depth.stage1 must be one of \[1, 2\], got 3"),
            ({"skip.stage1.block1": "identiy"}, r"'projection'\], got 'identiy'"),
            (
                {"skip.stage9.block1": "none"},
                "may be answered, got 'skip.stage9.block1' for a net",
            ),
            ({"depth.stage1": 1, "skip.stage1.block2": "none"}, "got 'skip.stage1.block2' for a"),
            ({"lr": 0.1}, "got 'lr' for a network of .* blocks per stage. Remove it"),
        ],
    )
    def test_answer_to_no_question_is_refused_and_teaches_nothing(
        self, fixed: dict[str, Any], message: str
    ) -> None:
        mirror = mirror_of()
        with pytest.raises(SpaceError, match=message):
            mirror.ask(fixed)
        # The next proposal does not inherit the refused answers.
        spec = SPACE.uniform((2, 2), Kind.NONE)
        assert mirror.ask(dict(SPACE.decisions(spec))).spec == spec

    def test_same_seed_asks_the_same(self) -> None:
        asked = [
            [mirror.ask().params for _ in range(5)]
            for mirror in (mirror_of(seed=3), mirror_of(seed=3), mirror_of(seed=4))
        ]
        assert asked[0] == asked[1] != asked[2]


class TestLearning:
    def test_sampler_learns_from_trials_chosen_elsewhere(self) -> None:
        good = SPACE.uniform((2, 2), Kind.IDENTITY)
        mirror = mirror_of()
        for spec in (SPACE.uniform((1, 1), Kind.NONE), good):
            for nth in range(20):
                params, distributions = parameters_of(SPACE, spec)
                value = 0.1 if spec is good else 5.0
                mirror.absorb(
                    create_trial(value=value + nth, params=params, distributions=distributions)
                )
        asked = [mirror.ask() for _ in range(8)]
        depths = [sum(ask.spec.depths) for ask in asked]
        assert sum(depths) / len(depths) > 3

    @pytest.mark.parametrize("state", [TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING])
    def test_unfinished_and_failed_trials_teach_nothing(self, state: TrialState) -> None:
        params, distributions = parameters_of(SPACE, SPACE.uniform((1, 1), Kind.NONE))
        trial = create_trial(state=state, params=params, distributions=distributions)
        taught, untaught = mirror_of(seed=1), mirror_of(seed=1)
        taught.absorb(trial)
        assert taught.ask().params == untaught.ask().params

    def test_every_end_can_be_told(self) -> None:
        mirror = mirror_of()
        mirror.tell(mirror.ask(), TrialState.COMPLETE, 0.5)
        mirror.tell(mirror.ask(), TrialState.FAIL)
        pruned = mirror.ask()
        mirror.report(pruned, 1, 2.0)
        mirror.tell(pruned, TrialState.PRUNED, 2.0)

    def test_pruner_is_asked_after_each_epoch(self) -> None:
        args = {"n_startup_trials": 1, "n_warmup_steps": 0}
        mirror = mirror_of(
            pruner=ClassPath(class_path="optuna.pruners.MedianPruner", init_args=args)
        )
        good = mirror.ask()
        assert not mirror.report(good, 1, 0.1)
        mirror.tell(good, TrialState.COMPLETE, 0.1)
        assert mirror.report(mirror.ask(), 1, 5.0)

    def test_without_a_pruner_nothing_is_pruned(self) -> None:
        mirror = mirror_of()
        for value in (0.1, 100.0):
            ask = mirror.ask()
            assert not mirror.report(ask, 1, value)
            mirror.tell(ask, TrialState.COMPLETE, value)


def test_distributions_are_those_that_the_space_suggests() -> None:
    spec = SPACE.uniform((2, 1), Kind.PROJECTION)
    params, distributions = parameters_of(SPACE, spec)
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    study.enqueue_trial(params)
    trial = study.ask()
    assert SPACE.suggest(trial) == spec
    assert distributions == trial.distributions


def test_parameters_of_a_network_outside_the_space_are_refused() -> None:
    outside = make_space({"stages": 1}, InputShape(channels=1, height=8, width=8), 10)
    with pytest.raises(SpaceError, match="2 stages of 1 to 2 blocks, got 5 blocks per stage"):
        parameters_of(SPACE, outside.uniform((5,), Kind.NONE))


def test_numbers_are_ranges_and_words_are_categories() -> None:
    assert distribution_of(Decision(name="d", choices=(1, 2, 3))) == IntDistribution(1, 3)
    words = ("none", "identity")
    assert distribution_of(Decision(name="k", choices=words)) == CategoricalDistribution(words)


class TestClasses:
    def test_without_optunas_insides_tpe_is_optunas_own(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "nas.tpe", None)
        assert isinstance(make_sampler("tpe", 0), TPESampler)

    def test_words_and_class_paths(self) -> None:
        assert isinstance(make_sampler("tpe", 0), LongTPESampler)
        assert isinstance(make_sampler("random", 0), RandomSampler)
        path = ClassPath(
            class_path="optuna.samplers.NSGAIISampler", init_args={"population_size": 4}
        )
        assert isinstance(make_sampler(path, 0), NSGAIISampler)
        assert isinstance(make_pruner(None), NopPruner)
        pruner = make_pruner(ClassPath(class_path="optuna.pruners.MedianPruner"))
        assert isinstance(pruner, MedianPruner)

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            (
                "optuna.samplers.TPESamplr",
                "importable class, got 'optuna.samplers.TPESamplr' .mod",
            ),
            ("no_such_module.Sampler", "got 'no_such_module.Sampler' .No module named 'no_such_"),
            ("Sampler", "search.sampler.class_path must name an importable class, got 'Sampler'"),
            ("", "got ''"),
            (
                "optuna.pruners.MedianPruner",
                "subclass of optuna's BaseSampler, got 'optuna.pruners",
            ),
            ("optuna.create_study", "subclass of optuna's BaseSampler, got 'optuna.create_study'"),
        ],
    )
    def test_what_is_no_sampler_is_refused(self, path: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            make_sampler(ClassPath(class_path=path), 0)

    def test_wrong_arguments_are_named(self) -> None:
        path = ClassPath(class_path="optuna.samplers.TPESampler", init_args={"sead": 1})
        match = r"TPESampler must take init_args=\{'sead': 1\}, got TypeError: .*'sead'"
        with pytest.raises(ConfigError, match=match):
            make_sampler(path, 0)
        path = ClassPath(
            class_path="optuna.pruners.PercentilePruner", init_args={"percentile": -1}
        )
        with pytest.raises(ConfigError, match=r"search.pruner: .*init_args=\{'percentile': -1\}"):
            make_pruner(path)

    def test_module_in_the_current_folder_is_found_and_hides_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "my_sampler_of_test.py").write_text("class Mine:\n    pass\n")
        (tmp_path / "nas.py").write_text("raise ImportError\n")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
        assert load_class("search.callbacks", "my_sampler_of_test.Mine").__name__ == "Mine"
        assert load_class("search.sampler", "nas.sampling.SamplerMirror") is SamplerMirror
        assert sys.path[-1] == str(tmp_path)


class TestLimits:
    LIMITS = Limits(Constraints(max_params=21_000))
    """One of five random networks is allowed."""

    def share_allowed(self, sampler: Literal["tpe", "random"]) -> float:
        """Share of allowed ones among the last of 100 proposals, where larger ones are better."""
        mirror = SamplerMirror(SPACE_3, SearchConfig(sampler=sampler), limits=self.LIMITS)
        allowed: list[bool] = []
        for _ in range(100):
            ask = mirror.ask()
            allowed.append(broken(ask.excess) is None)
            if allowed[-1]:
                mirror.tell(ask, TrialState.COMPLETE, -complexity(ask.spec).params)
            else:
                mirror.refuse(ask)
        return sum(allowed[40:]) / 60

    def test_sampler_learns_to_stay_below_a_limit(self) -> None:
        assert self.share_allowed("tpe") > 2 * self.share_allowed("random") > 0.2

    def test_proposals_carry_their_constraints_whether_allowed_or_not(self) -> None:
        mirror = SamplerMirror(SPACE_3, SearchConfig(), limits=self.LIMITS)
        for _ in range(10):
            ask = mirror.ask()
            assert ask.trial.constraints == ask.excess == self.LIMITS.excess(ask.spec)

    def test_what_was_trained_elsewhere_keeps_its_constraints(self) -> None:
        spec = SPACE.uniform((2, 2), Kind.NONE)
        params, distributions = parameters_of(SPACE, spec)
        mirror = mirror_of(sampler=ClassPath(class_path=f"{__name__}.Watching"))
        mirror.absorb(
            create_trial(
                value=1.0,
                params=params,
                distributions=distributions,
                constraints={"max_macs": -0.5},
            )
        )
        Watching.seen.clear()
        mirror.ask()
        assert Watching.seen == [{"max_macs": -0.5}]


class TestRanges:
    RECIPE = make_config({"recipe": {"lr": {"low": 0.03, "high": 0.3}}}).recipe

    def test_rate_is_asked_beside_the_architecture(self) -> None:
        mirror = SamplerMirror(SPACE, SearchConfig(), self.RECIPE)
        ask = mirror.ask()
        assert set(ask.params) == {*SPACE.decisions(ask.spec), "recipe.lr"}
        assert ask.distributions["recipe.lr"] == FloatDistribution(0.03, 0.3, log=True)
        assert mirror.ask({"recipe.lr": 0.1}).params["recipe.lr"] == 0.1

    @pytest.mark.parametrize("value", [0.01, 1.0, "0.1", True, None])
    def test_rate_outside_its_range_is_refused(self, value: object) -> None:
        mirror = SamplerMirror(SPACE, SearchConfig(), self.RECIPE)
        with pytest.raises(SpaceError, match=r"recipe.lr must be in \[0.03, 0.3\], got"):
            mirror.ask({"recipe.lr": value})
