"""All weights of a group in one vector, and every member's weights as views of it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Stacked:
    """The same weight of several members as one tensor, (members * O, I, h, w) for convolutions.

    `value` is a leaf of autograd whose memory, like that of its gradient, belongs to the group's
    vector; it is set by `ParameterVector.build`.
    """

    value: Tensor
    flat_gradient: Tensor
    """The gradient's memory, (members, weights of one)."""
    owners: Tensor
    """Numbers of the members, (members,), int64, on the device."""

    def __init__(self, members: Sequence[int], parameters: Sequence[nn.Parameter]) -> None:
        self.members = tuple(members)
        self.parameters = tuple(parameters)

    @property
    def gradient_norms(self) -> Tensor:
        """L2 norm of every member's gradient, (members,)."""
        gradient = self.value.grad
        if gradient is None:
            return self.value.new_zeros(len(self.members))
        return torch.stack([part.norm() for part in gradient.chunk(len(self.members))])


class ParameterVector:
    """One vector for all weights, layer by layer, and member by member within a layer.

    The optimiser then takes a few operations on one tensor instead of thousands of small ones, and
    a grouped convolution finds its members' weights side by side without copying.
    """

    def __init__(self) -> None:
        self._stacks: list[Stacked] = []
        self._places: dict[int, tuple[int, int]] = {}
        self.num_members = 0
        self.vector = nn.Parameter(torch.empty(0))

    def add(self, members: Sequence[int], parameters: Sequence[nn.Parameter]) -> Stacked:
        """Take the same weight of several members; all of one shape."""
        stacked = Stacked(members, parameters)
        self._stacks.append(stacked)
        return stacked

    def build(self, num_members: int, device: torch.device) -> None:
        """Lay the vector out, copy the weights into it, and make the members' weights views."""
        self.num_members = num_members
        total = sum(s.parameters[0].numel() * len(s.members) for s in self._stacks)
        dtype = self._stacks[0].parameters[0].dtype
        values = torch.empty(total, device=device, dtype=dtype)
        gradients = torch.zeros(total, device=device, dtype=dtype)
        self.vector = nn.Parameter(values)
        self.vector.grad = gradients
        offset = 0
        for stacked in self._stacks:
            first, count = stacked.parameters[0], len(stacked.members)
            size = first.numel()
            for number, parameter in enumerate(stacked.parameters):
                start = offset + number * size
                view = _shaped(values[start : start + size], parameter, 1)
                view.copy_(parameter.detach())
                self._places[id(parameter)] = (start, size)
                parameter.data = view
            part = slice(offset, offset + count * size)
            stacked.value = _shaped(values[part], first, count).requires_grad_()
            stacked.value.grad = _shaped(gradients[part], first, count)
            stacked.flat_gradient = gradients[part].view(count, size)
            stacked.owners = torch.tensor(stacked.members, device=device)
            offset += count * size

    def zero_grad(self) -> None:
        """Set all gradients to zero; their memory stays."""
        gradient = self.vector.grad
        if gradient is not None:
            gradient.zero_()

    def spread(self, values: Sequence[float]) -> float | Tensor:
        """Return one value per member as a vector over all weights; a number where all agree."""
        if len(set(values)) == 1:
            return float(values[0])
        spread = torch.empty_like(self.vector, requires_grad=False)
        for stacked in self._stacks:
            for member, parameter in zip(stacked.members, stacked.parameters, strict=True):
                start, size = self._places[id(parameter)]
                spread[start : start + size] = values[member]
        return spread

    def of_member(self, vector: Tensor, network: nn.Module) -> list[Tensor]:
        """Return a member's parts of a vector over all weights, in order of its `parameters()`.

        They are views, shaped like the weights.
        """
        found: list[Tensor] = []
        for parameter in network.parameters():
            start, size = self._places[id(parameter)]
            found.append(_shaped(vector[start : start + size], parameter, 1))
        return found

    # What follows is part of every step: it makes no tensor from Python numbers, which would have to
    # be copied to the device.

    def member_norms(self) -> Tensor:
        """Return the L2 norm of all gradients of each member, (members,)."""
        squares = self.vector.new_zeros(self.num_members)
        for stacked in self._stacks:
            squares.index_add_(0, stacked.owners, stacked.flat_gradient.square().sum(1))
        return squares.sqrt()

    def scale_gradients(self, factors: Tensor) -> None:
        """Multiply each member's gradients by its factor, (members,)."""
        for stacked in self._stacks:
            stacked.flat_gradient.mul_(factors.index_select(0, stacked.owners).unsqueeze(1))


def _shaped(part: Tensor, like: Tensor, count: int) -> Tensor:
    """View a part of the vector as `count` weights on top of each other.

    Weights of convolutions are laid out channels last, as the kernels read them.
    """
    if like.dim() == 4:
        out, channels, height, width = like.shape
        return part.view(count * out, height, width, channels).permute(0, 3, 1, 2)
    if like.dim() == 0:
        return part.view(()) if count == 1 else part
    return part.view(count * like.shape[0], *like.shape[1:])
