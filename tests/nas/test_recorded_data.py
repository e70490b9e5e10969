from typing import Any

import pytest

from nas.config import make_config
from nas.errors import ConfigError
from nas.recorded_data import with_recorded
from trainer.recorded.skipbench import SPACE


def test_data_set_alone_makes_a_whole_study() -> None:
    config = make_config({"data": "skipbench"})
    assert config.name == "skipbench"
    assert config.recipe.epochs == 12
    assert config.make_space().size == 64
    assert (config.search.trials, config.search.duplicates) == (64, "reseed")
    # What was resolved once is read again.
    assert make_config(config.to_dict()) == config


def test_what_is_given_wins() -> None:
    given = {"data": "skipbench", "name": "mine", "search": {"trials": 100, "goal": "map"}}
    config = make_config(given)
    assert (config.name, config.search.trials, config.search.goal) == ("mine", 100, "map")
    assert config.search.duplicates == "reseed"


def test_other_data_is_left_alone() -> None:
    assert with_recorded({"data": "digits", "name": "a"}) == {"data": "digits", "name": "a"}
    assert make_config({}).search.trials == 200


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"space": {"name": "longskip"}}, "space: data='skipbench' must have the space that was"),
        ({"space": {**SPACE, "width": 4}}, "got name='residual' with other fields"),
        ({"recipe": {"epochs": 4}}, "must have the recipe that was recorded, got epochs=4"),
        (
            {"recipe": {"lr": {"low": 0.05, "high": 0.2}}},
            "must have the recipe that was recorded, got a range",
        ),
        ({"task": {"class_path": "my.Task"}}, "task: data='skipbench' must have no task"),
        ({"recipe": 3}, "recipe"),
    ],
)
def test_what_the_table_does_not_hold_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make_config({"data": "skipbench", **given})
