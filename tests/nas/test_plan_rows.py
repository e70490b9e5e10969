import json
from typing import Any

import pytest

from nas.config import StudyConfig, make_config
from nas.design_plan import DesignPlan
from nas.errors import ConfigError
from nas.plan_rows import Plan, enough_rows, make_plan, num_terms
from search_spaces import InputShape
from search_spaces.complexity import complexity
from tests.nas.spaces import TransitionSpace

SPACE = {"stages": 2, "max_blocks": 2, "kinds": ["none", "identity"]}
THREE = {"stages": 2, "max_blocks": 2}


def config(**changes: Any) -> StudyConfig:
    search = {"mode": "effects", "duplicates": "reseed", **changes.pop("search", {})}
    return make_config({"space": SPACE, "search": search, **changes})


def test_rows_are_those_of_a_search_with_the_same_seed() -> None:
    plan = make_plan(config(search={"seed": 3}), 6)
    expected = DesignPlan(plan.space, 3).rows()
    assert [row.decisions for row in plan.rows] == [next(expected).answers for _ in range(6)]
    assert [row.number for row in plan.rows] == list(range(6))
    for row in plan.rows:
        assert plan.space.from_decisions(dict(row.decisions)).spec_id == row.spec_id


def test_rows_carry_their_rate_and_a_seed_that_spreadsheets_keep() -> None:
    plan = make_plan(config(search={"lr_factors": [0.5, 1]}, recipe={"lr": 0.08}), 16)
    assert {row.lr for row in plan.rows} == {0.04, 0.08}
    seeds = [row.seed for row in plan.rows]
    assert len(set(seeds)) == 16
    assert all(seed is not None and 0 <= seed < 2**31 for seed in seeds)


def test_without_a_number_there_are_whole_designs_of_two_rows_per_term() -> None:
    # Four blocks: five terms, and eight rows make a fold-over.
    plan = make_plan(config())
    assert (num_terms(plan.design), enough_rows(plan.design), len(plan.rows)) == (5, 16, 16)
    crossed = make_plan(config(search={"lr_factors": [0.333, 1]}))
    assert (num_terms(crossed.design), len(crossed.rows)) == (6, 16)
    three = make_plan(make_config({"search": {"mode": "effects"}}))
    # Two for each of 31, in sets of twelve.
    assert len(three.rows) == 72


def test_a_later_part_goes_on_where_the_first_one_ends() -> None:
    whole, first, rest = make_plan(config(), 9), make_plan(config(), 4), make_plan(config(), 5, 4)
    assert first.rows + rest.rows == whole.rows


def test_rows_beyond_a_limit_are_left_out_and_counted() -> None:
    free = make_plan(config(search={"design": "random"}, space=THREE), 24)
    costs = sorted(params(free))
    limit = {"max_params": costs[12]}
    limited = make_plan(config(constraints=limit, space=THREE), 8)
    assert len(limited.rows) == 8
    assert max(params(limited)) <= costs[12]
    assert limited.num_left_out > 0
    assert limited.facts["limits"] == limit


def params(plan: Plan) -> list[int]:
    specs = [plan.space.from_decisions(dict(row.decisions)) for row in plan.rows]
    return [complexity(spec).params for spec in specs]


def test_a_latency_is_not_looked_at() -> None:
    plan = make_plan(config(constraints={"max_latency_ms": 1e-6, "latency_batch": 4}), 3)
    assert len(plan.rows) == 3


def test_what_rows_follow_from_is_json() -> None:
    facts = make_plan(config(search={"seed": 4, "lr_factors": [0.5, 1]}), 2).facts
    assert json.loads(json.dumps(facts)) == facts
    assert facts["seed"] == 4
    assert facts["design"] == "mirrored"
    assert facts["lr_factors"] == [0.5, 1.0]
    assert facts["space"]["max_blocks"] == 2


@pytest.mark.parametrize("number", [0, -3])
def test_a_plan_has_at_least_one_row(number: int) -> None:
    with pytest.raises(
        ConfigError, match=rf"nas plan: --rows must be >= 1, got rows={number}\. Leave it out"
    ):
        make_plan(config(), number)


def test_limits_that_leave_no_row_are_refused() -> None:
    with pytest.raises(
        ConfigError,
        match=r"nas plan: a row of the design must be within the constraints, got none among 300 "
        r"in a row for max_params=10\. Raise the limit",
    ):
        make_plan(config(constraints={"max_params": 10}))


class Wiring(TransitionSpace):
    """A space whose decisions about skips have names that nobody knows."""

    def __init__(self, input: InputShape, num_classes: int) -> None:
        super().__init__(names="wiring")


def test_a_space_without_decisions_about_skips_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"nas plan: a share of random rows needs a space with"):
        make_plan(config(space={"class_path": f"{__name__}.Wiring"}), 4)
