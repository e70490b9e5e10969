"""Tasks of one's own: another loss, another metric, another head.

Run `nas search focal.yaml` in this folder.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassF1Score

from search_spaces.resnet import build_candidate
from trainer.module import CandidateModule


class FocalTask(CandidateModule):
    """Focal loss, which gives hard images more weight, and the macro F1 score beside it.

    Args:
        spec: The architecture.
        recipe: The recipe.
        seed: The candidate's seed.
        gamma: How much easy images are played down; 0 is cross-entropy.

    Source:
        Lin et al. 2017, arXiv:1708.02002, equation 4.
    """

    def __init__(
        self, spec: dict[str, Any], recipe: dict[str, Any], seed: int, gamma: float = 2.0
    ) -> None:
        super().__init__(spec, recipe, seed)
        self.gamma = gamma

    def training_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the batch's mean focal loss, in nats."""
        log_likelihood = -functional.cross_entropy(logits, labels, reduction="none")
        return ((1 - log_likelihood.exp()) ** self.gamma * -log_likelihood).mean()

    def make_metrics(self) -> MetricCollection:
        """Return accuracy, log-loss and `macro_f1`."""
        metrics = super().make_metrics()
        macro_f1 = MulticlassF1Score(self.spec.num_classes, average="macro", validate_args=False)
        metrics.add_metrics({"macro_f1": macro_f1})
        return metrics


class DropoutHead(CandidateModule):
    """Dropout before the classifier; such networks are searched, but not exported.

    Args:
        spec: The architecture.
        recipe: The recipe.
        seed: The candidate's seed.
        rate: Share of the features that is dropped in training.
    """

    def __init__(
        self, spec: dict[str, Any], recipe: dict[str, Any], seed: int, rate: float = 0.2
    ) -> None:
        # Before the base class builds the network.
        self.rate = rate
        super().__init__(spec, recipe, seed)

    def build_network(self, generator: torch.Generator) -> nn.Module:
        """Return the network of the spec with another head."""
        network = build_candidate(self.spec, generator)
        network.set_submodule("head", nn.Sequential(nn.Dropout(self.rate), network.head))
        return network
