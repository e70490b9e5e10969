from typing import Any

import pytest

from nas.allowed_rows import MAX_ROWS_LEFT_OUT, AllowedRows, check_feasible
from nas.config import StudyConfig
from nas.constraints import TURN_SECONDS, Constraints, Limits, OutOfTimeError
from nas.design_queue import DesignQueue
from nas.errors import ConfigError
from search_spaces.complexity import complexity
from search_spaces.spec import ArchitectureSpec, Kind
from tests.nas.fake_pool import tiny_config

SPACE = tiny_config().make_space()
DEEPEST = SPACE.deepest
MIDDLE = sum(complexity(SPACE.uniform(DEEPEST, kind)).params for kind in Kind) // 3
"""About half of the design rows are larger."""


def limited(config: StudyConfig, **constraints: float) -> tuple[StudyConfig, Limits]:
    config = config.model_copy(
        update={"constraints": config.constraints.model_copy(update=constraints)}
    )
    return config, Limits(config.constraints, lambda spec: float(spec.layers))


def rows_of(config: StudyConfig, limits: Limits) -> AllowedRows:
    return AllowedRows(DesignQueue(SPACE, config.search), limits)


def test_rows_beyond_a_limit_are_left_out_and_counted() -> None:
    config, limits = limited(tiny_config(trials=40), max_params=MIDDLE)
    rows, every = rows_of(config, limits), DesignQueue(SPACE, config.search)
    expected = [every.next() for _ in range(40)]
    allowed = [(spec, number) for spec, number in expected if limits.allows(spec)]
    assert 5 < len(allowed) < 35
    taken = [rows.next() for _ in allowed]
    assert [(spec, number) for spec, number, _ in taken] == allowed
    last = allowed[-1][1]
    assert sum(left_out for *_, left_out in taken) == last + 1 - len(allowed)
    assert not rows.is_empty


def test_looking_ahead_takes_no_row_away() -> None:
    config, limits = limited(tiny_config(trials=40), max_params=MIDDLE)
    first, second = rows_of(config, limits), rows_of(config, limits)
    assert not first.is_empty
    assert first.is_turn(0, 0)
    assert first.next() == second.next()


def test_rows_of_a_former_owner_are_not_begun_again() -> None:
    config, limits = limited(tiny_config(trials=40), max_params=MIDDLE)
    first, second = rows_of(config, limits), rows_of(config, limits)
    begun = [first.next() for _ in range(3)]
    second.learn(begun[1][1])
    assert second.next() == begun[2]


@pytest.mark.parametrize("constraints", [{"max_layers": 13}, {"max_latency_ms": 13.0}])
def test_design_without_an_allowed_row_is_given_up(constraints: dict[str, float]) -> None:
    config, limits = limited(tiny_config(trials=40), **constraints)
    rows = rows_of(config, limits)
    assert rows.is_empty
    assert not rows.is_turn(0, 0)
    assert rows.planned == set()
    with pytest.raises(ConfigError, match="A design row must be within the constraints, got"):
        rows.next()


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ({"max_params": 99}, "within max_params=99 among 2000 .* smallest params found is 1,320"),
        ({"max_layers": 7, "max_params": 10**6}, "the smallest layers found is 8. Raise the lim"),
        ({"max_latency_ms": 7.5}, "the smallest latency_ms found is 8"),
        ({"max_layers": 10, "max_latency_ms": 7.5}, "the smallest latency_ms found is 8"),
    ],
)
def test_limits_that_allow_nothing_are_refused_before_anything_starts(
    constraints: dict[str, float], message: str
) -> None:
    config, limits = limited(tiny_config(), **constraints)
    with pytest.raises(ConfigError, match=message):
        check_feasible(config, SPACE, limits)


@pytest.mark.parametrize(
    "constraints", [{}, {"max_layers": 8}, {"max_latency_ms": 8.0}, {"max_params": 10**6}]
)
def test_limits_that_allow_something_are_fine(constraints: dict[str, Any]) -> None:
    config, limits = limited(tiny_config(), **constraints)
    check_feasible(config, SPACE, limits)


def test_study_of_design_rows_alone_needs_one_that_is_allowed() -> None:
    config, limits = limited(tiny_config(goal="map"), max_layers=13)
    with pytest.raises(ConfigError, match=r"the design, which has 2-2-2 .* within max_layers=13"):
        check_feasible(config, SPACE, limits)


def a_tenth_is_quick(spec: ArchitectureSpec) -> float:
    return 1.0 if int(spec.spec_id[:4], 16) % 10 == 0 else 3.0


def test_design_goes_on_where_few_rows_are_quick_enough() -> None:
    search = tiny_config(trials=40).search
    limits = Limits(Constraints(max_latency_ms=2.0), a_tenth_is_quick)
    rows = AllowedRows(DesignQueue(SPACE, search), limits)
    taken = [rows.next() for _ in range(40)]
    assert all(limits.allows(spec) for spec, *_ in taken)
    # So many too slow ones in a row are no reason to give up.
    assert max(left_out for *_, left_out in taken) > 20
    assert not rows.is_given_up


def test_rows_left_out_before_the_design_is_given_up_are_counted() -> None:
    config, limits = limited(tiny_config(trials=40), max_latency_ms=13.0)
    rows = rows_of(config, limits)
    assert not rows.is_given_up
    assert rows.is_empty
    assert rows.is_given_up
    assert rows.num_left_out == MAX_ROWS_LEFT_OUT


def test_design_that_a_former_owner_gave_up_is_not_looked_at() -> None:
    config, limits = limited(tiny_config(trials=40))
    rows = rows_of(config, limits)
    rows.give_up()
    assert rows.is_empty
    assert rows.num_left_out == 0


def test_turns_without_time_lose_no_row() -> None:
    now = [0.0]

    def slow(spec: ArchitectureSpec) -> float:
        now[0] += TURN_SECONDS
        return a_tenth_is_quick(spec)

    search = tiny_config(trials=40).search
    bounds = Constraints(max_latency_ms=2.0)
    at_once = AllowedRows(DesignQueue(SPACE, search), Limits(bounds, a_tenth_is_quick))
    limits = Limits(bounds, slow, clock=lambda: now[0])
    in_turns = AllowedRows(DesignQueue(SPACE, search), limits)
    found: list[tuple[ArchitectureSpec, int, int]] = []
    turns = 0
    while len(found) < 5:
        limits.start_turn()
        turns += 1
        try:
            found.append(in_turns.next())
        except OutOfTimeError:
            continue
    assert found == [at_once.next() for _ in range(5)]
    assert turns > 20
