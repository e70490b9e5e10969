"""Norms of the gradients of every block at initialisation, over several seeds.

They answer before any training whether gradients reach the first blocks: with batch norm they
explode towards the first block of a deep plain network, without it they vanish (see
`Course`), and skips hold them even.
"""

import math
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, stdev
from typing import Any

import torch
from scipy.special import stdtrit
from torch import Tensor
from torch.nn import functional

from search_spaces.complexity import complexity
from search_spaces.errors import UserError
from search_spaces.resnet import build_candidate
from search_spaces.shapes import block_shapes
from search_spaces.spec import ArchitectureSpec
from trainer.data import DataFacts, data_facts
from trainer.datasets import load_data
from trainer.evidence import gradient_norms
from trainer.seeding import child_seed, generator

_DATA = ("digits",)
"""Shipped data sets that are tried."""
BATCH = 64
"""Images per gradient; fewer for networks on large images."""
_FEWEST = 8
_NO_MEMORY = re.compile("allocat|out of memory|not enough memory|overflow", re.IGNORECASE)
"""What torch says of a tensor that does not fit."""
_MOST_MACS = 20_000_000_000
"""Multiply-adds of one forward pass, so that large networks take seconds and little memory."""
LIMIT = 1.0
"""Powers of ten between the first and the last block up to which gradients count as even."""


class Course(StrEnum):
    """What becomes of the gradients on their way from the last block to the first."""

    VANISHING = "vanishing"
    EVEN = "even"
    EXPLODING = "exploding"
    UNCLEAR = "unclear"
    """The interval holds more than one answer."""
    NOT_FINITE = "not finite"
    """Some gradient is no finite number."""
    UNKNOWN = "unknown"
    """One seed has no interval, and one block no first over last."""


@dataclass(frozen=True, kw_only=True)
class GradientProfile:
    """L2 norms of the gradients of the branches of a network that is not trained."""

    spec: ArchitectureSpec
    norms: tuple[tuple[float, ...], ...]
    """By seed, then by block in network order."""

    @property
    def logs(self) -> tuple[float | None, ...]:
        """By block, mean over seeds of log10 of the norm; None where it is not finite for one."""
        return tuple(
            fmean(logs) if all(map(math.isfinite, logs)) else None
            for logs in (tuple(map(_log10, block)) for block in zip(*self.norms, strict=True))
        )

    @property
    def ratios(self) -> tuple[float, ...]:
        """By seed, log10 of the first block's norm over the last block's; none with one block."""
        if self.spec.num_blocks == 1:
            return ()
        return tuple(_log10(blocks[0]) - _log10(blocks[-1]) for blocks in self.norms)

    @property
    def ratio(self) -> float | None:
        """Mean of the ratios; None if there is none or one is not finite."""
        ratios = self.ratios
        return fmean(ratios) if ratios and all(map(math.isfinite, ratios)) else None

    @property
    def spread(self) -> float | None:
        """Standard deviation of the ratios over seeds; None with a single seed."""
        if self.ratio is None or len(self.ratios) < 2:
            return None
        return stdev(self.ratios)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95% t interval of the mean ratio; None with a single seed."""
        if self.ratio is None or self.spread is None:
            return None
        count = len(self.ratios)
        half = float(stdtrit(count - 1, 0.975)) * self.spread / math.sqrt(count)
        return self.ratio - half, self.ratio + half

    @property
    def course(self) -> Course:
        """Vanishing or exploding where the whole interval lies beyond `LIMIT`."""
        if self.ratios and self.ratio is None:
            return Course.NOT_FINITE
        if self.interval is None:
            return Course.UNKNOWN
        low, high = self.interval
        if high < -LIMIT:
            return Course.VANISHING
        if low > LIMIT:
            return Course.EXPLODING
        return Course.EVEN if low >= -LIMIT and high <= LIMIT else Course.UNCLEAR

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON data; None stands for what is not finite."""
        ratios = [ratio if math.isfinite(ratio) else None for ratio in self.ratios]
        blocks = zip(map(str, self.spec.places()), self.logs, strict=True)
        return {
            "norm": self.spec.norm,
            "spec_id": self.spec.spec_id,
            "log10_norms": dict(blocks),
            "log10_first_over_last": self.ratio,
            "standard_deviation": self.spread,
            "interval_95": self.interval,
            "by_seed": ratios,
            "course": self.course.value,
        }


