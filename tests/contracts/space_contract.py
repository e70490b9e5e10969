"""What every search space must do; run it on your own by subclassing and filling in `space`.

    class TestMySpace(SpaceContract):
        @pytest.fixture
        def space(self) -> SearchSpace:
            return MySpace(...)

Give it a small space (few blocks, narrow, small images), since networks are built and run.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import optuna
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from search_spaces import (
    ArchitectureSpec,
    Decision,
    Kind,
    SearchSpace,
    SpaceError,
    build_candidate,
    complexity,
)
from search_spaces.space import Value

MOST_ENUMERATED = 2000

seeds = st.integers(min_value=0, max_value=2**32 - 1)
# Spaces are immutable, so that one fixture may serve all examples of a test.
property_test = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


class RecordingTrial:
    """Answers like an Optuna trial from given parameters, and remembers what was asked."""

    def __init__(self, params: dict[str, Value]) -> None:
        self.params = params
        self.asked: list[str] = []

    def suggest_int(self, name: str, low: int, high: int) -> int:
        self.asked.append(name)
        value = self.params[name]
        assert isinstance(value, int)
        assert low <= value <= high
        return value

    def suggest_categorical(self, name: str, choices: Sequence[str]) -> str:
        self.asked.append(name)
        value = self.params[name]
        assert value in choices
        return str(value)


def draw(space: SearchSpace, seed: int) -> ArchitectureSpec:
    """One random spec of the space."""
    return space.sample(np.random.default_rng(seed))


def enumerate_specs(space: SearchSpace) -> Iterator[ArchitectureSpec]:
    """Every way to answer the decisions, depth first."""
    pending: list[tuple[Value, ...]] = [()]
    while pending:
        prefix = pending.pop()
        asked: list[Decision] = []

        def choose(
            decision: Decision,
            prefix: tuple[Value, ...] = prefix,
            asked: list[Decision] = asked,
        ) -> Value:
            asked.append(decision)
            index = len(asked) - 1
            return prefix[index] if index < len(prefix) else decision.choices[0]

        yield space.decide(choose)
        answers = list(prefix) + [d.choices[0] for d in asked[len(prefix) :]]
        for index in range(len(prefix), len(asked)):
            others = asked[index].choices[1:]
            pending.extend((*answers[:index], value) for value in others)


def images_for(spec: ArchitectureSpec, batch: int) -> torch.Tensor:
    """Random images of the spec's input shape."""
    generator = torch.Generator().manual_seed(0)
    shape = (batch, spec.input.channels, spec.input.height, spec.input.width)
    return torch.randn(shape, generator=generator)


