"""Residual blocks of a fused network, each for the members that have it.

Shapes: (N, members * C, H, W), a member's channels side by side.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import (
    BasicBranch,
    BottleneckBranch,
    IdentityShortcut,
    ProjectionShortcut,
    ResidualBlock,
    ResidualBranch,
)
from trainer.population.groups import add_at, by_member, fork, fused, take
from trainer.population.layers import FusedConvolution, fused_norm
from trainer.population.parameters import ParameterVector


class FusedBranch(nn.Module):
    """The residual branch of the members, basic or bottleneck."""

    def __init__(
        self, stack: ParameterVector, members: Sequence[int], branches: Sequence[ResidualBranch]
    ) -> None:
        super().__init__()
        shipped = [b for b in branches if isinstance(b, BasicBranch | BottleneckBranch)]
        self.pre_activation = shipped[0].pre_activation
        layers = [_layers_of(branch) for branch in shipped]
        self.convolutions = nn.ModuleList(
            FusedConvolution(stack, members, [own[index][0] for own in layers])
            for index in range(len(layers[0]))
        )
        self.norms = nn.ModuleList(
            fused_norm(stack, members, [own[index][1] for own in layers])
            for index in range(len(layers[0]))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, members * C_in, H, W) to (N, members * C_out, H/stride, W/stride)."""
        for index, (conv, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            if self.pre_activation:
                x = conv(functional.relu(norm(x)))
                continue
            x = norm(conv(x))
            if index < len(self.norms) - 1:
                x = functional.relu_(x)
        return x


class FusedShortcut(nn.Module):
    """Skips of one kind that begin at the same place and end at the same addition.

    Each is the gate of its members: it adds to those that have the skip, and to no others.

    Args:
        stack: The group's weights.
        members: Numbers of the members that have the skip.
        shortcuts: Their own shortcuts.
        sources: Their positions in the tensor that the skip carries.
        ends: Their positions in the block's output.
        num_ends: Members in the block's output.
    """

    positions: Tensor
    targets: Tensor

    def __init__(
        self,
        stack: ParameterVector,
        members: Sequence[int],
        shortcuts: Sequence[nn.Module],
        sources: Sequence[int],
        ends: Sequence[int],
        num_ends: int,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = _channels(shortcuts[0])
        self.shortcut = _fused_shortcut(stack, members, shortcuts)
        # Without a gate where all members have it, as where all the networks are ResNets.
        self.is_for_all = list(sources) == list(ends) == list(range(num_ends))
        self.register_buffer("positions", torch.tensor(sources), persistent=False)
        self.register_buffer("targets", torch.tensor(ends), persistent=False)

    def takes_all(self, source: Tensor) -> bool:
        """Whether every member of the block has the skip, and no other is in its source."""
        return self.is_for_all and source.shape[1] == len(self.positions) * self.in_channels

    def add_to(self, x: Tensor, chosen: Tensor) -> Tensor:
        """Add the shortcut to the branch's output `x`, in place.

        Args:
            x: (N, members * C_out, H, W).
            chosen: What the skip carries, of the members that have it.
        """
        added = self.shortcut(chosen)
        if self.is_for_all:
            return x.add_(added)
        return add_at(x, added, self.targets, self.out_channels)


class FusedBlock(nn.Module):
    """One block of the members that have it, in the order in which their tensors lie.

    Args:
        stack: The group's weights.
        members: Their numbers, by position.
        blocks: Their own blocks.
        sources: For each of them the places of the blocks at whose input its skips begin.
        orders: For each block of the whole the members at its input, by position.
        place: Its stage and its number in the stage, from 0.
    """

    def __init__(
        self,
        stack: ParameterVector,
        members: Sequence[int],
        blocks: Sequence[ResidualBlock],
        sources: Sequence[Sequence[tuple[int, int]]],
        orders: dict[tuple[int, int], list[int]],
        place: tuple[int, int],
    ) -> None:
        super().__init__()
        self.place = place
        self.members = tuple(members)
        self.branch = FusedBranch(stack, members, [block.branch for block in blocks])
        self.ends_with_relu = blocks[0].ends_with_relu
        self.shortcuts = nn.ModuleList()
        self.starts: list[tuple[int, int]] = []
        gates: dict[tuple[tuple[int, int], str], list[tuple[int, nn.Module]]] = defaultdict(list)
        for position, (block, starts) in enumerate(zip(blocks, sources, strict=True)):
            for shortcut, start in zip(block.shortcuts, starts, strict=True):
                gates[start, _form(shortcut)].append((position, shortcut))
        for (start, _), found in gates.items():
            ends = [position for position, _ in found]
            own = [members[position] for position in ends]
            self.shortcuts.append(
                FusedShortcut(
                    stack,
                    own,
                    [shortcut for _, shortcut in found],
                    [orders[start].index(member) for member in own],
                    ends,
                    len(members),
                )
            )
            self.starts.append(start)

    def forward(self, x: Tensor, inputs: dict[tuple[int, int], Tensor]) -> Tensor:
        """Map (N, members * C_in, H, W) to (N, members * C_out, H/stride, W/stride).

        Args:
            x: The block's input.
            inputs: Inputs of the earlier blocks at which skips begin.
        """
        x, chosen = self._choose(x, inputs)
        out = self.branch(x)
        for shortcut, part in zip(self._gates(), chosen, strict=True):
            out = shortcut.add_to(out, part)
        return functional.relu_(out) if self.ends_with_relu else out

    def _choose(
        self, x: Tensor, inputs: dict[tuple[int, int], Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the block's input, and what each shortcut carries of its members."""
        gates = list(zip(self._gates(), self.starts, strict=True))
        own = [gate for gate, start in gates if start == self.place and not gate.takes_all(x)]
        forked: list[Tensor] = []
        if own:
            x, forked = fork(x, [gate.positions for gate in own], own[0].in_channels)
        chosen: list[Tensor] = []
        for gate, start in gates:
            source = x if start == self.place else inputs[start]
            if gate in own:
                chosen.append(forked[own.index(gate)])
            elif gate.takes_all(source):
                chosen.append(source)
            else:
                chosen.append(take(source, gate.positions, gate.in_channels))
        return x, chosen

    def _gates(self) -> list[FusedShortcut]:
        return cast(list[FusedShortcut], list(self.shortcuts))


class _FusedIdentity(nn.Module):
    """Identities, option A where the shape changes."""

    def __init__(self, shortcut: IdentityShortcut) -> None:
        super().__init__()
        self.in_channels = shortcut.in_channels
        self.missing = shortcut.out_channels - shortcut.in_channels
        self.out_channels = shortcut.out_channels
        self.stride = shortcut.stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride != 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.missing == 0:
            return x
        members = by_member(x, self.in_channels)
        if self.missing > 0:
            return fused(functional.pad(members, (0, self.missing)))
        return fused(members[..., : self.out_channels])


class _FusedProjection(nn.Module):
    """Projections: a norm after the grouped convolution, or norm and ReLU before it."""

    def __init__(
        self,
        stack: ParameterVector,
        members: Sequence[int],
        shortcuts: Sequence[ProjectionShortcut],
    ) -> None:
        super().__init__()
        self.pre_activation = shortcuts[0].pre_activation
        self.pool = shortcuts[0].pool
        self.conv = FusedConvolution(stack, members, [shortcut.conv for shortcut in shortcuts])
        self.norm = fused_norm(stack, members, [shortcut.norm for shortcut in shortcuts])

    def forward(self, x: Tensor) -> Tensor:
        if self.pre_activation:
            return self.conv(self.pool(functional.relu(self.norm(x))))
        return self.norm(self.conv(self.pool(x)))


def _fused_shortcut(
    stack: ParameterVector, members: Sequence[int], shortcuts: Sequence[nn.Module]
) -> nn.Module:
    first = shortcuts[0]
    if isinstance(first, IdentityShortcut):
        return _FusedIdentity(first)
    projections = [s for s in shortcuts if isinstance(s, ProjectionShortcut)]
    return _FusedProjection(stack, members, projections)


def _form(shortcut: nn.Module) -> str:
    """Say which shortcuts can be one: those of a kind, with or without pooling."""
    pools = isinstance(shortcut, ProjectionShortcut) and isinstance(shortcut.pool, nn.AvgPool2d)
    return f"{type(shortcut).__name__} {pools}"


def _channels(shortcut: nn.Module) -> tuple[int, int]:
    if isinstance(shortcut, ProjectionShortcut):
        return shortcut.conv.in_channels, shortcut.conv.out_channels
    if isinstance(shortcut, IdentityShortcut):
        return shortcut.in_channels, shortcut.out_channels
    raise TypeError(f"A shortcut must be one that ships, got {type(shortcut).__name__}.")


def _layers_of(branch: BasicBranch | BottleneckBranch) -> list[tuple[nn.Conv2d, nn.Module]]:
    layers = [(branch.conv1, branch.norm1), (branch.conv2, branch.norm2)]
    if isinstance(branch, BottleneckBranch):
        layers.append((branch.conv3, branch.norm3))
    return layers
