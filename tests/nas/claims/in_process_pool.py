"""A pool that trains in the test's own process: real trainings without the start of a worker."""

from collections.abc import Callable, Sequence
from pathlib import Path

from nas.config import StudyConfig
from nas.devices import Slot
from nas.groups import GroupPlan
from nas.messages import Ready, Work, WorkDone
from nas.pool import Event
from trainer.checkpoints import FolderCheckpoints
from trainer.datasets import load_data
from trainer.measurement import Failure, Measurement
from trainer.progress import Verdict
from trainer.recipe import Recipe
from trainer.train import train


class InProcessPool:
    """One worker that trains when events are asked for.

    Args:
        data: Name of the data set.
        folder: Of checkpoints and weights.
        before: Called with each work before it is trained, as to end the test's patience.
        group_size: Most candidates at once.
    """

    num_workers = 1

    def __init__(
        self,
        data: str,
        folder: Path,
        before: Callable[[Work], None] = lambda work: None,
        group_size: int = 8,
    ) -> None:
        self.group_size = group_size
        self._data = load_data(data)
        self._checkpoints = FolderCheckpoints(folder)
        self._before = before
        self._works: list[Work] = []
        self.trained: list[str] = []
        self._is_new = True

    def start(self) -> None:
        self._is_new = True

    @property
    def num_idle(self) -> int:
        return 1 - len(self._works)

    def submit(self, work: Work) -> None:
        self._works.append(work)

    def answer(self, key: str, verdict: Verdict) -> None:
        return

    def events(self, timeout_s: float) -> list[Event]:
        if self._is_new:
            self._is_new = False
            return [Ready(pid=1, device="cpu", setup_seconds=0.0, group_size=self.group_size)]
        if not self._works:
            return []
        work = self._works.pop()
        self._before(work)
        outcomes: list[Measurement | Failure] = train(
            work.candidates,
            Recipe.model_validate(work.recipe),
            self._data,
            checkpoints=self._checkpoints,
            keep_weights=work.keep_weights,
        )
        self.trained += work.keys
        return [WorkDone(outcomes=outcomes)]

    def describe(self) -> list[dict[str, object]]:
        return []

    def close(self) -> None:
        self._works = []


class Pools:
    """Makes pools for `run_claims` and remembers the last."""

    def __init__(
        self, before: Callable[[Work], None] = lambda work: None, group_size: int = 8
    ) -> None:
        self._before = before
        self._group_size = group_size
        self.made: list[InProcessPool] = []

    def __call__(
        self, config: StudyConfig, slots: Sequence[Slot], folder: Path, groups: GroupPlan
    ) -> InProcessPool:
        checkpoints = folder / "checkpoints"
        pool = InProcessPool(config.data, checkpoints, self._before, self._group_size)
        self.made.append(pool)
        return pool

    @property
    def trained(self) -> list[str]:
        return [key for pool in self.made for key in pool.trained]