class SpaceContract:
    """The contract; a subclass defines the fixture `space`."""

    @pytest.fixture
    def space(self) -> SearchSpace:
        raise NotImplementedError("Define the fixture `space` in the subclass.")

    @property_test
    @given(seed=seeds)
    def test_sample_is_contained(self, space: SearchSpace, seed: int) -> None:
        assert space.contains(draw(space, seed))

    @property_test
    @given(seed=seeds)
    def test_same_seed_gives_the_same_samples(self, space: SearchSpace, seed: int) -> None:
        one, other = np.random.default_rng(seed), np.random.default_rng(seed)
        assert [space.sample(one) for _ in range(3)] == [space.sample(other) for _ in range(3)]

    def test_sampling_leaves_the_global_random_state_alone(self, space: SearchSpace) -> None:
        # The legacy interface is the state that must be left alone.
        before = np.random.get_state(legacy=False)  # noqa: NPY002
        draw(space, 0)
        after = np.random.get_state(legacy=False)  # noqa: NPY002
        np.testing.assert_equal(after, before)

    @property_test
    @given(seed=seeds)
    def test_json_round_trip_keeps_spec_and_id(self, space: SearchSpace, seed: int) -> None:
        spec = draw(space, seed)
        again = ArchitectureSpec.from_json(spec.to_json())
        assert again == spec
        assert again.spec_id == spec.spec_id

    @property_test
    @given(seed=seeds, other_seed=seeds)
    def test_ids_are_equal_exactly_when_specs_are(
        self, space: SearchSpace, seed: int, other_seed: int
    ) -> None:
        one, other = draw(space, seed), draw(space, other_seed)
        assert (one.spec_id == other.spec_id) == (one == other)

    @property_test
    @given(seed=seeds)
    def test_decisions_and_from_decisions_are_inverse(self, space: SearchSpace, seed: int) -> None:
        spec = draw(space, seed)
        answers = space.decisions(spec)
        assert space.from_decisions(answers) == spec
        assert space.decisions(space.from_decisions(answers)) == answers

    @property_test
    @given(seed=seeds)
    def test_every_missing_answer_is_an_error_that_names_it(
        self, space: SearchSpace, seed: int
    ) -> None:
        answers = space.decisions(draw(space, seed))
        for name in answers:
            fewer = {key: value for key, value in answers.items() if key != name}
            with pytest.raises(SpaceError, match=f"got none for '{name}'"):
                space.from_decisions(fewer)

    def test_unknown_answer_is_an_error_that_names_it(self, space: SearchSpace) -> None:
        answers = space.decisions(draw(space, 0)) | {"skip.nowhere": "identity"}
        with pytest.raises(SpaceError, match=r"got 'skip.nowhere'"):
            space.from_decisions(answers)

    @property_test
    @given(seed=seeds)
    def test_trial_is_asked_the_decisions_that_exist_in_their_order(
        self, space: SearchSpace, seed: int
    ) -> None:
        spec = draw(space, seed)
        trial = RecordingTrial(space.decisions(spec))
        assert space.suggest(trial) == spec
        assert trial.asked == list(space.decisions(spec))

    @property_test
    @given(seed=seeds)
    def test_fixed_optuna_trial_gives_the_spec_back(self, space: SearchSpace, seed: int) -> None:
        spec = draw(space, seed)
        assert space.suggest(optuna.trial.FixedTrial(dict(space.decisions(spec)))) == spec

    def test_asked_optuna_trial_holds_the_decisions_as_parameters(
        self, space: SearchSpace
    ) -> None:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for _ in range(3):
            trial = study.ask()
            spec = space.suggest(trial)
            assert trial.params == space.decisions(spec)
            study.tell(trial, 0.0)

    @property_test
    @given(seed=seeds)
    def test_neighbours_are_contained_and_distinct(self, space: SearchSpace, seed: int) -> None:
        spec = draw(space, seed)
        ids = [neighbour.spec_id for neighbour in space.neighbours(spec)]
        assert all(space.contains(neighbour) for neighbour in space.neighbours(spec))
        assert len({spec.spec_id, *ids}) == len(ids) + 1

    @property_test
    @given(seed=seeds)
    def test_neighbours_differ_in_one_decision_and_what_it_brings_or_removes(
        self, space: SearchSpace, seed: int
    ) -> None:
        spec = draw(space, seed)
        answers = space.decisions(spec)
        for neighbour in space.neighbours(spec):
            theirs = space.decisions(neighbour)
            changed = [n for n in answers if n in theirs and answers[n] != theirs[n]]
            assert len(changed) == 1
            if not changed[0].startswith("depth."):
                assert list(theirs) == list(answers)

    def test_size_counts_every_architecture_once(self, space: SearchSpace) -> None:
        if space.size > MOST_ENUMERATED:
            pytest.skip(f"{space.size} architectures are too many to enumerate")
        specs = list(enumerate_specs(space))
        assert len(specs) == space.size
        assert len({spec.spec_id for spec in specs}) == space.size
        assert all(space.contains(spec) for spec in specs)

    @property_test
    @given(seed=seeds)
    def test_no_sample_is_deeper_than_the_deepest(self, space: SearchSpace, seed: int) -> None:
        depths = draw(space, seed).depths
        assert len(depths) == len(space.deepest)
        assert all(depth <= most for depth, most in zip(depths, space.deepest, strict=True))

    def test_anchors_end_with_the_deepest(self, space: SearchSpace) -> None:
        assert space.anchor_depths[-1] == space.deepest
        assert list(space.anchor_depths) == sorted(set(space.anchor_depths))

    @pytest.mark.parametrize("kind", list(Kind))
    def test_uniform_network_has_one_kind_everywhere(self, space: SearchSpace, kind: Kind) -> None:
        for depths in space.anchor_depths:
            spec = space.uniform(depths, kind)
            assert spec.depths == depths
            assert set(spec.kinds) == {kind}

    @pytest.mark.parametrize("seed", range(3))
    def test_network_gives_one_logit_per_class(self, space: SearchSpace, seed: int) -> None:
        spec = draw(space, seed)
        assert build_candidate(spec)(images_for(spec, batch=2)).shape == (2, spec.num_classes)

    @pytest.mark.parametrize("seed", range(3))
    def test_every_parameter_gets_a_gradient(self, space: SearchSpace, seed: int) -> None:
        spec = draw(space, seed)
        network = build_candidate(spec, torch.Generator().manual_seed(seed))
        classes = torch.arange(8) % spec.num_classes
        functional.cross_entropy(network(images_for(spec, batch=8)), classes).backward()
        without = [
            name
            for name, parameter in network.named_parameters()
            if parameter.grad is None or not parameter.grad.any()
        ]
        assert without == []

    @pytest.mark.parametrize("seed", range(5))
    def test_arithmetic_equals_the_built_network(self, space: SearchSpace, seed: int) -> None:
        spec = draw(space, seed)
        assert (complexity(spec).params, complexity(spec).macs) == measured_complexity(spec)


def measured_complexity(spec: ArchitectureSpec) -> tuple[int, int]:
    """Trainable parameters and multiply-adds of the built network, counted by torch."""
    network = build_candidate(spec).eval()
    params = sum(p.numel() for p in network.parameters() if p.requires_grad)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(images_for(spec, batch=1))
    return params, counter.get_total_flops() // 2
