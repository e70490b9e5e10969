import contextlib

import numpy as np

from nas.constraints import TURN_SECONDS, Constraints, Limits, OutOfTimeError
from nas.known_specs import MAX_TOO_SLOW, KnownSpecs
from search_spaces import InputShape, make_space
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec, Kind


def _space(**config: int) -> SearchSpace:
    return make_space(config, InputShape(channels=1, height=8, width=8), 10)


def test_trials_of_an_architecture_are_counted_and_its_value_is_the_first() -> None:
    known = KnownSpecs(_space())
    assert known.num_trials("a") == 0
    assert known.value("a") is None
    for value in (None, 0.5, 0.25):
        known.add("a", value)
    assert known.num_trials("a") == 3
    assert known.value("a") == 0.5


def test_the_last_unknown_architecture_is_found() -> None:
    space = _space(stages=2, max_blocks=2)
    known = KnownSpecs(space)
    # The rarest to be drawn: the deepest.
    *others, last = sorted(space, key=lambda spec: spec.depths)
    for spec in others:
        known.add(spec.spec_id, 1.0)
    rng = np.random.default_rng(0)
    assert known.sample(rng, busy=(), planned=()) == last
    assert known.sample(rng, busy={last.spec_id}, planned=()) is None
    assert known.sample(rng, busy=(), planned={last.spec_id}) is None


def test_failed_architectures_come_again_when_nothing_else_is_left() -> None:
    space = _space(stages=1, max_blocks=2)
    known = KnownSpecs(space)
    specs = list(space)
    for spec in specs:
        known.add(spec.spec_id, None if spec is specs[5] else 1.0)
    assert known.sample(np.random.default_rng(0), busy=(), planned=()) == specs[5]


def test_a_large_space_is_not_enumerated() -> None:
    space = _space(stages=3, max_blocks=5)

    class Everything:
        def __contains__(self, item: object) -> bool:
            return True

    known = KnownSpecs(space)
    assert known.sample(np.random.default_rng(0), busy=Everything(), planned=()) is None


def test_only_what_is_within_the_limits_is_drawn() -> None:
    space = _space(stages=2, max_blocks=2)
    limits = Limits(Constraints(max_layers=6))
    known = KnownSpecs(space, limits)
    rng = np.random.default_rng(0)
    found = [known.sample(rng, busy=(), planned=()) for _ in range(20)]
    assert all(spec is not None and spec.layers <= 6 for spec in found)
    for spec in space:
        known.add(spec.spec_id, 1.0)
    assert known.sample(rng, busy=(), planned=()) is None
    again = known.sample_again(rng)
    assert again is not None
    assert again.layers == 6
    nothing = KnownSpecs(space, Limits(Constraints(max_layers=5)))
    assert nothing.sample_again(rng) is None


def test_networks_that_are_all_too_slow_are_not_measured_without_end() -> None:
    space = _space(stages=3, max_blocks=3)
    measured: set[str] = set()

    def latency(spec: ArchitectureSpec) -> float:
        measured.add(spec.spec_id)
        return 3.0

    known = KnownSpecs(space, Limits(Constraints(max_latency_ms=2.0), latency))
    assert known.sample(np.random.default_rng(0), busy=(), planned=()) is None
    assert len(measured) == MAX_TOO_SLOW
    # Then an allowed network that was trained comes again.
    trained = space.uniform((1, 1, 1), Kind.NONE)
    known.add(trained.spec_id, 0.5, trained)
    assert known.sample_again(np.random.default_rng(0)) == trained


def test_draws_over_several_turns_find_what_one_would() -> None:
    space = _space(stages=3, max_blocks=3)
    now = [0.0]

    def few(spec: ArchitectureSpec) -> float:
        return 1.0 if int(spec.spec_id[:4], 16) % 20 == 0 else 3.0

    def slow(spec: ArchitectureSpec) -> float:
        now[0] += TURN_SECONDS
        return few(spec)

    bounds = Constraints(max_latency_ms=2.0)
    limits = Limits(bounds, slow, clock=lambda: now[0])
    in_turns = KnownSpecs(space, limits)
    at_once = KnownSpecs(space, Limits(bounds, few))
    expected = at_once.sample(np.random.default_rng(3), busy=(), planned=())
    assert expected is not None
    found, turns = None, 0
    while found is None:
        limits.start_turn()
        turns += 1
        with contextlib.suppress(OutOfTimeError):
            found = in_turns.sample(np.random.default_rng(3), busy=(), planned=())
    assert found == expected
    assert turns > 1
