"""Against Optuna's own TPE: the same proposals, and from some length on a bounded cost."""

import random
from collections.abc import Iterator
from typing import Literal

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import TrialState

from nas.tpe import LongTPESampler
from nas.tpe_density import CategoricalDensity, recency_weights

Direction = Literal["minimize", "maximize"]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Optuna tells of every trial."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


def optunas(seed: int) -> TPESampler:
    return TPESampler(multivariate=True, group=True, constant_liar=True, seed=seed)


def objective(trial: optuna.Trial) -> tuple[float | None, TrialState]:
    """Conditional kinds, a range, a constraint; some trials fail or are pruned."""
    depths = [trial.suggest_int(f"depth.{stage}", 1, 3) for stage in range(2)]
    value = 0.0
    for stage, depth in enumerate(depths):
        for block in range(depth):
            kind = trial.suggest_categorical(f"skip.{stage}.{block}", ["none", "identity", "proj"])
            value -= {"none": 0.0, "identity": 1.0, "proj": 0.5}[kind] * (1 + stage)
    trial.suggest_categorical("one", ["choice"])
    if depths[0] > 1:
        value += abs(trial.suggest_float("lr", 0.01, 1.0, log=True) - 0.1)
    trial.set_constraint("layers", sum(depths) - 5)
    fate = (sum(depths), random.Random(str(trial.params)).random())
    if fate[0] == 4:
        if fate[1] < 0.5:
            trial.report(value, int(10 * fate[1]))
        return None, TrialState.PRUNED
    if fate[1] > 0.9:
        return None, TrialState.FAIL
    return value, TrialState.COMPLETE


def run(sampler: BaseSampler, direction: Direction, num_groups: int) -> optuna.Study:
    """Ask in groups of four, tell them in another order, now and then add and enqueue others."""
    study = optuna.create_study(direction=direction, sampler=sampler)
    for number in range(num_groups):
        asked = [study.ask() for _ in range(4)]
        told = [(trial, *objective(trial)) for trial in asked]
        for trial, value, state in reversed(told):
            study.tell(trial, value, state=state)
        if number % 5 == 2:
            study.add_trial(study.trials[random.Random(number).randrange(len(study.trials))])
            study.enqueue_trial({"depth.0": 3, "skip.0.1": "proj"})
    return study


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_proposals_are_those_of_optunas_tpe(direction: Direction, seed: int) -> None:
    theirs = run(optunas(seed), direction, 25)
    ours = run(LongTPESampler(seed), direction, 25)
    assert [trial.params for trial in ours.trials] == [trial.params for trial in theirs.trials]
    states = {trial.state for trial in ours.trials}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}


def test_they_are_the_same_as_long_as_the_history_is_whole() -> None:
    theirs = run(optunas(0), "minimize", 40)
    ours = run(LongTPESampler(0, history=60), "minimize", 40)
    same = [a.params == b.params for a, b in zip(ours.trials, theirs.trials, strict=True)]
    finished = (TrialState.COMPLETE, TrialState.PRUNED)
    first = same.index(False)
    assert sum(trial.state in finished for trial in theirs.trials[:first]) > 60


def test_old_trials_that_are_not_good_are_forgotten_and_the_good_are_not() -> None:
    study = optuna.create_study(sampler=LongTPESampler(0, history=30))
    space: dict[str, optuna.distributions.BaseDistribution] = {
        "x": optuna.distributions.CategoricalDistribution(("a", "b", "c"))
    }

    def add(word: str, value: float, number: int) -> None:
        trial = optuna.trial.create_trial(value=value, params={"x": word}, distributions=space)
        for _ in range(number):
            study.add_trial(trial)

    add("a", 0.0, 25)
    add("c", 1.0, 400)
    add("b", 1.0, 30)
    asked = [study.ask() for _ in range(5)]
    assert {trial.suggest_categorical("x", ["a", "b", "c"]) for trial in asked} == {"a"}


def test_proposals_of_running_trials_keep_others_away() -> None:
    theirs, ours = (
        optuna.create_study(sampler=sampler) for sampler in (optunas(3), LongTPESampler(3))
    )
    for study in (theirs, ours):
        for _ in range(15):
            trial = study.ask()
            value, state = objective(trial)
            study.tell(trial, value, state=state)
        for trial in [study.ask() for _ in range(8)]:
            # Asked in part, as by a process that is at work.
            trial.suggest_int("depth.0", 1, 3)
    assert [trial.params for trial in ours.trials] == [trial.params for trial in theirs.trials]
    last = [study.ask() for study in (theirs, ours)]
    for trial in last:
        objective(trial)
    assert last[0].params == last[1].params


def test_a_copy_with_other_numbers_proposes_something_else() -> None:
    samplers = [LongTPESampler(0), LongTPESampler(0)]
    samplers[1].reseed_rng()
    studies = [run(sampler, "minimize", 8) for sampler in samplers]
    assert studies[0].trials[30].params != studies[1].trials[30].params


def test_parameter_that_no_ended_trial_had_is_proposed_too() -> None:
    study = run(LongTPESampler(0), "minimize", 10)
    trial = study.ask()
    assert trial.suggest_categorical("new", ["a", "b"]) in ("a", "b")
    assert 0 <= trial.suggest_float("another", 0, 1) <= 1


def test_sampling_without_a_proposal_before_reads_the_history_itself() -> None:
    study = run(LongTPESampler(0), "minimize", 10)
    trial = study.get_trials()[-1]
    found = study.sampler.sample_independent(
        study, trial, "x", optuna.distributions.FloatDistribution(0, 1)
    )
    assert 0 <= found <= 1


def test_density_takes_categories_only() -> None:
    numbers = {"x": optuna.distributions.IntDistribution(1, 3)}
    with pytest.raises(TypeError, match="all must be categorical, got IntDistribution"):
        CategoricalDensity({"x": np.empty(0)}, numbers)


def test_density_adds_up_to_one() -> None:
    group = {
        "x": optuna.distributions.CategoricalDistribution(("a", "b", "c")),
        "y": optuna.distributions.CategoricalDistribution((1, 2)),
    }
    seen = {"x": np.array([0.0, 0.0, 2.0]), "y": np.array([1.0, 1.0, 0.0])}
    density = CategoricalDensity(seen, group)
    every = {"x": np.repeat([0.0, 1.0, 2.0], 2), "y": np.tile([0.0, 1.0], 3)}
    found = np.exp(density.log_pdf(every))
    assert found.sum() == pytest.approx(1)
    assert found.argmax() == 1
    drawn = density.sample(np.random.RandomState(0), 2000)
    share = np.mean((drawn["x"] == 0) & (drawn["y"] == 1))
    assert share == pytest.approx(found[1], abs=0.03)


def test_weights_are_optunas() -> None:
    assert recency_weights(0).tolist() == []
    assert recency_weights(24).tolist() == [1.0] * 24
    weights = recency_weights(100)
    assert weights[0] == pytest.approx(0.01)
    assert (weights[74:] == 1).all()
    assert (np.diff(weights) >= 0).all()
