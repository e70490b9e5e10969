"""How long a forward pass of a network takes, measured."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from search_spaces.resnet import build_candidate
from search_spaces.spec import ArchitectureSpec

WARM_UP = 5
"""Forward passes before the measured ones: memory is allocated, algorithms are chosen."""
REPEATS = 20
"""Measured forward passes."""


def measure_latency(spec: ArchitectureSpec, *, batch: int = 1, device: str = "cpu") -> float:
    """Return the time of one forward pass, ms: the smallest of 20 after a warm-up.

    The smallest, because whatever else the machine does can only make a pass longer. The network
    is in evaluation mode with images in the channels-last format; on the CPU with one thread.
    Neither torch's number of threads nor its random state is changed.

    Args:
        spec: The network.
        batch: Images per pass.
        device: torch's name of the device.
    """
    place = torch.device(device)
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode(), _one_thread(place):
        network = build_candidate(spec, generator).eval()
        network = network.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
        shape = (batch, spec.input.channels, spec.input.height, spec.input.width)
        images = torch.zeros(shape, device=place).to(memory_format=torch.channels_last)
        times: list[float] = []
        for _ in range(WARM_UP + REPEATS):
            _wait(place)
            start = time.perf_counter()
            network(images)
            _wait(place)
            times.append(time.perf_counter() - start)
    return 1000 * min(times[WARM_UP:])


def _wait(device: torch.device) -> None:
    """Wait for a GPU, which computes while Python goes on."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
