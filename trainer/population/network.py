"""The fused network: several candidates as one, every block for the members that have it.

Within a stage members lie in order of their depth, so that those that end earlier are cut off at
the end of the tensor and wait for the next stage: no block is computed for a member without it.

Shapes: N batch, K classes; tensors are (N, members * C, H, W), a member's channels side by side.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import ResidualBlock
from search_spaces.places import Place
from search_spaces.resnet import CandidateResNet
from trainer.population.blocks import FusedBlock
from trainer.population.groups import take
from trainer.population.layers import FusedConvolution, FusedHead, FusedNorm, fused_norm
from trainer.population.parameters import ParameterVector


class FusedResNet(nn.Module):
    """Candidates of one width plan (`fuse_key`) as one network.

    The weights and running statistics of the candidates' own networks become views of the fused
    ones: whatever is trained here is theirs too, on the device given.

    Args:
        networks: The candidates' networks.
        device: Where the weights go.
    """

    def __init__(self, networks: Sequence[CandidateResNet], device: torch.device) -> None:
        super().__init__()
        # A tuple: as submodules their weights would be counted twice.
        self.networks = tuple(networks)
        self.parameter_vector = ParameterVector()
        stack, everybody = self.parameter_vector, range(len(networks))
        stems = [network.stem for network in networks]
        self.pre_activation = stems[0].pre_activation
        self.stem_conv = FusedConvolution(stack, everybody, [stem.conv for stem in stems])
        self.stem_norm = fused_norm(stack, everybody, [stem.norm for stem in stems])
        self.stem_pool = stems[0].pool
        self._orders: dict[tuple[int, int], list[int]] = {}
        self.stages = nn.ModuleList()
        order = list(everybody)
        for index in range(len(networks[0].spec.stages)):
            stage = _FusedStage(stack, networks, index, order, self._orders)
            self.stages.append(stage)
            order = stage.order
        ends = [order.index(member) for member in everybody]
        self.register_buffer("_ends", torch.tensor(ends), persistent=False)
        self.is_in_order = ends == list(everybody)
        norms = [network.final_norm for network in networks]
        self.final_norm = fused_norm(stack, everybody, norms)
        self.head = FusedHead(stack, everybody, [network.head for network in networks])
        # Blocks at whose input a skip begins that ends at a later one.
        self._kept = {
            start for block in self._blocks() for start in block.starts if start != block.place
        }
        stack.build(len(networks), device)
        for module in self.modules():
            if isinstance(module, FusedNorm):
                module.build(device)
        self.to(device)

    def forward(self, images: Tensor) -> Tensor:
        """Map each member's images (N, members * C, H, W) to logits (members, N, K)."""
        x = self.stem_norm(self.stem_conv(images))
        x = self.stem_pool(x if self.pre_activation else functional.relu_(x))
        inputs: dict[tuple[int, int], Tensor] = {}
        for stage in self.stages:
            x = stage(x, inputs, self._kept)
        if not self.is_in_order:
            x = take(x, cast(Tensor, self._ends), x.shape[1] // self.head.members)
        if self.pre_activation:
            x = functional.relu(self.final_norm(x))
        return self.head(x.mean(dim=(2, 3)))

    def keep_statistics(self, keep: bool) -> None:
        """Choose whether a forward pass in training mode moves the running statistics."""
        for module in self.modules():
            if isinstance(module, FusedNorm):
                module.keeps_statistics = keep

    def count_batches(self, steps: int) -> None:
        """Tell the members' own norms how many batches they have seen."""
        for module in self.modules():
            if isinstance(module, FusedNorm):
                for layer in module.layers:
                    if layer.num_batches_tracked is not None:
                        layer.num_batches_tracked.fill_(steps)

    def branch_gradient_norms(self) -> list[tuple[float, ...]]:
        """Return per member and block, in network order, the norm of its branch's gradient.

        Of what the last backward pass left, over the branch's convolutions and norms.
        """
        squares: list[dict[tuple[int, int], Tensor]] = [{} for _ in range(self.head.members)]
        for block, place in zip(self._blocks(), self._orders, strict=True):
            norms = [
                stacked.gradient_norms.square()
                for layer in block.branch.modules()
                for stacked in (getattr(layer, "weight", None), getattr(layer, "bias", None))
                if stacked is not None
            ]
            total = torch.stack(norms).sum(0).sqrt()
            for member, norm in zip(block.members, total, strict=True):
                squares[member][place] = norm
        return [tuple(torch.stack(list(own.values())).tolist()) for own in squares]

    def _blocks(self) -> list[FusedBlock]:
        return [module for module in self.modules() if isinstance(module, FusedBlock)]


class _FusedStage(nn.Module):
    """One stage; `order` says how members lie at its end, the deepest first."""

    def __init__(
        self,
        stack: ParameterVector,
        networks: Sequence[CandidateResNet],
        index: int,
        before: list[int],
        orders: dict[tuple[int, int], list[int]],
    ) -> None:
        super().__init__()
        depths = [network.spec.stages[index].blocks for network in networks]
        # Stable, so that equal depths need no rearrangement.
        self.order = sorted(before, key=lambda member: -depths[member])
        self.is_in_order = self.order == before
        moves = torch.tensor([before.index(member) for member in self.order])
        self.register_buffer("_moves", moves, persistent=False)
        self.num_members = len(networks)
        self.places = [(index, number) for number in range(max(depths))]
        self.blocks = nn.ModuleList()
        for place in self.places:
            members = [member for member in self.order if depths[member] > place[1]]
            orders[place] = members
            own = [_block_at(networks[member], place) for member in members]
            self.blocks.append(
                FusedBlock(
                    stack,
                    members,
                    [block for block, _ in own],
                    [sources for _, sources in own],
                    orders,
                    place,
                )
            )

    def forward(
        self,
        x: Tensor,
        inputs: dict[tuple[int, int], Tensor],
        kept: set[tuple[int, int]],
    ) -> Tensor:
        """Run the stage, keeping the inputs at which skips begin."""
        if not self.is_in_order:
            x = take(x, cast(Tensor, self._moves), x.shape[1] // self.num_members)
        present, ended = self.num_members, []
        for place, block in zip(self.places, self.blocks, strict=True):
            left = len(block.members)  # pyright: ignore[reportArgumentType]
            if left < present:
                channels = x.shape[1] // present
                sizes = [left * channels, (present - left) * channels]
                going, gone = torch.split(x, sizes, dim=1)
                ended.append(gone)
                x = going.contiguous(memory_format=torch.channels_last)
                present = left
            if place in kept:
                inputs[place] = x
            x = block(x, inputs)
        return torch.cat([x, *reversed(ended)], dim=1) if ended else x


def _block_at(
    network: CandidateResNet, place: tuple[int, int]
) -> tuple[ResidualBlock, list[tuple[int, int]]]:
    """Return a network's block, and where the skips that end at its addition begin."""
    places = list(network.spec.places())
    index = places.index(Place(place[0] + 1, place[1] + 1))
    starts = [places[start] for start in network.sources[index]]
    return cast(ResidualBlock, network.blocks[index]), [(p.stage - 1, p.block - 1) for p in starts]
