import itertools
import threading

import optuna
import pytest
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import FixedTrial, TrialState

from nas.design import design_rows
from nas.design_plan import DesignPlan, DesignRow
from nas.design_sampler import DesignSampler
from nas.errors import ConfigError
from search_spaces import InputShape, Kind, make_space
from search_spaces.complexity import complexity
from tests.nas.spaces import TransitionSpace

SPACE = make_space({"max_blocks": 2}, InputShape(channels=1, height=8, width=8), 10)
PLAIN = SPACE.uniform(SPACE.deepest, Kind.NONE)


def make(share: float = 0.5, seed: int = 0) -> DesignSampler:
    return DesignSampler(RandomSampler(seed=1), SPACE, share=share, seed=seed)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=rf"share must be in \[0, 1\], got share={share}"):
        make(share)


@pytest.mark.parametrize("share", [0.0, 0.25, 1 / 3, 0.5, 0.7, 1.0])
def test_the_share_holds_at_every_length(share: float) -> None:
    sampler = make(share)
    for length in range(1, 60):
        rows = sum(sampler.is_design_row(number) for number in range(length))
        assert abs(rows - share * length) < 1


def test_rows_are_the_design_in_order_whoever_asks() -> None:
    design = design_rows(list(PLAIN.places()), list(Kind), 3)
    expected = [SPACE.decisions(PLAIN.with_kinds(row)) for row in itertools.islice(design, 50)]
    backwards, forwards = make(seed=3), make(seed=3)
    numbers = [number for number in range(100) if forwards.is_design_row(number)]
    assert [forwards.row(number) for number in numbers] == expected
    assert [backwards.row(number) for number in reversed(numbers)] == expected[::-1]
    assert forwards.row(numbers[0] + 1) is None


def test_rows_are_suggested_and_the_rest_is_the_bases() -> None:
    study = optuna.create_study(sampler=make())
    for _ in range(12):
        trial = study.ask()
        spec = SPACE.suggest(trial)
        trial.suggest_float("weight", 0, 1)
        study.tell(trial, 0.0)
        row = make().row(trial.number)
        if row is not None:
            assert SPACE.decisions(spec) == row
    depths = [trial.params["depth.stage1"] for trial in study.trials]
    assert set(depths[::2]) == {2}
    assert set(depths[1::2]) == {1, 2}


def test_two_processes_on_one_storage_draw_one_design() -> None:
    storage = optuna.storages.InMemoryStorage()
    first = optuna.create_study(storage=storage, sampler=make(1.0))
    second = optuna.load_study(study_name=first.study_name, storage=storage, sampler=make(1.0))
    asked = [SPACE.decisions(SPACE.suggest((first, second)[i % 2].ask())) for i in range(6)]
    assert asked == [make(1.0).row(number) for number in range(6)]


