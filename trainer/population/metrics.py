"""Metrics of all members at once."""

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric


class MemberMeans(Metric):
    """Mean of a number per image, for each member, of batches of unequal size."""

    full_state_update = False
    totals: Tensor
    count: Tensor

    def __init__(self, num_members: int) -> None:
        super().__init__()
        self.add_state("totals", torch.zeros(num_members), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, means: Tensor, num_images: int) -> None:
        """Take each member's mean of one batch, (members,)."""
        self.totals += means * num_images
        self.count += num_images

    def compute(self) -> Tensor:
        """Return each member's mean, (members,)."""
        return self.totals / self.count


def log_losses(logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Return each member's mean cross-entropy, nats, (members,).

    Args:
        logits: (members, N, K).
        labels: Each member's own, (members, N).
        label_smoothing: Share of the target spread over all classes.
    """
    if len(logits) == 1:
        # Without the detour, which takes a per cent of a small network's step.
        mean = functional.cross_entropy(logits[0], labels[0], label_smoothing=label_smoothing)
        return mean.unsqueeze(0)
    losses = functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), reduction="none", label_smoothing=label_smoothing
    )
    return losses.view(labels.shape).mean(1)


def accuracies(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the share of images that each member classifies rightly, (members,)."""
    return (logits.argmax(2) == labels).float().mean(1)
