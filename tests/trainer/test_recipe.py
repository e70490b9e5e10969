import pytest
from pydantic import ValidationError

from trainer import Recipe, RecipeError, data_facts
from trainer.train import train


def test_a_recipe_survives_json():
    recipe = Recipe(epochs=3, optimizer="adamw", gradient_clip_norm=0.5)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_a_recipe_is_frozen():
    with pytest.raises(ValidationError, match="Instance is frozen"):
        Recipe().epochs = 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", 1),
        ("lr", 0),
        ("momentum", 1),
        ("weight_decay", -1),
        ("label_smoothing", 1),
        ("gradient_clip_norm", 0),
        ("crop_padding", -1),
        ("flip", "sometimes"),
        ("optimizer", "adam"),
        ("precision", "16"),
        ("epoch", 3),
    ],
)
def test_values_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(ValidationError, match=rf"\n{field}\n"):
        Recipe(**{field: value})


def test_warm_up_must_fit_into_the_epochs():
    with pytest.raises(ValidationError, match=r"got warmup_epochs=2\.5 and epochs=2\. Shorten"):
        Recipe(epochs=2, warmup_epochs=2.5)


def test_a_crop_of_nothing_but_padding_is_refused():
    facts = data_facts("digits")
    Recipe(crop_padding=7).check_fits(facts)
    with pytest.raises(RecipeError, match=r"shorter side, 8 px in 'digits', got crop_padding=8\."):
        Recipe(crop_padding=8).check_fits(facts)


def test_training_refuses_a_crop_of_nothing_but_padding(candidate, digits):
    with pytest.raises(RecipeError, match=r"got crop_padding=9\. Pad less"):
        train([candidate], Recipe(crop_padding=9), digits)
