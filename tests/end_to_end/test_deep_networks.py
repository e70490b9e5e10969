"""A hundred layers train with skips and do not without."""

import pytest
import torch

from search_spaces import ArchitectureSpec, preset
from trainer.data import data_facts
from trainer.datasets import load_data
from trainer.measurement import Candidate, Measurement
from trainer.recipe import Recipe
from trainer.train import train

RECIPE = Recipe(epochs=12, lr=0.01, weight_decay=1e-4)


def accuracy(spec: ArchitectureSpec) -> float:
    candidate = Candidate(key=spec.code, spec=spec, seed=0)
    [outcome] = train([candidate], RECIPE, load_data("digits"))
    assert isinstance(outcome, Measurement)
    return outcome.last.val_accuracy


@pytest.mark.slow
def test_110_layers_train_on_digits_only_with_skips() -> None:
    torch.set_num_threads(1)
    facts = data_facts("digits")
    plain, identity = (
        preset(name, input=facts.input, num_classes=facts.num_classes, width=8)
        for name in ("plain-110", "resnet-110")
    )
    # Five seeds of each, by this recipe: 9 to 12% and 93 to 96%.
    assert accuracy(plain) < 0.3
    assert accuracy(identity) > 0.85
