import pytest
import torch

from trainer.datasets import Split
from trainer.loaders import DeviceBatches


def split_of(count):
    labels = torch.arange(count)
    return Split(labels.float().view(-1, 1, 1, 1), labels)


def labels_of(batches):
    return [labels.tolist() for _, labels in batches]


def all_labels_of(batches):
    return [label for labels in labels_of(batches) for label in labels]


@pytest.mark.parametrize(
    ("count", "seed", "sizes"),
    [
        (12, 0, [4, 4, 4]),
        (14, 0, [4, 4, 4, 2]),
        (13, 0, [4, 4, 4]),
        (13, None, [4, 4, 4, 1]),
        (1, 0, [1]),
        (3, 0, [3]),
    ],
)
def test_a_short_batch_is_kept_unless_training_would_see_one_image(count, seed, sizes):
    batches = DeviceBatches(split_of(count), 4, seed=seed)
    assert [len(labels) for _, labels in batches] == sizes
    assert len(batches) == len(sizes)


def test_images_stay_with_their_labels():
    for images, labels in DeviceBatches(split_of(20), 6, seed=3):
        assert torch.equal(images.flatten(), labels.float())


def test_training_sees_every_image_once_in_an_order_of_its_own():
    batches = DeviceBatches(split_of(20), 6, seed=3)
    seen = all_labels_of(batches)
    assert sorted(seen) == list(range(20))
    assert seen != list(range(20))


def test_evaluation_keeps_the_order():
    assert all_labels_of(DeviceBatches(split_of(9), 4)) == list(range(9))


def test_the_order_hangs_on_seed_and_epoch_alone():
    def order(seed, epochs):
        batches = DeviceBatches(split_of(20), 6, seed=seed)
        for epoch in epochs:
            batches.sampler.set_epoch(epoch)
            found = labels_of(batches)
        return found

    assert order(3, [0, 1, 2]) == order(3, [2])
    assert order(3, [2]) != order(3, [1])
    assert order(3, [2]) != order(4, [2])


def test_the_epoch_is_read_when_the_first_batch_is_asked_for():
    # Lightning makes the first iterator before it tells the epoch.
    batches = DeviceBatches(split_of(20), 6, seed=3)
    early = iter(batches)
    batches.sampler.set_epoch(2)
    assert labels_of(early) == labels_of(batches)


def test_the_order_uses_no_global_random_state():
    before = torch.random.get_rng_state()
    torch.manual_seed(1)
    one = labels_of(DeviceBatches(split_of(20), 6, seed=3))
    torch.manual_seed(2)
    other = labels_of(DeviceBatches(split_of(20), 6, seed=3))
    torch.random.set_rng_state(before)
    assert one == other
