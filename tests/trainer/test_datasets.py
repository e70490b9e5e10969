import dataclasses
import hashlib
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from search_spaces import InputShape
from trainer import DataError, load_data
from trainer.data import DataFacts, data_facts
from trainer.datasets import ImageData, Split, stratified_split

TINY = DataFacts(
    name="tiny",
    input=InputShape(channels=2, height=3, width=4),
    num_classes=3,
    n_train=6,
    n_val=3,
    n_test=3,
    split_seed=0,
    value_range=(0.0, 1.0),
)


def tiny_split(count, **changed):
    images = torch.linspace(0, 1, count * 24).view(count, 2, 3, 4)
    return Split(**({"images": images, "labels": torch.arange(count) % 3} | changed))


def test_digits_are_what_their_facts_say(digits):
    facts = data_facts("digits")
    assert digits.facts == facts
    sizes = [len(split.labels) for split in (digits.train, digits.val, digits.test)]
    assert sizes == [1077, 360, 360]
    for split in (digits.train, digits.val, digits.test):
        assert split.images.shape[1:] == (1, 8, 8)
        assert (split.images.dtype, split.labels.dtype) == (torch.float32, torch.int64)
        assert (split.images.min(), split.images.max()) == facts.value_range


def test_digits_hold_every_image_once(digits):
    parts = [split.images for split in (digits.train, digits.val, digits.test)]
    ours = torch.cat(parts).reshape(1797, 64).numpy()
    theirs = load_digits().data.astype(np.float32)
    assert np.array_equal(np.unique(ours, axis=0), np.unique(theirs, axis=0))
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


def test_the_split_of_digits_never_changes(digits):
    parts = stratified_split(load_digits().target, n_val=360, n_test=360, seed=0)
    text = ";".join(",".join(map(str, part)) for part in parts)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "538aa8424eba56f1"
    counts = [
        split.labels.bincount().tolist() for split in (digits.train, digits.val, digits.test)
    ]
    assert counts == [
        [106, 109, 107, 109, 109, 109, 109, 107, 104, 108],
        [36, 37, 35, 37, 36, 36, 36, 36, 35, 36],
        [36, 36, 35, 37, 36, 37, 36, 36, 35, 36],
    ]


@given(
    labels=st.lists(st.integers(0, 4), min_size=20, max_size=80),
    n_val=st.integers(0, 9),
    n_test=st.integers(0, 9),
    seed=st.integers(0, 9),
)
def test_splits_are_disjoint_and_stratified(labels, n_val, n_test, seed):
    parts = stratified_split(labels, n_val=n_val, n_test=n_test, seed=seed)
    assert [len(part) for part in parts] == [len(labels) - n_val - n_test, n_val, n_test]
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    for label, size in Counter(labels).items():
        for part, wanted in zip(parts[1:], (n_val, n_test), strict=True):
            count = sum(labels[index] == label for index in part)
            assert abs(count - wanted * size / len(labels)) < 2


def test_another_seed_gives_another_split():
    labels = [0, 1] * 20
    one, other = (stratified_split(labels, n_val=8, n_test=8, seed=seed) for seed in (0, 1))
    assert not np.array_equal(one[1], other[1])


def test_an_unknown_data_set_is_named():
    with pytest.raises(DataError, match=r"Unknown data set 'digit'. Did you mean 'digits'\?"):
        load_data("digit")


def test_mean_and_std_come_from_the_training_split_alone():
    other = tiny_split(3, images=torch.full((3, 2, 3, 4), 100.0))
    data = ImageData.from_splits(TINY, train=tiny_split(6), val=other, test=other)
    images = tiny_split(6).images.numpy()
    assert data.mean == pytest.approx(images.mean(axis=(0, 2, 3)))
    assert data.std == pytest.approx(images.std(axis=(0, 2, 3)))


def test_normalised_training_images_have_zero_mean_and_unit_variance(digits):
    images = digits.to("cpu").train.images
    assert float(images.mean()) == pytest.approx(0, abs=1e-5)
    assert float(images.std(correction=0)) == pytest.approx(1, abs=1e-5)


def test_all_splits_are_normalised_the_same_way(digits):
    for raw, ready in zip((digits.val, digits.test), digits.to("cpu")[1:], strict=True):
        assert torch.equal(ready.images, (raw.images - digits.mean[0]) / digits.std[0])
        assert torch.equal(ready.labels, raw.labels)


def test_data_are_normalised_once_per_device(digits):
    assert digits.to("cpu") is digits.to(torch.device("cpu"))


def test_data_are_frozen(digits):
    with pytest.raises(dataclasses.FrozenInstanceError):
        digits.mean = (0.0,)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": torch.zeros(6, 1, 3, 4)}, r"split train: images must have .*\(6, 1, 3, 4\)"),
        ({"images": torch.zeros(6, 2, 3, 4).double()}, "got images=torch.float64 and labels"),
        ({"labels": torch.arange(6).int()}, "got images=torch.float32 and labels=torch.int32"),
        ({"labels": torch.arange(6)}, r"6 classes in \[0, 2\], got .* values from 0 to 5"),
        ({"labels": torch.arange(6) - 1}, "values from -1 to 4"),
        ({"labels": torch.zeros(5, dtype=torch.int64)}, r"got shape=\(5,\)"),
        ({"images": torch.ones(6, 2, 3, 4)}, r"every channel must vary .* std=\[0.0, 0.0\]"),
    ],
)
def test_data_that_contradict_their_facts_are_refused(changed, message):
    with pytest.raises(DataError, match=message):
        ImageData.from_splits(
            TINY, train=tiny_split(6, **changed), val=tiny_split(3), test=tiny_split(3)
        )


def test_recorded_data_are_the_images_of_the_recorded_trainings():
    digits, recorded = load_data("digits"), load_data("skipbench")
    assert recorded.facts.is_recorded
    assert not digits.facts.is_recorded
    torch.testing.assert_close(recorded.train.images, digits.train.images)
    torch.testing.assert_close(recorded.val.labels, digits.val.labels)
