from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from search_spaces import Kind, build_candidate
from trainer import Candidate, Recipe, generator
from trainer.augmentation import Augmentation
from trainer.datasets import Split
from trainer.loaders import DeviceBatches
from trainer.population.batches import IndexBlocks
from trainer.population.module import PopulationModule
from trainer.population.network import FusedResNet
from trainer.train import train

IMAGES, PADDING = 40, 2
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images():
    """(N, H, W, C), of different height and width, without a zero."""
    draws = torch.Generator().manual_seed(0)
    return 1 + torch.rand(IMAGES, 5, 6, 3, generator=draws)


def by_hand(image, down, right, *, is_flipped):
    """Pad, cut and mirror one image (H, W, C)."""
    height, width = image.shape[:2]
    padded = functional.pad(image.permute(2, 0, 1), (PADDING,) * 4)
    cut = padded[:, down : down + height, right : right + width]
    return (cut.flip(2) if is_flipped else cut).permute(1, 2, 0)


def all_forms(augmentation, images, index):
    picks = index + IMAGES * torch.arange(augmentation.num_forms)
    return augmentation.gather(images, picks)


@pytest.mark.parametrize("flip", [True, False])
def test_the_forms_are_all_crops_of_the_padded_image_as_they_are_and_mirrored(images, flip):
    augmentation = Augmentation(IMAGES, crop_padding=PADDING, flip=flip)
    found, indices = all_forms(augmentation, images, 7)
    places = range(2 * PADDING + 1)
    expected = [
        by_hand(images[7], down, right, is_flipped=is_flipped)
        for is_flipped in ([False, True] if flip else [False])
        for right in places
        for down in places
    ]
    assert torch.equal(found, torch.stack(expected))
    assert set(indices.tolist()) == {7}


def test_without_padding_an_image_is_itself_or_mirrored(images):
    augmentation = Augmentation(IMAGES, crop_padding=0, flip=True)
    found, _ = all_forms(augmentation, images, 3)
    assert torch.equal(found, torch.stack([images[3], images[3].flip(1)]))


