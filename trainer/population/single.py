"""A group of one: the candidate's own network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.resnet import CandidateResNet
from trainer.population.parameters import ParameterVector


class SingleNetwork(nn.Module):
    """One candidate with the interface of a fused network.

    Its weights lie in one vector too, which the optimiser takes in a few operations.
    """

    def __init__(self, network: CandidateResNet, device: torch.device) -> None:
        super().__init__()
        self.networks: Sequence[CandidateResNet] = (network,)
        self.parameter_vector = ParameterVector()
        self.network = network.to(device)
        stacks = [self.parameter_vector.add([0], [weight]) for weight in network.parameters()]
        self.parameter_vector.build(1, device)
        for stacked in stacks:
            weight = stacked.parameters[0]
            weight.grad = stacked.value.grad

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (1, N, K)."""
        return self.network(images).unsqueeze(0)

    def count_batches(self, steps: int) -> None:
        """Do nothing: the candidate's own norms have counted."""
