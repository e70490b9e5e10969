"""What every search space must do; run it on your own by subclassing and filling in `space`.

Give it a small space (few blocks, narrow, small images), since networks are built and run.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nas.decision_names import name_problem
from nas.own_space import of_other_data, strangers
from nas.testing.networks import (
    fingerprint,
    images_for,
    measured_complexity,
    parameters_without_gradient,
    shortcut_logits,
    without_branches,
)
from nas.testing.rewriting import rewrite
from search_spaces import (
    ArchitectureSpec,
    Decision,
    InputShape,
    Kind,
    SearchSpace,
    SpaceError,
    build_candidate,
    complexity,
)
from search_spaces.space import Value

MOST_ENUMERATED = 2000
MOST_PAIRED = 150

seeds = st.integers(min_value=0, max_value=2**32 - 1)
# Spaces are immutable, so that one fixture may serve all examples of a test. How long an example
# takes is up to the machine. Several subclasses share each test, all of them in one session.
property_test = settings(
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.differing_executors,
    ],
    deadline=None,
    max_examples=10,
)
network_test = settings(property_test, max_examples=4)


class RecordingTrial:
    """Answers like an Optuna trial from given parameters, and remembers what was asked."""

    def __init__(self, params: dict[str, Value]) -> None:
        self.params = params
        self.asked: list[str] = []

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """Return the answer, which must be in the range."""
        self.asked.append(name)
        value = self.params[name]
        assert isinstance(value, int)
        assert low <= value <= high
        return value

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return the answer, which must be a choice."""
        self.asked.append(name)
        value = self.params[name]
        assert value in choices
        return value


def draw(space: SearchSpace, seed: int) -> ArchitectureSpec:
    """Draw one random spec of the space."""
    return space.sample(np.random.default_rng(seed))


def asked(space: SearchSpace, spec: ArchitectureSpec) -> dict[str, Decision]:
    """Return the decisions that lead to a spec, by name."""
    answers = space.decisions(spec)
    found: dict[str, Decision] = {}

    def choose(decision: Decision) -> Value:
        found[decision.name] = decision
        return answers[decision.name]

    space.decide(choose)
    return found


def is_neighbour(space: SearchSpace, one: ArchitectureSpec, other: ArchitectureSpec) -> bool:
    """Say whether `other` is one decision away: new ones have their first choice, lost ones go."""
    mine, theirs = space.decisions(one), space.decisions(other)
    changed = [name for name in mine if name in theirs and mine[name] != theirs[name]]
    choices = {name: decision.choices for name, decision in asked(space, other).items()}
    return len(changed) == 1 and all(
        theirs[name] == choices[name][0] for name in theirs if name not in mine
    )


