"""The training step of a group as a CUDA graph, where that is faster; not loaded on a CPU.

A small network's step is hundreds of kernels that take a GPU less time than Python needs to launch
them. A graph launches all of them at once.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor

from trainer.population.module import PopulationModule

_log = logging.getLogger(__name__)

LEAST_STEPS = 100
"""With fewer steps ahead a graph does not earn what it costs to record and to time it."""
_WARM_UP_STEPS = 3
_TIMED_STEPS = 5


class Graphs(Protocol):
    """Records what a function does on a device."""

    def warm_up(self, run: Callable[[], None]) -> None:
        """Call the function as a recording needs it to have been called before."""
        ...

    def record(self, run: Callable[[], None]) -> Callable[[], None]:
        """Record the function; what is returned does the same again."""
        ...

    def seconds(self, run: Callable[[], None], times: int) -> float:
        """Return how long so many calls take, the device's work included."""
        ...

    def free(self) -> None:
        """Give back the memory of what is not used."""
        ...


class CudaGraphs:
    """CUDA graphs of one GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def warm_up(self, run: Callable[[], None]) -> None:
        """Call the function on a stream beside the default one, as torch's manual asks."""
        with torch.cuda.device(self._device):
            default, aside = torch.cuda.current_stream(), torch.cuda.Stream()
            aside.wait_stream(default)
            with torch.cuda.stream(aside):
                run()
            default.wait_stream(aside)

    def record(self, run: Callable[[], None]) -> Callable[[], None]:
        """Record the function's kernels without running them."""
        with torch.cuda.device(self._device):
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                run()
        return graph.replay

    def seconds(self, run: Callable[[], None], times: int) -> float:
        """Return how long so many calls take, until the GPU has done them."""
        torch.cuda.synchronize(self._device)
        started = time.perf_counter()
        for _ in range(times):
            run()
        torch.cuda.synchronize(self._device)
        return time.perf_counter() - started

    def free(self) -> None:
        """Give back cached memory."""
        torch.cuda.empty_cache()


class CapturedStep:
    """A recorded step; it reads the mini-batch from its own memory and leaves the losses there.

    Args:
        module: Whose step it is.
        graphs: Records it.
        indices: A whole mini-batch, (members, N).
    """

    def __init__(self, module: PopulationModule, graphs: Graphs, indices: Tensor) -> None:
        self._indices = indices.clone()
        self.losses = torch.zeros(len(indices), device=indices.device)
        """Each member's loss in the last step, (members,)."""

        def step() -> None:
            self.losses.copy_(module.whole_step(self._indices))

        def warm_up() -> None:
            for _ in range(_WARM_UP_STEPS):
                step()

        graphs.warm_up(warm_up)
        self._replay = graphs.record(step)
        eager = graphs.seconds(step, _TIMED_STEPS)
        replayed = graphs.seconds(self._replay, _TIMED_STEPS)
        self.gain = eager / replayed
        """How many times as fast it is as the step that it records."""

    def run(self, indices: Tensor) -> None:
        """Take the step on a mini-batch, (members, N)."""
        self._indices.copy_(indices)
        self._replay()


class StepCapture:
    """Records a group's step at its first whole mini-batch, and says whether to use the record.

    Where recording fails, as with an operation that no graph can hold, the group trains as it
    would have without; that is logged once.

    Args:
        graphs: Records on the group's device.
    """

    def __init__(self, graphs: Graphs) -> None:
        self._graphs = graphs
        self._is_decided = False
        self._step: CapturedStep | None = None

    @property
    def is_used(self) -> bool:
        """Whether steps are taken from the record."""
        return self._step is not None

    def step_for(self, module: PopulationModule, indices: Tensor) -> CapturedStep | None:
        """Return the recorded step; None where steps are to be taken one operation at a time.

        Args:
            module: The group; its state is as before when this returns.
            indices: A whole mini-batch, (members, N).
        """
        if not self._is_decided:
            self._is_decided = True
            self._step = self._recorded(module, indices)
            if self._step is None:
                # Only now: the frames of what failed held the tensors until they were left.
                self._graphs.free()
        return self._step

    def _recorded(self, module: PopulationModule, indices: Tensor) -> CapturedStep | None:
        try:
            with _restored(module.state_tensors()):
                step = CapturedStep(module, self._graphs, indices)
        except Exception as error:  # noqa: BLE001 - whatever it is, training without goes on
            _log.warning(
                "The step of a group of %d could not be recorded as a graph (%s: %s); it trains "
                "without.",
                module.num_members,
                type(error).__name__,
                str(error).partition("\n")[0],
            )
            return None
        return step if step.gain > 1 else None


@contextmanager
def _restored(tensors: list[Tensor]) -> Iterator[None]:
    """Put the values of tensors back into their memory."""
    before = [tensor.detach().clone() for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)
