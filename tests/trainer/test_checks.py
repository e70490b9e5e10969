import pytest
import torch

from search_spaces import UserError
from trainer import Candidate
from trainer.checks import parse_device
from trainer.train import train


def test_weights_without_a_store_are_refused(candidate, recipe, digits):
    with pytest.raises(UserError, match="got keep_weights=True and checkpoints=None"):
        train([candidate], recipe, digits, keep_weights=True)


@pytest.mark.parametrize("key", ["trial-0", "last", ""])
def test_keys_must_be_unique_and_no_words_of_lightning(candidate, recipe, digits, key):
    other = Candidate(key=key, spec=candidate.spec, seed=1)
    with pytest.raises(UserError, match=f"got key='{key}'"):
        train([candidate, other], recipe, digits)


def test_a_spec_for_other_images_is_refused(make_spec, recipe, digits):
    spec = make_spec().model_copy(update={"num_classes": 3})
    with pytest.raises(UserError, match=r"images of 'digits' .* got .*num_classes=3"):
        train([Candidate(key="a", spec=spec, seed=0)], recipe, digits)


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:99"])
def test_an_unknown_device_is_refused(candidate, recipe, digits, device):
    with pytest.raises(UserError, match=f"got device='{device}'"):
        train([candidate], recipe, digits, device=device)


def test_a_device_has_an_index_where_it_needs_one():
    assert parse_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": 3}, "must not hold 'seed', which every candidate gets of its own, got seed=3"),
        ({"weights": {1, 2}}, r"must be JSON values, got {'weights': {1, 2}} \(Object of type"),
        ({"gamma": float("nan")}, "must be JSON values, got {'gamma': nan}"),
    ],
)
def test_arguments_of_a_module_are_plain_and_its_own(
    candidate, recipe, digits, arguments, message
):
    with pytest.raises(UserError, match=message):
        train([candidate], recipe, digits, module_args=arguments)


@pytest.mark.parametrize("field", ["momentum", "epochs", "nonsense"])
def test_a_candidate_may_have_few_values_of_its_own(candidate, recipe, digits, field):
    values = {"lr": 0.1, "weight_decay": 0.0, field: 1}
    own = Candidate(key="a", spec=candidate.spec, seed=0, recipe_values=values)
    with pytest.raises(
        UserError, match=rf"of lr and weight_decay only, got '{field}' of candidate 'a'\. Put"
    ):
        train([own], recipe, digits)


@pytest.mark.parametrize("pause_after", [0, -1])
def test_a_pause_before_anything_is_trained_is_refused(
    candidate, recipe, digits, store, pause_after
):
    with pytest.raises(UserError, match=f"at least 1 epoch, got pause_after={pause_after}"):
        train([candidate], recipe, digits, checkpoints=store, pause_after=pause_after)


def test_a_pause_without_a_store_is_refused(candidate, recipe, digits):
    with pytest.raises(
        UserError, match=r"got pause_after=1 and checkpoints=None\. Give checkpoints"
    ):
        train([candidate], recipe, digits, pause_after=1)
