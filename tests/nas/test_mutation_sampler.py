import pickle
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.config import ClassPath, SearchConfig, make_config
from nas.constraints import Constraints, Limits, broken
from nas.errors import ConfigError
from nas.mutation_sampler import MutationSampler
from nas.sampling import SamplerMirror, make_sampler, parameters_of
from search_spaces.complexity import complexity
from search_spaces.registry import make_space
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec, InputShape, Kind

IMAGES = InputShape(channels=1, height=8, width=8)
SPACE = make_space({"stages": 2, "max_blocks": 3}, IMAGES, 10)
DEEP = make_space({"stages": 2, "min_blocks": 8, "max_blocks": 8}, IMAGES, 10)


def without_skip(spec: ArchitectureSpec) -> float:
    """A value that is best where every block has an identity, whatever the depth."""
    worth = {Kind.NONE: 1.0, Kind.PROJECTION: 0.5, Kind.IDENTITY: 0.0}
    return sum(worth[kind] for kind in spec.kinds) / len(spec.kinds)


def searched(
    sampler: optuna.samplers.BaseSampler,
    space: SearchSpace,
    number: int = 60,
    direction: Literal["minimize", "maximize"] = "minimize",
    value_of: Callable[[ArchitectureSpec], float] = without_skip,
    outstanding: int = 1,
) -> optuna.Study:
    """Search with so many asks between tells; only new architectures cost a trial."""
    study = optuna.create_study(sampler=sampler, direction=direction)
    for _ in range(number // outstanding):
        asked = [study.ask() for _ in range(outstanding)]
        specs = [space.suggest(trial) for trial in asked]
        for trial, spec in zip(asked, specs, strict=True):
            study.tell(trial, value_of(spec))
    return study


def num_different(before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    return sum(before.get(name) != value for name, value in after.items())


class TestProposals:
    def test_first_ones_are_uniform_and_later_ones_good_ones_with_one_answer_changed(self) -> None:
        study = searched(MutationSampler(0, startup_trials=20, parents=4), DEEP, 50)
        trials = study.trials
        for trial in trials[20:]:
            earlier = trials[: trial.number]
            assert min(num_different(t.params, trial.params) for t in earlier) == 1
        nearest = [
            min(num_different(t.params, u.params) for t in trials[:20] if t is not u)
            for u in trials[:20]
        ]
        assert min(nearest) > 3

    @pytest.mark.parametrize("surrogate", [True, False])
    def test_no_architecture_is_proposed_again_while_there_are_others(
        self, surrogate: bool
    ) -> None:
        study = searched(MutationSampler(1, startup_trials=4, surrogate=surrogate), DEEP, 80)
        assert len({tuple(trial.params.items()) for trial in study.trials}) == 80

    def test_outstanding_ones_differ(self) -> None:
        study = searched(MutationSampler(2), DEEP, 64, outstanding=16)
        assert len({tuple(trial.params.items()) for trial in study.trials}) == 64

    def test_where_all_was_tried_it_goes_on(self) -> None:
        tiny = make_space({"stages": 1, "min_blocks": 1, "max_blocks": 1}, IMAGES, 10)
        study = searched(MutationSampler(0, startup_trials=2), tiny, 12)
        assert len({tuple(trial.params.items()) for trial in study.trials}) == 3

    def test_search_gets_further_than_a_random_one_and_the_fit_helps(self) -> None:
        def best(make: Callable[[int], optuna.samplers.BaseSampler]) -> float:
            return sum(searched(make(seed), DEEP, outstanding=4).best_value for seed in range(5))

        changed = best(MutationSampler)
        unguided = best(lambda seed: MutationSampler(seed, surrogate=False))
        assert changed < 0.7 * unguided
        assert unguided < best(optuna.samplers.RandomSampler)

    def test_larger_can_be_better(self) -> None:
        study = searched(
            MutationSampler(0),
            DEEP,
            direction="maximize",
            value_of=lambda spec: 1 - without_skip(spec),
        )
        assert study.best_value > 0.8

    def test_same_seed_proposes_the_same_and_a_new_one_something_else(self) -> None:
        def asked(sampler: MutationSampler) -> list[dict[str, Any]]:
            return [trial.params for trial in searched(sampler, SPACE, 25).trials]

        again = MutationSampler(3)
        assert asked(MutationSampler(3)) == asked(again)
        reseeded = MutationSampler(3)
        reseeded.reseed_rng()
        assert asked(reseeded) != asked(MutationSampler(3))
        # The same sampler in another study knows nothing of the first.
        assert len(asked(again)) == 25

    def test_numbers_change_to_near_ones_within_their_range(self) -> None:
        def objective(trial: optuna.Trial) -> float:
            lr = trial.suggest_float("recipe.lr", 0.01, 1.0, log=True)
            width = trial.suggest_int("width", 8, 64, step=8)
            drop = trial.suggest_float("drop", 0.0, 0.5, step=0.125)
            if trial.suggest_categorical("skip.stage1.block1", [None, "identity"]) is None:
                return 10.0
            return abs(np.log10(lr) + 1) + abs(width - 40) / 8 + abs(drop - 0.25)

        def best(sampler: optuna.samplers.BaseSampler) -> float:
            study = optuna.create_study(sampler=sampler)
            study.optimize(objective, n_trials=100)
            return study.best_value

        assert np.median([best(MutationSampler(seed)) for seed in range(4)]) < 0.1
        study = optuna.create_study(sampler=MutationSampler(0))
        study.optimize(objective, n_trials=40)
        assert {t.params["width"] % 8 for t in study.trials} == {0}
        assert {t.params["drop"] for t in study.trials} <= {0.0, 0.125, 0.25, 0.375, 0.5}


class TestConditionalDecisions:
    def test_new_blocks_are_answered_as_in_another_good_architecture(self) -> None:
        study = optuna.create_study(sampler=MutationSampler(0, startup_trials=1, parents=2))
        for depths, value in (((3, 3), 0.0), ((1, 1), -1.0)):
            params, distributions = parameters_of(SPACE, SPACE.uniform(depths, Kind.IDENTITY))
            study.add_trial(create_trial(value=value, params=params, distributions=distributions))
        deeper = 0
        for _ in range(12):
            trial = study.ask()
            spec = SPACE.suggest(trial)
            if sum(spec.depths) == 3:
                deeper += 1
                assert set(spec.kinds) == {Kind.IDENTITY}
            study.tell(trial, state=TrialState.FAIL)
        assert deeper

    @pytest.mark.parametrize(
        "space",
        [
            SPACE,
            make_space({"stages": 2, "max_blocks": 4, "width": [8, 12, 20]}, IMAGES, 10),
            make_space(
                {"name": "longskip", "stages": 2, "max_blocks": 4, "max_fan_in": 2}, IMAGES, 10
            ),
        ],
        ids=["residual", "widths", "longskip"],
    )
    def test_every_proposal_is_in_the_space(self, space: SearchSpace) -> None:
        study = searched(MutationSampler(0), space, 120, outstanding=8)
        for trial in study.trials:
            assert space.decisions(space.from_decisions(trial.params)) == trial.params
        late = [without_skip(space.from_decisions(t.params)) for t in study.trials[80:]]
        assert np.mean(late) < 0.35

    def test_fit_learns_that_depth_rules_blocks_out(self) -> None:
        # Deep is bad, and so is every answer of a deep network's blocks.
        study = searched(MutationSampler(0), SPACE, 100, value_of=lambda spec: len(spec.kinds) / 6)
        assert study.best_value == pytest.approx(2 / 6)


class TestLearning:
    def test_pruned_and_failed_trials_are_no_parents(self) -> None:
        study = optuna.create_study(sampler=MutationSampler(0, startup_trials=1, parents=1))
        good, bad = (
            parameters_of(DEEP, DEEP.uniform((8, 8), kind))
            for kind in (Kind.IDENTITY, Kind.PROJECTION)
        )
        study.add_trial(create_trial(value=1.0, params=good[0], distributions=good[1]))
        for state in (TrialState.PRUNED, TrialState.FAIL):
            study.add_trial(
                create_trial(
                    state=state,
                    params=bad[0],
                    distributions=bad[1],
                    intermediate_values={1: 0.0} if state is TrialState.PRUNED else {},
                )
            )
        for _ in range(10):
            trial = study.ask()
            DEEP.suggest(trial)
            assert num_different(good[0], trial.params) == 1

    def test_pruned_trials_warn_the_fit(self) -> None:
        mirror = SamplerMirror(DEEP, SearchConfig(sampler="mutation"))
        for _ in range(60):
            ask = mirror.ask()
            if ask.params["skip.stage1.block1"] == "none":
                mirror.report(ask, 1, 9.0)
                mirror.tell(ask, TrialState.PRUNED)
            else:
                mirror.tell(ask, TrialState.COMPLETE, without_skip(ask.spec))
        last = [mirror.ask().params["skip.stage1.block1"] for _ in range(10)]
        assert "none" not in last

    def test_effects_can_be_read(self) -> None:
        sampler = MutationSampler(0)
        assert sampler.effects() == {}
        searched(sampler, DEEP)
        effects = sampler.effects()
        assert len(effects) == 18
        skip = effects["skip.stage2.block3"]
        assert skip["identity"] < skip["none"]

    def test_trials_seen_through_a_pruner_of_parts_are_learned(self) -> None:
        # Hyperband shows the sampler the trials of one bracket at a time.
        pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=4)
        study = optuna.create_study(sampler=MutationSampler(0), pruner=pruner)

        def objective(trial: optuna.Trial) -> float:
            value = without_skip(DEEP.suggest(trial))
            for step in range(4):
                trial.report(value, step)
                if trial.should_prune():
                    raise optuna.TrialPruned
            return value

        study.optimize(objective, n_trials=60)
        assert study.best_value < 0.3

    def test_threads_may_share_it_and_it_can_be_pickled(self) -> None:
        sampler = MutationSampler(0)
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: without_skip(DEEP.suggest(trial)), n_trials=60, n_jobs=4)
        copy = pickle.loads(pickle.dumps(sampler))  # noqa: S301
        study.sampler = copy
        DEEP.suggest(study.ask())
        assert study.best_value < 0.3


