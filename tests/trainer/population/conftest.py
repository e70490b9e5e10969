"""Candidates of one width plan, and training in double precision, shared by these tests."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from search_spaces import (
    ArchitectureSpec,
    CandidateResNet,
    InputShape,
    Kind,
    build_candidate,
    make_space,
)
from search_spaces.registry import resolve_space
from trainer import Candidate, ImageData, generator
from trainer.datasets import NormalisedData, Split

DIGITS = InputShape(channels=1, height=8, width=8)


class DoubleData(ImageData):
    """The same images in double precision, and fewer of them to train on."""

    images_per_epoch = 512

    def to(self, device: str | torch.device) -> NormalisedData:
        train, val, test = super().to(device)
        few = Split(train.images[: self.images_per_epoch], train.labels[: self.images_per_epoch])
        return NormalisedData(*(Split(s.images.double(), s.labels) for s in (few, val, test)))


def sampled_specs(
    count: int, *, seed: int = 0, space: dict[str, Any] | None = None, **changes: Any
) -> list[ArchitectureSpec]:
    """Draw networks with skips of any span, or from another space."""
    fields = {"name": "longskip", "width": 4, "max_blocks": 3, "max_fan_in": 2, **(space or {})}
    made = make_space(resolve_space(fields), DIGITS, 10)
    rng = np.random.default_rng(seed)
    specs = [made.sample(rng) for _ in range(count)]
    return [spec.changed(**changes) if changes else spec for spec in specs]


def own_networks(specs: list[ArchitectureSpec], *, double: bool = True) -> list[CandidateResNet]:
    """Build each candidate's network with seeds 0, 1, ..."""
    networks = [build_candidate(s, generator(i, "init")) for i, s in enumerate(specs)]
    return [network.double() for network in networks] if double else networks


@pytest.fixture(scope="session")
def sample() -> Callable[..., list[ArchitectureSpec]]:
    return sampled_specs


@pytest.fixture(scope="session")
def build() -> Callable[..., list[CandidateResNet]]:
    return own_networks


@pytest.fixture(scope="session")
def double_digits(digits: ImageData) -> ImageData:
    splits = {"train": digits.train, "val": digits.val, "test": digits.test}
    return DoubleData.from_splits(digits.facts, **splits)


@pytest.fixture(scope="module")
def double_networks() -> Iterator[None]:
    """Let both paths train candidates in double precision."""

    def build_double(*args: Any) -> CandidateResNet:
        return build_candidate(*args).double()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.population.members.build_candidate", build_double)
        patch.setattr("trainer.module.build_candidate", build_double)
        yield


@pytest.fixture
def group(make_spec: Callable[..., ArchitectureSpec]) -> list[Candidate]:
    """Four small candidates of different depths and kinds."""
    forms = [(Kind.NONE, 1), (Kind.IDENTITY, 2), (Kind.PROJECTION, 1), (Kind.IDENTITY, 1)]
    return [
        Candidate(key=f"trial-{i}", spec=make_spec(kind, blocks=blocks), seed=i)
        for i, (kind, blocks) in enumerate(forms)
    ]