def test_padding_beyond_the_image_leaves_zeros(images):
    augmentation = Augmentation(IMAGES, crop_padding=20, flip=False)
    found, _ = all_forms(augmentation, images, 0)
    assert not found[0].any()
    assert torch.equal(found[augmentation.num_forms // 2], images[0])


def test_forms_hang_on_seed_epoch_and_image_alone():
    augmentation = Augmentation(IMAGES, crop_padding=PADDING, flip=True)
    order = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(5))
    picks = augmentation.draw(order, 3, 1)
    assert torch.equal(picks % IMAGES, order)
    # Another order of the images gives each of them the same form.
    assert torch.equal(augmentation.draw(torch.arange(IMAGES), 3, 1)[order], picks)
    assert not torch.equal(augmentation.draw(order, 3, 2), picks)
    assert not torch.equal(augmentation.draw(order, 4, 1), picks)


def test_all_forms_are_equally_likely():
    augmentation = Augmentation(20_000, crop_padding=1, flip=True)
    forms = augmentation.draw(torch.arange(20_000), 0, 0) // 20_000
    counts = forms.bincount(minlength=augmentation.num_forms)
    assert len(counts) == 18
    # Six standard deviations of a binomial count.
    assert (counts - 20_000 / 18).abs().max() < 6 * (20_000 / 18) ** 0.5


def test_a_recipe_without_it_has_none():
    assert Augmentation.from_recipe(Recipe(), IMAGES) is None
    flips = Augmentation.from_recipe(Recipe(flip=True), IMAGES)
    assert flips is not None
    assert flips.num_forms == 2


def test_batches_for_training_are_augmented_by_the_candidates_seed(images):
    augmentation = Augmentation(IMAGES, crop_padding=PADDING, flip=True)
    split = Split(images.permute(0, 3, 1, 2), torch.arange(IMAGES))
    batches = DeviceBatches(split, 16, seed=3, augmentation=augmentation)
    batches.sampler.set_epoch(4)
    order = batches.sampler.permutation()
    picks = augmentation.draw(order, 3, 4)
    found = list(batches)
    assert torch.equal(torch.cat([labels for _, labels in found]), order)
    whole = torch.cat([own for own, _ in found]).permute(0, 2, 3, 1)
    assert torch.equal(whole, augmentation.gather(images, picks)[0])
    assert [own.shape for own, _ in found] == [(16, 3, 5, 6), (16, 3, 5, 6), (8, 3, 5, 6)]


def test_members_of_a_group_have_their_own_forms():
    augmentation = Augmentation(IMAGES, crop_padding=PADDING, flip=True)
    blocks = IndexBlocks(IMAGES, 16, [3, 8], CPU, augmentation)
    blocks.sampler.set_epoch(1)
    (block,) = blocks
    for own, seed in zip(block, [3, 8], strict=True):
        assert torch.equal(own, augmentation.draw(own % IMAGES, seed, 1))


@pytest.fixture
def group(make_spec):
    specs = [make_spec(Kind.IDENTITY), make_spec(Kind.PROJECTION, blocks=2), make_spec(Kind.NONE)]
    return [Candidate(key=f"trial-{i}", spec=spec, seed=i) for i, spec in enumerate(specs)]


@pytest.mark.parametrize("changes", [{"crop_padding": 2}, {"flip": True}])
def test_every_member_of_a_group_gets_the_very_images_that_it_would_get_alone(
    group, digits, changes
):
    recipe = Recipe(batch_size=100, **changes)
    train_split = digits.to(CPU).train
    augmentation = Augmentation.from_recipe(recipe, len(train_split.labels))
    seeds = [candidate.seed for candidate in group]
    blocks = IndexBlocks(len(train_split.labels), 100, seeds, CPU, augmentation)
    networks = [build_candidate(c.spec, generator(c.seed, "init")) for c in group]
    network = FusedResNet(networks, CPU)
    module = PopulationModule(network, [recipe] * 3, train_split, steps_per_epoch=1)
    blocks.sampler.set_epoch(2)
    together = [module.mini_batch(i) for block in blocks for i in block.split(100, dim=1)]
    for member, seed in enumerate(seeds):
        own = DeviceBatches(train_split, 100, seed=seed, augmentation=augmentation)
        own.sampler.set_epoch(2)
        for (images, labels), (own_images, own_labels) in zip(together, own, strict=True):
            assert torch.equal(images[:, member : member + 1], own_images)
            assert torch.equal(labels[member], own_labels)


def test_a_group_trains_on_augmented_images_as_its_members_do_alone(group, digits):
    recipe = Recipe(epochs=1, batch_size=256, warmup_epochs=0.5, crop_padding=1, flip=True)
    together = train(group, recipe, digits)
    alone = train(group, recipe, digits, path="ordinary")
    plain = train(group, Recipe(epochs=1, batch_size=256, warmup_epochs=0.5), digits)
    for member, reference, other in zip(together, alone, plain, strict=True):
        assert (member.path, reference.path) == ("group of 3", "ordinary: asked for")
        # Few steps, so that training has not amplified the rounding of float32.
        loss, expected = member.history[0].train_loss, reference.history[0].train_loss
        assert loss == pytest.approx(expected, rel=1e-4)
        assert member.gradient_norms == pytest.approx(reference.gradient_norms, rel=1e-4)
        assert loss != pytest.approx(other.history[0].train_loss, rel=1e-3)


def test_a_resume_goes_on_with_the_same_images(group, digits, store):
    recipe = Recipe(epochs=2, batch_size=256, crop_padding=1, flip=True)
    train(group[:1], recipe, digits, checkpoints=store, pause_after=1)
    (resumed,) = train(group[:1], recipe, digits, checkpoints=store)
    (whole,) = train(group[:1], recipe, digits)
    assert resumed.resumed_from_epoch == 1
    assert replace(resumed.history[1], seconds=0.0) == replace(whole.history[1], seconds=0.0)


def test_a_checkpoint_of_another_augmentation_is_of_another_training(group, digits, store, caplog):
    recipe = Recipe(epochs=2, batch_size=256, crop_padding=1)
    train(group[:1], recipe, digits, checkpoints=store, pause_after=1)
    changed = recipe.model_copy(update={"flip": True})
    (outcome,) = train(group[:1], changed, digits, checkpoints=store)
    assert outcome.resumed_from_epoch == 0
    assert "it is of another training (differs in recipe)" in caplog.text
