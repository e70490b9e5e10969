"""SGD and AdamW on the group's vector, with each member's own rate and weight decay."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from trainer.population.parameters import ParameterVector
from trainer.recipe import Recipe

_BETAS = (0.9, 0.999)
_EPS = 1e-8


class PopulationOptimizer(Optimizer):
    """The recipe's optimiser for all members at once.

    The `lr` of its one parameter group is the schedule's factor, from 0 to 1; each member's rate
    is that times its own peak rate.

    Args:
        parameters: The group's weights.
        recipes: Each member's recipe; they differ in `lr` and `weight_decay` at most.

    Source:
        Sutskever et al. 2013 as torch.optim.SGD implements it; Loshchilov and Hutter 2019,
        arXiv:1711.05101, as torch.optim.AdamW does.
    """

    def __init__(self, parameters: ParameterVector, recipes: Sequence[Recipe]) -> None:
        super().__init__([parameters.vector], {"lr": 1.0})
        self._recipe = recipes[0]
        self._lr = parameters.spread([recipe.lr for recipe in recipes])
        self._decay = parameters.spread([recipe.weight_decay for recipe in recipes])
        self._clip_norm = self._recipe.gradient_clip_norm
        self._parameters = parameters
        self.steps = 0
        names = ("momentum_buffer",) if self._recipe.optimizer == "sgd" else _ADAM_STATE
        self.moments: dict[str, Tensor] = {
            name: torch.zeros_like(parameters.vector, requires_grad=False) for name in names
        }
        """Vectors over all weights, named as in torch's own optimisers."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Clip each member's gradients by its own norm and move the weights."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if self._clip_norm is not None:
            norms = self._parameters.member_norms()
            # As torch.nn.utils.clip_grad_norm_.
            self._parameters.scale_gradients((self._clip_norm / (norms + 1e-6)).clamp(max=1.0))
        weights = self._parameters.vector
        gradients = weights.grad
        if gradients is None:
            return loss
        self.steps += 1
        factor = float(self.param_groups[0]["lr"])
        if self._recipe.optimizer == "sgd":
            self._step_sgd(weights, gradients, factor)
        else:
            self._step_adamw(weights, gradients, factor)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set all gradients to zero; they keep their memory, which the layers share."""
        self._parameters.zero_grad()

    def _step_sgd(self, weights: Tensor, gradients: Tensor, factor: float) -> None:
        momentum = self._recipe.momentum
        # In place: the next step sets the gradients to zero.
        if isinstance(self._decay, Tensor):
            gradients.addcmul_(weights, self._decay)
        elif self._decay:
            gradients.add_(weights, alpha=self._decay)
        buffer = self.moments["momentum_buffer"]
        buffer.mul_(momentum).add_(gradients)
        move = buffer
        if self._recipe.nesterov and momentum:
            move = gradients.add_(buffer, alpha=momentum)
        self._descend(weights, move, factor)

    def _descend(self, weights: Tensor, move: Tensor, factor: float) -> None:
        if isinstance(self._lr, Tensor):
            weights.addcmul_(move, self._lr, value=-factor)
        else:
            weights.add_(move, alpha=-factor * self._lr)

    def _step_adamw(self, weights: Tensor, gradients: Tensor, factor: float) -> None:
        if isinstance(self._lr, Tensor) or isinstance(self._decay, Tensor):
            shrink = self._lr * self._decay
            weights.addcmul_(weights, torch.as_tensor(shrink), value=-factor)
        else:
            weights.mul_(1 - factor * self._lr * self._decay)
        mean, square = (self.moments[name] for name in _ADAM_STATE)
        mean.lerp_(gradients, 1 - _BETAS[0])
        square.mul_(_BETAS[1]).addcmul_(gradients, gradients, value=1 - _BETAS[1])
        root = math.sqrt(1 - _BETAS[1] ** self.steps)
        move = mean / (square.sqrt() / root).add_(_EPS)
        self._descend(weights, move, factor / (1 - _BETAS[0] ** self.steps))


_ADAM_STATE = ("exp_avg", "exp_avg_sq")