class SpaceContract:
    """The contract; a subclass defines the fixture `space`, and may define `images`."""

    @pytest.fixture
    def space(self) -> SearchSpace:
        """Return the space under test."""
        raise NotImplementedError("Define the fixture `space` in the subclass.")

    @pytest.fixture
    def images(self, space: SearchSpace) -> InputShape:
        """Return the shape that the space was given as `input`.

        Where a subclass does not say it, all networks must still agree on one.
        """
        return space.uniform(space.deepest, Kind.NONE).input

    # Specs and their ids.

    @property_test
    @given(seed=seeds)
    def test_json_round_trip_keeps_spec_and_id(self, space: SearchSpace, seed: int) -> None:
        """A spec read back from its JSON is the same."""
        spec = draw(space, seed)
        again = ArchitectureSpec.from_json(spec.to_json())
        assert again == spec
        assert again.spec_id == spec.spec_id

    @property_test
    @given(seed=seeds, rewriting=seeds)
    def test_id_is_stable_under_rewriting(
        self, space: SearchSpace, seed: int, rewriting: int
    ) -> None:
        """However a network is written, its id is the same."""
        spec = draw(space, seed)
        data = rewrite(spec, np.random.default_rng(rewriting))
        assert ArchitectureSpec.from_dict(data).spec_id == spec.spec_id

    @property_test
    @given(seed=seeds, other_seed=seeds)
    def test_ids_are_equal_exactly_when_specs_are(
        self, space: SearchSpace, seed: int, other_seed: int
    ) -> None:
        """No two specs of one space share an id."""
        one, other = draw(space, seed), draw(space, other_seed)
        assert (one.spec_id == other.spec_id) == (one == other)

    @network_test
    @given(seed=seeds)
    def test_ids_are_equal_exactly_when_networks_are(self, space: SearchSpace, seed: int) -> None:
        """Rewritten specs compute the same, neighbours something else."""
        rng = np.random.default_rng(seed)
        spec = space.sample(rng)
        rewritten = ArchitectureSpec.from_dict(rewrite(spec, rng))
        assert fingerprint(rewritten) == fingerprint(spec)
        neighbours = list(space.neighbours(spec))
        for index in rng.permutation(len(neighbours))[:4]:
            assert fingerprint(neighbours[index]) != fingerprint(spec)

    # The space as a set.

    @property_test
    @given(seed=seeds)
    def test_sample_is_contained(self, space: SearchSpace, seed: int) -> None:
        """What the space draws, it holds."""
        assert space.contains(draw(space, seed))

    def test_networks_take_the_images_that_the_space_was_given(
        self, space: SearchSpace, images: InputShape
    ) -> None:
        """Samples and networks for comparison are for the same images and classes."""
        uniform = [space.uniform(depths, Kind.NONE) for depths in space.anchor_depths]
        specs = [*uniform, *(draw(space, seed) for seed in range(5))]
        assert [spec.input for spec in specs] == [images] * len(specs)
        assert len({spec.num_classes for spec in specs}) == 1

    def test_networks_outside_are_not_contained(self, space: SearchSpace) -> None:
        """What the space takes for its own, its answers lead to; never one for other data."""
        for seed in range(3):
            spec = draw(space, seed)
            for difference, other in of_other_data(spec):
                assert not space.contains(other), difference
            for difference, other in strangers(spec):
                if space.contains(other):
                    again = space.from_decisions(space.decisions(other))
                    assert again.spec_id == other.spec_id, difference

    def test_size_is_an_int(self, space: SearchSpace) -> None:
        """The number of architectures is a Python int."""
        assert type(space.size) is int
        assert space.size >= 1

    @property_test
    @given(seed=seeds)
    def test_same_seed_gives_the_same_samples(self, space: SearchSpace, seed: int) -> None:
        """Sampling depends on the generator alone."""
        one, other = np.random.default_rng(seed), np.random.default_rng(seed)
        assert [space.sample(one) for _ in range(3)] == [space.sample(other) for _ in range(3)]

    def test_sampling_leaves_the_global_random_state_alone(self, space: SearchSpace) -> None:
        """Sampling draws from its generator, never from numpy's own."""
        # The legacy interface is the state that must be left alone.
        before = np.random.get_state(legacy=False)  # noqa: NPY002
        draw(space, 0)
        after = np.random.get_state(legacy=False)  # noqa: NPY002
        np.testing.assert_equal(after, before)

    def test_iteration_gives_every_architecture_once(self, space: SearchSpace) -> None:
        """Iterating over a small space counts its size."""
        if space.size > MOST_ENUMERATED:
            pytest.skip(f"{space.size} architectures are too many to enumerate")
        specs = list(space)
        assert len(specs) == space.size
        assert len({spec.spec_id for spec in specs}) == space.size
        assert all(space.contains(spec) for spec in specs)

    @property_test
    @given(seed=seeds)
    def test_neighbours_are_contained_and_distinct(self, space: SearchSpace, seed: int) -> None:
        """Neighbours are other members of the space, each once."""
        spec = draw(space, seed)
        neighbours = list(space.neighbours(spec))
        assert all(space.contains(neighbour) for neighbour in neighbours)
        ids = {spec.spec_id, *(neighbour.spec_id for neighbour in neighbours)}
        assert len(ids) == len(neighbours) + 1

    @property_test
    @given(seed=seeds)
    def test_neighbours_differ_in_one_decision(self, space: SearchSpace, seed: int) -> None:
        """One common answer differs; what it brings into being has its first choice."""
        spec = draw(space, seed)
        for neighbour in space.neighbours(spec):
            assert is_neighbour(space, spec, neighbour)

    def test_no_neighbour_is_missing(self, space: SearchSpace) -> None:
        """Every spec of a small space that is one decision away is a neighbour."""
        if space.size > MOST_PAIRED:
            pytest.skip(f"{space.size} architectures are too many to compare in pairs")
        specs = list(space)
        for spec in specs[:: max(1, len(specs) // 4)]:
            near = {neighbour.spec_id for neighbour in space.neighbours(spec)}
            expected = {other.spec_id for other in specs if is_neighbour(space, spec, other)}
            assert near == expected

    # Decisions.

    @property_test
    @given(seed=seeds)
    def test_decisions_and_from_decisions_are_inverse(self, space: SearchSpace, seed: int) -> None:
        """A spec's answers lead back to it, in the order in which they are asked."""
        spec = draw(space, seed)
        answers = space.decisions(spec)
        assert space.from_decisions(answers) == spec
        assert list(asked(space, spec)) == list(answers)

    def test_names_of_decisions_say_what_the_network_is(self, space: SearchSpace) -> None:
        """`skip.` and `span.` are about the skip that ends there; no name is one of a column."""
        for seed in range(20):
            spec = draw(space, seed)
            problem = name_problem(spec, space.decisions(spec))
            assert problem is None, problem

    @property_test
    @given(seed=seeds)
    def test_every_missing_answer_is_an_error_that_names_it(
        self, space: SearchSpace, seed: int
    ) -> None:
        """No answer is guessed."""
        answers = space.decisions(draw(space, seed))
        for name in answers:
            fewer = {key: value for key, value in answers.items() if key != name}
            with pytest.raises(SpaceError, match=f"got none for '{name}'"):
                space.from_decisions(fewer)

    def test_unknown_answer_is_an_error_that_names_it(self, space: SearchSpace) -> None:
        """No answer is ignored."""
        answers = space.decisions(draw(space, 0)) | {"skip.nowhere": "identity"}
        with pytest.raises(SpaceError, match=r"got 'skip.nowhere'"):
            space.from_decisions(answers)

    @property_test
    @given(seed=seeds)
    def test_trial_is_asked_the_decisions_that_exist_in_their_order(
        self, space: SearchSpace, seed: int
    ) -> None:
        """An Optuna trial is asked what exists, once."""
        spec = draw(space, seed)
        trial = RecordingTrial(space.decisions(spec))
        assert space.suggest(trial) == spec
        assert trial.asked == list(space.decisions(spec))

    @property_test
    @given(seed=seeds)
    def test_fixed_optuna_trial_gives_the_spec_back(self, space: SearchSpace, seed: int) -> None:
        """Optuna's own trial of given parameters leads to the spec."""
        spec = draw(space, seed)
        assert space.suggest(optuna.trial.FixedTrial(dict(space.decisions(spec)))) == spec

    @pytest.mark.parametrize("sampler", ["random", "tpe"])
    def test_asked_optuna_trial_holds_the_decisions_as_parameters(
        self, space: SearchSpace, sampler: str
    ) -> None:
        """Optuna takes the decisions as parameters, whatever ranges came before."""
        study = optuna.create_study(
            sampler=optuna.samplers.RandomSampler(seed=0)
            if sampler == "random"
            else optuna.samplers.TPESampler(n_startup_trials=3, seed=0)
        )
        for value in range(6):
            trial = study.ask()
            spec = space.suggest(trial)
            assert trial.params == space.decisions(spec)
            study.tell(trial, float(value))

    # The design, and the networks that every study trains for comparison.

    @property_test
    @given(seed=seeds)
    def test_design_rows_are_of_the_space_and_as_deep_as_its_deepest(
        self, space: SearchSpace, seed: int
    ) -> None:
        """What the design fixes is a choice, and leaves networks that have every position."""
        rng = np.random.default_rng(seed)

        def choose(decision: Decision) -> Value:
            fixed = space.fixed_in_design(decision)
            assert fixed is None or fixed in decision.choices
            drawn = decision.choices[int(rng.integers(len(decision.choices)))]
            return drawn if fixed is None else fixed

        spec = space.decide(choose)
        assert space.contains(spec)
        assert spec.depths == space.deepest

    @property_test
    @given(seed=seeds)
    def test_no_sample_is_deeper_than_the_deepest(self, space: SearchSpace, seed: int) -> None:
        """Every position of any network exists in the deepest one."""
        depths = draw(space, seed).depths
        assert len(depths) == len(space.deepest)
        assert all(depth <= most for depth, most in zip(depths, space.deepest, strict=True))

    def test_anchors_end_with_the_deepest(self, space: SearchSpace) -> None:
        """Anchors go from the shallowest to the deepest."""
        assert space.anchor_depths[-1] == space.deepest
        assert list(space.anchor_depths) == sorted(set(space.anchor_depths))

    @pytest.mark.parametrize("kind", list(Kind))
    def test_uniform_network_has_one_kind_everywhere(self, space: SearchSpace, kind: Kind) -> None:
        """Anchors have one kind at every block, whether the space has it or not."""
        for depths in space.anchor_depths:
            spec = space.uniform(depths, kind)
            assert spec.depths == depths
            assert set(spec.kinds) == {kind}

    def test_design_has_the_networks_of_the_deepest_anchors(self, space: SearchSpace) -> None:
        """What all design rows share is what the anchors have, so that the two are comparable."""
        names: list[str] = []

        def choose(decision: Decision) -> Value:
            names.append(decision.name)
            fixed = space.fixed_in_design(decision)
            return decision.choices[0] if fixed is None else fixed

        row = space.decide(choose)
        if not any(name.startswith("skip.") for name in names):
            pytest.skip("The space has no decisions about skips, and so no design")
        assert row.with_skips([]) == space.uniform(space.deepest, Kind.NONE)

    # Networks.

    @network_test
    @given(seed=seeds)
    def test_network_gives_one_logit_per_class(self, space: SearchSpace, seed: int) -> None:
        """Every network takes the space's images and tells its classes apart."""
        spec = draw(space, seed)
        assert build_candidate(spec)(images_for(spec, batch=2)).shape == (2, spec.num_classes)

    @network_test
    @given(seed=seeds)
    def test_every_parameter_gets_a_gradient(self, space: SearchSpace, seed: int) -> None:
        """No part of a network is cut off.

        Three initialisations are tried, since the ReLUs of one may be dead.
        """
        spec = draw(space, seed)
        left = set(parameters_without_gradient(spec, seed=0))
        for other in (1, 2):
            if left:
                left &= set(parameters_without_gradient(spec, seed=other))
        assert left == set()

    @network_test
    @given(seed=seeds)
    def test_arithmetic_equals_the_built_network(self, space: SearchSpace, seed: int) -> None:
        """Parameters and multiply-adds are known without building."""
        spec = draw(space, seed)
        assert (complexity(spec).params, complexity(spec).macs) == measured_complexity(spec)

    @network_test
    @given(seed=seeds)
    def test_network_with_zero_branches_is_its_shortcuts(
        self, space: SearchSpace, seed: int
    ) -> None:
        """What is left of a network without its branches is what its skips carry."""
        spec = draw(space, seed)
        network, images = without_branches(spec), images_for(spec, batch=2)
        with torch.no_grad():
            assert torch.equal(network(images), shortcut_logits(network, images))
