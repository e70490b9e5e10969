"""Checkpoints of the accelerated path: a candidate's state as a handful of flat tensors.

A torch file of hundreds of small tensors takes longer to write than a small network an epoch to
train. Lightning's own checkpoints are read too, so that a candidate changes paths with its state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainer.checkpoint_io import checkpoint_from_bytes, checkpoint_to_bytes

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class CandidateState:
    """All that a training of one candidate goes on from; tensors lie on the CPU."""

    identity: dict[str, Any]
    """Says which training it is; see `training_identity`."""
    history: list[dict[str, Any]]
    """Finished epochs, as plain data."""
    gradient_norms: list[float]
    steps: int
    """Optimiser steps done."""
    parameters: Tensor
    """All weights, in order of `parameters()`, flat."""
    buffers: dict[str, Tensor]
    """All buffers by the name of their type, in order of `buffers()`, flat."""
    moments: dict[str, Tensor]
    """Tensors of the optimiser by its own names, each over all weights, flat."""

    def to_bytes(self) -> bytes:
        """Return the checkpoint."""
        return checkpoint_to_bytes({"compact": VERSION, **vars(self)})

    def apply(self, network: nn.Module) -> None:
        """Copy weights and buffers into a network."""
        with torch.no_grad():
            for weight, part in zip(
                network.parameters(), split_like(self.parameters, network), strict=True
            ):
                weight.copy_(part)
            offsets = dict.fromkeys(self.buffers, 0)
            for buffer in network.buffers():
                name = str(buffer.dtype)
                start, offsets[name] = offsets[name], offsets[name] + buffer.numel()
                buffer.copy_(self.buffers[name][start : offsets[name]].view(buffer.shape))


def split_like(flat: Tensor, network: nn.Module) -> list[Tensor]:
    """Cut a flat tensor over all weights into their shapes."""
    weights = list(network.parameters())
    parts = flat.split([weight.numel() for weight in weights])
    return [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]


def flat_parameters(network: nn.Module) -> Tensor:
    """Return all weights as one tensor on the CPU."""
    return flatten(list(network.parameters()))


def flat_buffers(network: nn.Module) -> dict[str, Tensor]:
    """Return all buffers as one tensor per type on the CPU."""
    by_type: dict[str, list[Tensor]] = {}
    for buffer in network.buffers():
        by_type.setdefault(str(buffer.dtype), []).append(buffer)
    return {name: flatten(buffers) for name, buffers in by_type.items()}


def flatten(tensors: list[Tensor]) -> Tensor:
    """Return the values of tensors one after the other, on the CPU."""
    if not tensors:
        return torch.empty(0)
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).cpu()


def read_state(data: bytes, network: nn.Module) -> CandidateState:
    """Read a checkpoint of either kind.

    Args:
        data: What the store holds.
        network: A network of the candidate's architecture; only its shapes are looked at.

    Raises:
        Exception: The bytes are damaged, or of no such checkpoint.
    """
    found = checkpoint_from_bytes(data)
    if found.get("compact") == VERSION:
        del found["compact"]
        return CandidateState(**found)
    return _from_lightning(found, network)


def identity_of(found: Mapping[str, Any], state_key: str) -> dict[str, Any]:
    """Return which training a checkpoint of either kind is of.

    Args:
        found: The checkpoint.
        state_key: Under which the reporter keeps it in one of Lightning's.
    """
    return found["identity"] if "compact" in found else found["callbacks"][state_key]["identity"]


def _from_lightning(found: Mapping[str, Any], network: nn.Module) -> CandidateState:
    (reported,) = [state for state in found["callbacks"].values() if "identity" in state]
    weights = {name.removeprefix("network."): v for name, v in found["state_dict"].items()}
    names = [name for name, _ in network.named_parameters()]
    by_type: dict[str, list[Tensor]] = {}
    for name, buffer in network.named_buffers():
        by_type.setdefault(str(buffer.dtype), []).append(weights[name])
    optimizer = found["optimizer_states"][0]["state"]
    # Without momentum, and for weights that are never used, there is none.
    kept = {name for of_weight in optimizer.values() for name in of_weight} - {"step"}
    moments = {
        name: flatten(
            [_moment(optimizer, index, name, weights[w]) for index, w in enumerate(names)]
        )
        for name in kept
    }
    return CandidateState(
        identity=reported["identity"],
        history=reported["history"],
        gradient_norms=reported["gradient_norms"],
        steps=found["global_step"],
        parameters=flatten([weights[name] for name in names]),
        buffers={name: flatten(buffers) for name, buffers in by_type.items()},
        moments=moments,
    )


def _moment(optimizer: Mapping[int, Any], index: int, name: str, weight: Tensor) -> Tensor:
    found = optimizer.get(index, {}).get(name)
    return torch.zeros_like(weight) if found is None else found