class TestConstraints:
    LIMITS = Limits(Constraints(max_params=21_000))
    """One of five random networks is allowed."""

    def test_sampler_learns_to_stay_below_a_limit(self) -> None:
        space = make_space({"stages": 3, "max_blocks": 2}, IMAGES, 10)
        mirror = SamplerMirror(space, SearchConfig(sampler="mutation"), limits=self.LIMITS)
        allowed: list[bool] = []
        for _ in range(100):
            ask = mirror.ask()
            allowed.append(broken(ask.excess) is None)
            if allowed[-1]:
                # Larger ones are better.
                mirror.tell(ask, TrialState.COMPLETE, -complexity(ask.spec).params)
            else:
                mirror.refuse(ask)
        assert sum(allowed[40:]) > 40

    def test_where_nothing_was_allowed_yet_it_changes_what_is_nearest(self) -> None:
        limits = Limits(Constraints(max_params=40_000))
        mirror = SamplerMirror(DEEP, SearchConfig(sampler="mutation"), limits=limits)
        excesses = []
        for _ in range(80):
            ask = mirror.ask()
            excesses.append(max(ask.excess.values()))
            mirror.refuse(ask)
        assert np.mean(excesses[60:]) < np.mean(excesses[:10])


class TestSetting:
    def test_configuration_names_it(self) -> None:
        assert isinstance(make_sampler("mutation", 0), MutationSampler)
        path = ClassPath(
            class_path="nas.mutation_sampler.MutationSampler", init_args={"surrogate": False}
        )
        assert isinstance(make_sampler(path, 0), MutationSampler)
        assert make_config({"search": {"sampler": "mutation"}}).search.sampler == "mutation"

    @pytest.mark.parametrize("name", ["parents", "changes"])
    def test_numbers_must_be_positive(self, name: str) -> None:
        with pytest.raises(ConfigError, match=f"{name} must be >= 1, got {name}=0"):
            make_sampler(
                ClassPath(class_path="nas.mutation_sampler.MutationSampler", init_args={name: 0}),
                0,
            )

    def test_study_has_one_objective(self) -> None:
        study = optuna.create_study(sampler=MutationSampler(), directions=["minimize", "maximize"])
        with pytest.raises(ConfigError, match="must have one objective, got 2 directions"):
            study.ask()

    def test_enqueued_answers_are_kept(self) -> None:
        study = searched(MutationSampler(0), DEEP, 20)
        study.enqueue_trial({"skip.stage1.block1": "none"})
        trial = study.ask()
        DEEP.suggest(trial)
        assert trial.params["skip.stage1.block1"] == "none"


def test_asking_takes_no_longer_in_a_long_study() -> None:
    space = make_space({"stages": 3, "max_blocks": 5}, IMAGES, 10)
    rng = np.random.default_rng(0)

    def seconds(number: int) -> float:
        sampler = MutationSampler(0)
        study = optuna.create_study(sampler=sampler)
        trials: list[FrozenTrial] = []
        for _ in range(number):
            params, distributions = parameters_of(space, space.sample(rng))
            trials.append(
                create_trial(value=float(rng.normal()), params=params, distributions=distributions)
            )
        study.add_trials(trials)
        found = []
        for _ in range(40):
            start = time.process_time()
            trial = study.ask()
            found.append(time.process_time() - start)
            space.suggest(trial)
            study.tell(trial, float(rng.normal()))
        return float(np.median(found))

    short, long = seconds(200), seconds(3000)
    assert long < max(3 * short, 0.003)
