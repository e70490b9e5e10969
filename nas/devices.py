"""Which workers run where: planned and printed before the first trial; no torch here."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Literal

from nas.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Place of one worker."""

    index: int
    """Counted from 1; part of the worker's log file."""
    device: str
    """torch's name of the device as the worker sees it."""
    label: str
    """The device as the user knows it, such as `cpu` or `gpu 3 (NVIDIA H200)`."""
    num_threads: int = 1
    """torch threads of the worker; more than one per core makes training ten times slower."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables that show the worker its device only."""


def list_gpus() -> list[tuple[str, str]]:
    """Return index and name of each GPU that this process may use, asking NVIDIA's driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, "--query-gpu=index,name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (subprocess.SubprocessError, OSError):
        return []
    gpus = []
    for line in answer.stdout.splitlines():
        index, _, name = line.partition(",")
        if name:
            gpus.append((index.strip(), name.strip()))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return gpus
    allowed = [index.strip() for index in visible.split(",")]
    return [(index, name) for index, name in gpus if index in allowed]


def plan_slots(
    workers: Literal["auto"] | int,
    devices: Literal["auto", "cpu"] | int,
    gpus: list[tuple[str, str]],
) -> list[Slot]:
    """Decide where each worker runs.

    Args:
        workers: How many, or `auto`: one per GPU, or one per core without GPUs.
        devices: How many GPUs, `auto` for all, `cpu` for none.
        gpus: Index and name of each GPU.

    Raises:
        ConfigError: More GPUs are asked for than there are.
    """
    if isinstance(devices, int):
        if not 1 <= devices <= len(gpus):
            raise ConfigError(
                f"search.devices must be 'auto', 'cpu' or at most the {len(gpus)} GPUs seen, got "
                f"devices={devices}. Use --devices cpu to train on the CPU."
            )
        gpus = gpus[:devices]
    elif devices == "cpu":
        gpus = []
    if not gpus:
        cores = len(os.sched_getaffinity(0))
        count = cores if workers == "auto" else workers
        return [Slot(index=i, device="cpu", label="cpu") for i in range(1, count + 1)]
    count = len(gpus) if workers == "auto" else workers
    slots = []
    for number in range(count):
        index, name = gpus[number % len(gpus)]
        slots.append(
            Slot(
                index=number + 1,
                device="cuda:0",
                label=f"gpu {index} ({name})",
                environment={"CUDA_VISIBLE_DEVICES": index},
            )
        )
    return slots


def describe_plan(slots: list[Slot]) -> str:
    """Return the device plan in one line."""
    count: dict[str, int] = {}
    for slot in slots:
        count[slot.label] = count.get(slot.label, 0) + 1
    cores = len(os.sched_getaffinity(0))
    parts = []
    for label, number in count.items():
        workers = f"{number} worker{'s' if number > 1 else ''} on {label}"
        if label == "cpu":
            workers += f" ({cores} cores, one thread each)"
            if number > cores:
                workers += ", more workers than cores: expect no speed-up"
        parts.append(workers)
    return "; ".join(parts)