def test_threads_share_one_sampler() -> None:
    sampler = make(1.0)
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append([sampler.row(n) for n in range(60)]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(rows == found[0] for rows in found)


def test_the_base_hears_of_every_trial() -> None:
    class Listening(RandomSampler):
        heard: list[str]

        def before_trial(self, study: object, trial: object) -> None:
            self.heard.append("before")

        def after_trial(
            self, study: object, trial: object, state: TrialState, values: object
        ) -> None:
            self.heard.append(state.name)

        def reseed_rng(self) -> None:
            self.heard.append("reseed")

    base = Listening()
    base.heard = []
    study = optuna.create_study(sampler=DesignSampler(base, SPACE))
    study.optimize(lambda trial: float(SPACE.suggest(trial).num_blocks), n_trials=2)
    study.sampler.reseed_rng()
    assert base.heard == ["before", "COMPLETE", "before", "COMPLETE", "reseed"]


def test_tpe_with_groups_is_a_base() -> None:
    base = TPESampler(group=True, multivariate=True, n_startup_trials=2, seed=0)
    study = optuna.create_study(sampler=DesignSampler(base, SPACE))
    study.optimize(lambda trial: 1.0 / SPACE.suggest(trial).num_blocks, n_trials=12)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_an_answer_may_be_fixed_by_hand() -> None:
    row = make().row(0)
    assert row is not None
    assert SPACE.decisions(SPACE.suggest(FixedTrial(dict(row)))) == row


def test_rows_of_a_space_with_spans_are_suggested_whole() -> None:
    fields = {"name": "longskip", "max_blocks": 2, "max_fan_in": 2, "width": [8, 16, 32]}
    space = make_space(fields, InputShape(channels=1, height=8, width=8), 10)
    base = TPESampler(group=True, multivariate=True, n_startup_trials=2, seed=0)
    sampler = DesignSampler(base, space, seed=5)
    study = optuna.create_study(sampler=sampler)
    expected = [row.spec for row in itertools.islice(DesignPlan(space, 5).rows(), 8)]
    found = []
    for _ in range(16):
        trial = study.ask()
        spec = space.suggest(trial)
        study.tell(trial, float(len(spec.skips)))
        if sampler.is_design_row(trial.number):
            found.append(spec)
    assert found == expected
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_a_users_space_is_sampled_by_its_own_choices() -> None:
    space = TransitionSpace()
    study = optuna.create_study(sampler=DesignSampler(RandomSampler(seed=0), space, share=1.0))
    specs = [space.suggest(study.ask()) for _ in range(18)]
    assert len({spec.spec_id for spec in specs}) == 18


def test_a_space_without_decisions_about_skips_is_refused_unless_no_share_is_wanted() -> None:
    space = TransitionSpace(names="wiring")
    DesignSampler(RandomSampler(), space, share=0.0)
    with pytest.raises(ConfigError, match=r"DesignSampler: share: a share of random rows needs"):
        DesignSampler(RandomSampler(), space)


class TestConstraints:
    """Rows within a limit on parameters, which about half of the design keeps."""

    @property
    def limit(self) -> dict[str, int]:
        costs = sorted(complexity(row.spec).params for row in self.first())
        return {"max_params": costs[len(costs) // 2]}

    def first(self) -> list[DesignRow]:
        return list(itertools.islice(DesignPlan(SPACE, 0).rows(), 40))

    def make(self, constraints: object, share: float = 0.5) -> DesignSampler:
        return DesignSampler(RandomSampler(seed=1), SPACE, share=share, constraints=constraints)  # type: ignore[arg-type]

    def test_the_next_allowed_row_is_taken_and_those_left_out_are_counted(self) -> None:
        limit = self.limit
        allowed = [
            (number, row.answers)
            for number, row in enumerate(self.first())
            if complexity(row.spec).params <= limit["max_params"]
        ]
        sampler = self.make(limit)
        rows = [sampler.row(2 * index) for index in range(len(allowed))]
        assert rows == [answers for _, answers in allowed]
        left_out = [sampler.rows_left_out(2 * index) for index in range(len(allowed))]
        assert sum(left_out) == allowed[-1][0] - len(allowed) + 1
        assert sum(left_out) > 0
        assert sampler.row(1) is None
        assert sampler.rows_left_out(1) == 0

    def test_where_no_row_is_allowed_the_design_is_given_up_and_the_base_asked(self) -> None:
        sampler = self.make({"max_layers": 4})
        assert [sampler.row(number) for number in range(6)] == [None] * 6
        assert [sampler.rows_left_out(number) for number in range(6)] == [300, 0, 0, 0, 0, 0]
        study = optuna.create_study(sampler=sampler)
        for _ in range(8):
            SPACE.suggest(study.ask())
        assert {trial.params["depth.stage1"] for trial in study.trials} == {1, 2}

    def test_a_limit_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"Unknown key 'constraints.max_param'"):
            self.make({"max_param": 3})


class TestDesigns:
    TWO = make_space(
        {"max_blocks": 2, "kinds": ["none", "identity"], "stages": 2},
        InputShape(channels=1, height=8, width=8),
        10,
    )

    def make(self, **options: object) -> DesignSampler:
        return DesignSampler(RandomSampler(seed=1), self.TWO, share=1.0, seed=3, **options)  # type: ignore[arg-type]

    def test_rows_of_two_kinds_are_mirrored_unless_asked_otherwise(self) -> None:
        mirrored = DesignPlan(self.TWO, 3, design="mirrored").rows()
        expected = [row.answers for row in itertools.islice(mirrored, 8)]
        assert [self.make().row(number) for number in range(8)] == expected
        random = [self.make(design="random").row(number) for number in range(8)]
        limited = self.make(constraints={"max_params": 10**9})
        assert [limited.row(number) for number in range(8)] == random != expected

    def test_rows_tell_their_rates(self) -> None:
        sampler = self.make(lr_factors=[0.333, 1])
        rates = [sampler.lr_factor(number) for number in range(16)]
        assert rates[::2] == rates[1::2]
        assert set(rates) == {0.333, 1.0}
        half = DesignSampler(RandomSampler(), self.TWO, lr_factors=(0.5,))
        assert [half.lr_factor(number) for number in range(4)] == [0.5, 1.0, 0.5, 1.0]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"design": "foldover"}, r"search\.design must be"),
            ({"lr_factors": [1, 1]}, r"search\.lr_factors must be distinct numbers > 0"),
            ({"lr_factors": []}, r"search\.lr_factors must be distinct numbers > 0"),
            (
                {"design": "mirrored", "constraints": {"max_params": 9}},
                r"search\.design=mirrored and constraints must not both be given",
            ),
        ],
    )
    def test_wrong_designs_and_rates_are_refused(
        self, options: dict[str, object], message: str
    ) -> None:
        with pytest.raises(ConfigError, match=message):
            self.make(**options)
