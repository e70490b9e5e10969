"""Small networks and the digits, shared by the tests of training."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from search_spaces import ArchitectureSpec, InputShape, Kind, StageSpec
from trainer import Candidate, CandidateModule, EpochMetrics, Recipe, Verdict, load_data
from trainer.datasets import ImageData
from trainer.setting import Setting


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load_data("digits")


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., ArchitectureSpec]:
    def make(kind: Kind = Kind.IDENTITY, *, blocks: int = 1, stages: int = 2) -> ArchitectureSpec:
        plain = ArchitectureSpec(
            input=InputShape(channels=1, height=8, width=8),
            num_classes=10,
            stem_width=4,
            stages=tuple(
                StageSpec(blocks=blocks, width=4 * 2**i, stride=1 if i == 0 else 2)
                for i in range(stages)
            ),
        )
        return plain.with_kinds(dict.fromkeys(plain.places(), kind))

    return make


@pytest.fixture
def candidate(make_spec: Callable[..., ArchitectureSpec]) -> Candidate:
    return Candidate(key="trial-0", spec=make_spec(), seed=11)


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return Recipe(epochs=3, batch_size=256, warmup_epochs=0.5)


class MemoryStore:
    """Checkpoints in memory, with a log of what was saved."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.saves: list[str] = []

    def save(self, key: str, data: bytes) -> None:
        self.kept[key] = data
        self.saves.append(key)

    def load(self, key: str) -> bytes | None:
        return self.kept.get(key)

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)


class RecordingProgress:
    """Remembers every epoch; stops a candidate after the epoch that `stop_after` names."""

    def __init__(self, **stop_after: int) -> None:
        self.stop_after = {key.replace("_", "-"): epoch for key, epoch in stop_after.items()}
        self.calls: list[tuple[str, int]] = []

    def epoch_done(self, key: str, metrics: EpochMetrics) -> Verdict:
        self.calls.append((key, metrics.epoch))
        return Verdict.STOP if self.stop_after.get(key) == metrics.epoch else Verdict.CONTINUE


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def make_progress() -> type[RecordingProgress]:
    return RecordingProgress


@pytest.fixture
def make_setting(
    recipe: Recipe, digits: ImageData, make_progress: type[RecordingProgress]
) -> Callable[..., Setting]:
    def make(**changes: Any) -> Setting:
        fields: dict[str, Any] = {
            "recipe": recipe,
            "data": digits,
            "progress": make_progress(),
            "checkpoints": None,
            "device": torch.device("cpu"),
            "test": False,
            "keep_weights": False,
            "module_class": CandidateModule,
            "module_args": {},
            "pause_after": None,
        }
        return Setting(**{**fields, **changes})

    return make
