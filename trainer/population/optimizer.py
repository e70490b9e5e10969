"""SGD and AdamW on the group's vector, with each member's own rate and weight decay."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer

from trainer.population.parameters import ParameterVector
from trainer.recipe import Recipe

_BETAS = (0.9, 0.999)
_EPS = 1e-8


class _Numbers(NamedTuple):
    """What changes from step to step; numbers, or tensors without dimensions."""

    factor: float | Tensor
    """The schedule's."""
    rate: float | Tensor
    """The same for the move, with AdamW's correction of the young mean."""
    root: float | Tensor
    """AdamW's correction of the young mean square."""


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
        self._on_device: Tensor | None = None

    @torch.no_grad()
    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        closure: Callable[[], Any] | None = None,
        *,
        instead: Callable[[], None] | None = None,
    ) -> Any:
        """Clip each member's gradients by its own norm and move the weights.

        Args:
            closure: Called first.
            instead: Called instead of moving the weights: it does that too, by
                `move_by_device_numbers`. The step counts as every other does.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.steps += 1
        numbers = self._numbers()
        if instead is None:
            self._move(numbers)
            return loss
        for place, number in zip(self._device_numbers().unbind(), numbers, strict=True):
            # No copy from the host: the number is an argument of the kernel.
            place.fill_(number)
        instead()
        return loss

    @torch.no_grad()
    def move_by_device_numbers(self) -> None:
        """Clip and move as `step` does, by numbers that lie on the device.

        A recorded step runs again with the numbers of the day, which `step` writes there.
        """
        self._move(_Numbers(*self._device_numbers().unbind()))

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set all gradients to zero; they keep their memory, which the layers share."""
        self._parameters.zero_grad()

    def _numbers(self) -> _Numbers:
        factor = float(self.param_groups[0]["lr"])
        if self._recipe.optimizer == "sgd":
            return _Numbers(factor, factor, 1.0)
        rate = factor / (1 - _BETAS[0] ** self.steps)
        return _Numbers(factor, rate, math.sqrt(1 - _BETAS[1] ** self.steps))

    def _device_numbers(self) -> Tensor:
        """Return the memory of the numbers, in the order of `_Numbers`."""
        if self._on_device is None:
            count = len(_Numbers._fields)
            self._on_device = self._parameters.vector.new_ones(count, requires_grad=False)
        return self._on_device

    def _move(self, numbers: _Numbers) -> None:
        weights = self._parameters.vector
        gradients = weights.grad
        if gradients is None:
            return
        if self._clip_norm is not None:
            norms = self._parameters.member_norms()
            # As torch.nn.utils.clip_grad_norm_.
            self._parameters.scale_gradients((self._clip_norm / (norms + 1e-6)).clamp(max=1.0))
        if self._recipe.optimizer == "sgd":
            self._move_sgd(weights, gradients, numbers)
        else:
            self._move_adamw(weights, gradients, numbers)

    def _move_sgd(self, weights: Tensor, gradients: Tensor, numbers: _Numbers) -> None:
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
        self._descend(weights, move, numbers.rate)

    def _descend(self, weights: Tensor, move: Tensor, rate: float | Tensor) -> None:
        if isinstance(rate, Tensor):
            weights.addcmul_(move, rate * self._lr, value=-1.0)
        elif isinstance(self._lr, Tensor):
            weights.addcmul_(move, self._lr, value=-rate)
        else:
            weights.add_(move, alpha=-rate * self._lr)

    def _move_adamw(self, weights: Tensor, gradients: Tensor, numbers: _Numbers) -> None:
        factor = numbers.factor
        shrink = self._lr * self._decay
        if isinstance(factor, Tensor):
            weights.mul_(1 - factor * shrink)
        elif isinstance(shrink, Tensor):
            weights.addcmul_(weights, shrink, value=-factor)
        else:
            weights.mul_(1 - factor * shrink)
        mean, square = (self.moments[name] for name in _ADAM_STATE)
        mean.lerp_(gradients, 1 - _BETAS[0])
        square.mul_(_BETAS[1]).addcmul_(gradients, gradients, value=1 - _BETAS[1])
        move = mean / (square.sqrt() / numbers.root).add_(_EPS)
        self._descend(weights, move, numbers.rate)


_ADAM_STATE = ("exp_avg", "exp_avg_sq")
