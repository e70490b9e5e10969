import torch

from search_spaces import InputShape
from trainer import DataFacts, data_facts
from trainer.generated import generate

FACTS = DataFacts(
    name="small",
    input=InputShape(channels=3, height=32, width=32),
    num_classes=10,
    n_train=400,
    n_val=50,
    n_test=30,
    split_seed=3,
    value_range=(-12.0, 12.0),
)


def test_images_hang_on_the_seed_alone() -> None:
    one, two = generate(FACTS), generate(FACTS)
    assert torch.equal(one[0][0], two[0][0])
    assert [len(labels) for _, labels in one] == [400, 50, 30]


def test_images_of_a_class_resemble_each_other() -> None:
    images, labels = generate(FACTS)[0]
    means = torch.stack([images[labels == label].mean(0) for label in range(10)])
    distances = (images[:, None] - means).flatten(2).norm(dim=2)
    assert float((distances.argmin(1) == labels).float().mean()) > 0.95


def test_images_lie_within_the_range_of_the_shipped_facts() -> None:
    low, high = data_facts("generated-3x32x32").value_range
    images, _ = generate(FACTS)[0]
    assert low < float(images.min()) < float(images.max()) < high
