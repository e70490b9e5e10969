from typing import Any

import pytest

from nas.config import StudyConfig, make_config
from nas.config_file import merge
from nas.groups import (
    GroupPlan,
    describe_groups,
    fair_share,
    plan_groups,
    speed_factor,
    take_group,
)
from nas.messages import Ready
from search_spaces.spec import Kind
from tests.nas.fake_pool import tiny_config
from trainer.population.fusing import can_fuse


def plan(num_left: int, config: StudyConfig | None = None) -> GroupPlan:
    config = config or make_config({})
    return plan_groups(config, config.make_space(), 2, num_left)


def ready(size: int, seconds: dict[int, float] | None = None, why: str = "") -> Ready:
    return Ready(
        pid=1,
        device="cpu",
        setup_seconds=1.0,
        group_size=size,
        group_seconds=seconds or {},
        group_why=why,
    )


def test_what_is_known_beforehand_may_be_trained_in_groups_of_any_size() -> None:
    config = make_config({"search": {"trials": 12}})
    few = plan_groups(config, config.make_space(), 2, 400)
    known = plan_groups(config, config.make_space(), 2, 400, is_known=True)
    assert (len(few.specs), len(known.specs)) == (1, 16)


def test_a_usual_study_is_measured_on_its_deepest_networks_of_every_kind() -> None:
    found = plan(200)
    assert found.size is None
    assert {spec.depths for spec in found.specs} == {(5, 5, 5)}
    assert {kind for spec in found.specs for kind in spec.kinds} == set(Kind)
    assert can_fuse(found.specs)
    assert found.recipe == make_config({}).recipe.model_dump(mode="json")


@pytest.mark.parametrize(("num_left", "size"), [(0, 1), (1, 1), (8, 4), (9, 5), (60, 8)])
def test_where_little_is_left_nothing_is_measured(num_left: int, size: int) -> None:
    found = plan(num_left, tiny_config())
    assert (found.size, found.specs) == (size, ())
    assert "too little" in found.why


def test_what_was_chosen_is_not_measured() -> None:
    assert plan(200, tiny_config(group_size=3)).size == 3
    assert plan(200, tiny_config(group_size=1)).why == "search.group_size is 1"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"task": {"class_path": "trainer.module.CandidateModule"}}, "a task of one's own"),
        (
            {
                "space": {
                    "block": {
                        "class_path": "my_blocks.Mine",
                        "init_args": {},
                        "layers": 2,
                    }
                }
            },
            "blocks of one's own",
        ),
    ],
)
def test_what_cannot_be_fused_is_trained_alone_even_where_groups_were_chosen(
    changes: dict[str, Any], why: str
) -> None:
    config = make_config(merge(tiny_config(group_size=3).to_dict(), changes))
    found = plan(200, config)
    assert found.size == 1
    assert found.why.startswith(why)


def test_line_for_people_says_what_is_gained() -> None:
    measured = ready(8, {1: 0.0157, 2: 0.012, 8: 0.009}, "16 do not pay")
    assert describe_groups(measured) == (
        "up to 8 candidates per worker train as one network: together they take 0.57 of their time "
        "one by one"
    )
    assert speed_factor(measured) == pytest.approx(0.573, abs=1e-3)
    assert describe_groups(ready(4)) == "up to 4 candidates per worker train as one network"
    assert speed_factor(ready(4)) is None
    assert describe_groups(ready(1, {1: 0.1, 2: 0.2}, "2 lose")) == "none: 2 lose"
    assert describe_groups(ready(1)) == ""


@pytest.mark.parametrize(
    ("num_left", "in_training", "expected"),
    [
        (100, [], 8),
        (8, [], 4),
        (4, [1.0] * 4, 4),
        (5, [], 3),
        # The other worker has half of its eight to do: seven here, and three there later.
        (10, [0.5] * 8, 7),
        (3, [3 / 7] * 7, 3),
        (1, [], 1),
        (0, [], 1),
        (2, [1.0] * 8, 2),
    ],
)
def test_workers_are_to_end_together(
    num_left: int, in_training: list[float], expected: int
) -> None:
    assert fair_share(num_left, in_training, 2, 8) == expected


def test_group_is_the_first_with_those_that_fit() -> None:
    waiting = ["a1", "b1", "a2", "b2", "a3", "a4"]
    assert take_group(waiting, 3, lambda item: item[0]) == ["a1", "a2", "a3"]
    assert waiting == ["b1", "b2", "a4"]
    assert take_group(waiting, 3, lambda item: item[0]) == ["b1", "b2"]
    assert take_group(waiting, 3, lambda item: item[0]) == ["a4"]
    assert take_group(waiting, 3, lambda item: item[0]) == []


def test_what_has_no_key_is_alone() -> None:
    waiting = ["x", "y", "a", "x"]
    key = {"x": None, "y": None, "a": 1}.get
    assert take_group(waiting, 4, key) == ["x"]
    assert take_group(waiting, 4, key) == ["y"]
    assert take_group(waiting, 4, key) == ["a"]


def test_what_is_looked_up_needs_no_groups() -> None:
    found = plan(1000, make_config({"data": "skipbench"}))
    assert found == GroupPlan(size=1, why="trainings are looked up in a table, none is done")