def gradient_profile(spec: ArchitectureSpec, *, seeds: int = 5) -> GradientProfile:
    """Measure the gradients of `seeds` fresh initialisations, each on a batch of its own.

    The loss is the cross-entropy of one batch: training images of the shipped data set with
    this input and these classes, else noise with random labels (`profile_data` says which).

    Raises:
        UserError: `seeds` is below 1, or the network does not fit into memory.
    """
    if seeds < 1:
        raise UserError(
            f"Gradient profile: seeds must be at least 1, got seeds={seeds}. Five are usual."
        )
    if _least_bytes(spec) > _memory_bytes():
        # Asked for before: the system may grant more memory than it has, and kill who uses it.
        raise _too_large(spec)
    try:
        norms = tuple(_norms(spec, seed) for seed in range(seeds))
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _NO_MEMORY.search(str(error)):
            raise
        raise _too_large(spec) from error
    return GradientProfile(spec=spec, norms=norms)


def _norms(spec: ArchitectureSpec, seed: int) -> tuple[float, ...]:
    network = build_candidate(spec, generator(child_seed(seed, "gradients"), "init"))
    return gradient_norms(network, functional.cross_entropy, *_batch(spec, seed))


def _least_bytes(spec: ArchitectureSpec) -> int:
    """Return what weights, gradients, images and the blocks' outputs take at least."""
    shapes = block_shapes(spec)
    image = spec.input.channels * spec.input.height * spec.input.width
    outputs = sum(s.out_channels * s.out_height * s.out_width for s in shapes)
    return 4 * (2 * complexity(spec).params + _batch_size(spec) * (image + outputs))


def _memory_bytes() -> float:
    """Return the machine's memory; infinity where the system does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return math.inf


def _too_large(spec: ArchitectureSpec) -> UserError:
    return UserError(
        f"Gradient profile: the network must fit into memory, got {complexity(spec).params:,} "
        f"parameters, which need {_least_bytes(spec) / 2**30:,.3g} GiB or more for weights, "
        "gradients and one batch. Take a smaller network or smaller images."
    )


def profile_data(spec: ArchitectureSpec) -> str:
    """Say in words on which images the gradients of `spec` are measured."""
    facts = _fitting(spec)
    if facts is not None:
        return f"{_batch_size(spec)} training images of {facts.name} per seed"
    return f"{_batch_size(spec)} images of standard normal noise with random labels per seed"


def _batch_size(spec: ArchitectureSpec) -> int:
    return max(_FEWEST, min(BATCH, _MOST_MACS // complexity(spec).macs))


def _fitting(spec: ArchitectureSpec) -> DataFacts | None:
    for name in _DATA:
        facts = data_facts(name)
        if facts.input == spec.input and facts.num_classes == spec.num_classes:
            return facts
    return None


def _batch(spec: ArchitectureSpec, seed: int) -> tuple[Tensor, Tensor]:
    draws = generator(child_seed(seed, "gradients"), "batch")
    facts = _fitting(spec)
    if facts is not None:
        split = load_data(facts.name).to("cpu").train
        chosen = torch.randperm(len(split.labels), generator=draws)[: _batch_size(spec)]
        return split.images[chosen], split.labels[chosen]
    size = _batch_size(spec)
    shape = (size, spec.input.channels, spec.input.height, spec.input.width)
    images = torch.randn(shape, generator=draws)
    return images, torch.randint(spec.num_classes, (size,), generator=draws)


def _log10(norm: float) -> float:
    return math.log10(norm) if norm > 0 else (-math.inf if norm == 0 else math.nan)
