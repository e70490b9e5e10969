import pytest
import torch
from torch.nn import functional

from trainer.population.metrics import MemberMeans, accuracies, log_losses


def test_means_are_over_images_and_not_over_batches():
    means = MemberMeans(2)
    means.update(torch.tensor([1.0, 2.0]), 3)
    means.update(torch.tensor([5.0, float("nan")]), 1)
    values = means.compute()
    assert float(values[0]) == 2.0
    assert bool(values[1].isnan())
    means.reset()
    means.update(torch.tensor([1.0, 1.0]), 1)
    assert means.compute().tolist() == [1.0, 1.0]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_every_member_has_its_own_loss(smoothing):
    logits, labels = torch.randn(3, 5, 10), torch.randint(0, 10, (3, 5))
    found = log_losses(logits, labels, label_smoothing=smoothing)
    wanted = [
        functional.cross_entropy(own, classes, label_smoothing=smoothing)
        for own, classes in zip(logits, labels, strict=True)
    ]
    torch.testing.assert_close(found, torch.stack(wanted))


def test_every_member_has_its_own_accuracy():
    labels = torch.tensor([[0, 1], [1, 1]])
    logits = functional.one_hot(torch.tensor([[0, 1], [0, 1]]), 3).float()
    assert accuracies(logits, labels).tolist() == [1.0, 0.5]
