"""What is measured in this process: inside trained networks, and at initialisation."""

import math
from collections.abc import Callable, Mapping
from itertools import combinations, islice
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor
from torch.nn import functional

from nas.claims.jobs import Measuring, Training
from nas.claims.toy import toy_steps
from search_spaces.resnet import CandidateResNet, build_candidate
from trainer.block_evidence import (
    block_outputs,
    branch_shortcut_ratios,
    linear_probe,
    residual_blocks,
)
from trainer.datasets import ImageData, NormalisedData, Split
from trainer.evidence import gradient_norms
from trainer.loaders import DeviceBatches
from trainer.seeding import child_seed, generator

_GRID = 4
"""Features and targets of a probe are averaged to at most so many px a side."""
_NUM_BATCHES = 8
_LEAST_NORM, _LARGEST_NORM = 1e-30, 1e30
"""What a gradient of zero, and one that overflowed, count as; NaN stays what it is."""


def look_inside(training: Training, weights: bytes, data: ImageData) -> dict[str, Any]:
    """Return what the trained network shows: branches against shortcuts, and linear probes.

    Args:
        training: Whose weights they are.
        weights: Safetensors bytes of its `state_dict`.
        data: What it was trained on.
    """
    network = build_candidate(training.spec)
    network.load_state_dict(load(weights))
    splits = data.to("cpu")
    return {
        "branch_shortcut_ratio": list(branch_shortcut_ratios(network, splits.val.images)),
        "probe": probes(network, splits),
    }


def probes(network: CandidateResNet, splits: NormalisedData) -> dict[str, float]:
    """Return per target the share of its variance that the last block's output explains.

    Fitted on the training split, measured on the validation split, within classes.
    """
    fitted, held = splits.train, splits.val
    features = (_last_features(network, fitted.images), _last_features(network, held.images))
    stem = (_stem_features(network, fitted.images), _stem_features(network, held.images))
    targets = {
        "stem": stem,
        "pixels": (pooled(fitted.images), pooled(held.images)),
        "edges": (edges(fitted.images), edges(held.images)),
    }
    labels = (fitted.labels, held.labels)
    # A map that fits worse than no map reads off nothing.
    return {name: max(0.0, linear_probe(features, pair, labels)) for name, pair in targets.items()}


def pooled(maps: Tensor) -> Tensor:
    """Average maps (N, C, H, W) to at most 4x4 px."""
    size = (min(_GRID, maps.shape[2]), min(_GRID, maps.shape[3]))
    return functional.adaptive_avg_pool2d(maps, size)


def edges(images: Tensor) -> Tensor:
    """Return the strength of edges between neighbouring px, both ways, averaged to 4x4."""
    across = (images[:, :, :, 1:] - images[:, :, :, :-1]).abs()
    down = (images[:, :, 1:, :] - images[:, :, :-1, :]).abs()
    return torch.cat([pooled(across).flatten(1), pooled(down).flatten(1)], dim=1)


def measure(measuring: Measuring, data: ImageData) -> Any:
    """Measure something without training; the result is JSON data."""
    if measuring.what == "toy":
        return toy_steps(measuring.num_seeds, measuring.scope.study_seed)
    how: Mapping[str, Callable[[CandidateResNet, Measuring, Split, int], Any]]
    how = {"gradients": _gradient_logs, "cosines": _mean_cosine}
    return [
        how[measuring.what](_fresh(measuring, seed), measuring, data.to("cpu").train, seed)
        for seed in range(measuring.num_seeds)
    ]


def _fresh(measuring: Measuring, seed: int) -> CandidateResNet:
    if measuring.spec is None:
        raise TypeError(
            f"nas claims: {measuring.what} must be measured on a network, got spec=None. Give "
            "Measuring the spec of a network."
        )
    return build_candidate(measuring.spec, generator(_seed(measuring, seed), "init")).train()


def _seed(measuring: Measuring, seed: int) -> int:
    return child_seed(measuring.scope.study_seed, "claims", seed)


def _batches(measuring: Measuring, split: Split, seed: int) -> DeviceBatches:
    size = min(measuring.batch_size, len(split.labels))
    return DeviceBatches(split, size, seed=_seed(measuring, seed))


def _gradient_logs(
    network: CandidateResNet, measuring: Measuring, split: Split, seed: int
) -> list[float]:
    """Return log10 of the norm of every branch's gradient on the first batch."""
    batch = next(iter(_batches(measuring, split, seed)))
    norms = gradient_norms(network, functional.cross_entropy, *batch)
    return [_log10(norm) for norm in norms]


def _log10(norm: float) -> float:
    if math.isnan(norm):
        return math.nan
    return math.log10(min(max(norm, _LEAST_NORM), _LARGEST_NORM))


def _mean_cosine(network: CandidateResNet, measuring: Measuring, split: Split, seed: int) -> float:
    """Return the mean cosine between the first block's gradients on several batches."""
    weights = list(residual_blocks(network)[0].branch.parameters())
    gradients = []
    for images, labels in islice(_batches(measuring, split, seed), _NUM_BATCHES):
        loss = functional.cross_entropy(network(images), labels)
        parts = torch.autograd.grad(loss, weights)
        whole = torch.cat([part.flatten() for part in parts]).double()
        gradients.append(whole)
    cosines = [
        float(functional.cosine_similarity(a, b, dim=0)) for a, b in combinations(gradients, 2)
    ]
    return sum(cosines) / max(len(cosines), 1)


def _last_features(network: CandidateResNet, images: Tensor) -> Tensor:
    return pooled(block_outputs(network, images, -1))


@torch.no_grad()
def _stem_features(network: CandidateResNet, images: Tensor) -> Tensor:
    network.eval()
    return pooled(network.stem(images))
