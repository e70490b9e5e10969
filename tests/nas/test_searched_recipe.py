from typing import Any

import pytest

from nas.config import make_config
from nas.errors import ConfigError
from nas.searched_recipe import LogRange, SearchedRecipe
from trainer.recipe import Recipe

LR = {"low": 0.03, "high": 0.3}


def searched(**recipe: Any) -> SearchedRecipe:
    return make_config({"recipe": recipe}).recipe


def test_without_ranges_every_trial_has_the_studys_recipe_or_its_own_rate() -> None:
    recipe = searched(lr=0.05)
    assert recipe.ranges == {}
    assert recipe.reference() == Recipe(lr=0.05)
    assert recipe.resolve({"lr": None, "epochs": 3}) == Recipe(lr=0.05)
    assert recipe.resolve({"lr": 0.7}) == Recipe(lr=0.7)
    assert recipe.describe_ranges() == ""


def test_reference_has_the_geometric_mean_of_each_range() -> None:
    recipe = searched(lr=LR, weight_decay={"low": "1e-5", "high": 1.0e-3}, epochs=2)
    assert recipe.lr == pytest.approx((0.03 * 0.3) ** 0.5)
    assert recipe.reference().weight_decay == pytest.approx(1e-4)
    assert type(recipe.reference()) is Recipe
    assert recipe.model_dump()["lr"] == recipe.lr
    assert "lr from 0.03 to 0.3 in adaptive trials, 0.0949 in" in recipe.describe_ranges()


def test_a_trial_has_its_own_values_where_it_has_them() -> None:
    recipe = searched(lr=LR, weight_decay={"low": 1.0e-5, "high": 1.0e-3})
    values = recipe.values_in({"recipe.lr": 0.1, "depth.stage1": 3})
    assert values == {"lr": 0.1}
    resolved = recipe.resolve({"lr": 0.1, "weight_decay": None})
    assert (resolved.lr, resolved.weight_decay) == (0.1, recipe.weight_decay)


def test_ranges_survive_the_way_into_a_file_and_back() -> None:
    config = make_config({"recipe": {"lr": LR}})
    assert config.to_dict()["recipe"]["lr"] == LR
    assert make_config(config.to_dict()) == config
    assert config.model_copy(update={"name": "other"}).recipe.ranges == {"lr": LogRange(**LR)}


def test_recipes_that_are_made_already_are_taken_as_they_are() -> None:
    ranged = searched(lr=LR)
    assert searched(**ranged.to_config()) == ranged
    assert make_config({"recipe": ranged}).recipe.ranges == ranged.ranges
    assert make_config({"recipe": Recipe(epochs=3)}).recipe.epochs == 3


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"lr": {"low": 0.3, "high": 0.03}}, "recipe.lr must .* 0 < low < high, got low=0.3 and"),
        ({"lr": {"low": 0, "high": 0.3}}, "got low=0 and high=0.3"),
        ({"lr": {"low": 0.1, "high": 0.1}}, "got low=0.1 and high=0.1"),
        ({"lr": {"low": 0.1}}, "got low=0.1 and high=None"),
        ({"lr": {"low": 0.1, "high": "much"}}, "high='much'. Write {low: 0.03, high: 0.3}"),
        ({"lr": {"low": False, "high": True}}, "got low=False"),
        ({"lr": {"low": 0.1, "high": float("inf")}}, "high=inf"),
        ({"lr": {"low": 0.1, "hihg": 1}}, "Unknown key 'recipe.lr.hihg'. Did you mean 'recipe.lr"),
        ({"momentum": LR}, "recipe.momentum must be one value, got .* Only lr and weight_decay"),
        ({"learning_rate": LR}, "Unknown key 'recipe.learning_rate'"),
        ({"weight_decay": -1}, "recipe.weight_decay must be >= 0"),
    ],
)
def test_ranges_that_cannot_be_searched_are_refused(recipe: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_config({"recipe": recipe})


def test_recipe_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(ConfigError, match="recipe must be a mapping of keys and values, got rec"):
        make_config({"recipe": 5})
