"""Which workers run where: planned and printed before the first trial; no torch here."""

import math
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
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


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU that this process may use."""

    index: str
    """Number in the order of NVIDIA's tools."""
    name: str
    """Model, such as `NVIDIA H200`."""
    visible_as: str
    """What `CUDA_VISIBLE_DEVICES` names it by: its UUID, since CUDA may count in another order."""


def list_gpus() -> list[Gpu]:
    """Return the GPUs that this process may use, asking NVIDIA's driver."""
    program = shutil.which("nvidia-smi")
    if program is None or _torch_is_for_cpu():
        return []
    command = [program, "--query-gpu=index,uuid,name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (subprocess.SubprocessError, OSError):
        return []
    rows = [[part.strip() for part in line.split(",", 2)] for line in answer.stdout.splitlines()]
    gpus = [Gpu(index=r[0], visible_as=r[1], name=r[2]) for r in rows if len(r) == 3]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return gpus if visible is None else _only_visible(gpus, visible)


def _only_visible(gpus: list[Gpu], visible: str) -> list[Gpu]:
    """Keep the devices that `CUDA_VISIBLE_DEVICES` names, by number, UUID or slice, in its order."""
    chosen: list[Gpu] = []
    for word in (word.strip() for word in visible.split(",")):
        if word.startswith("MIG-"):
            chosen.append(Gpu(index=word[:12], name="slice of a GPU", visible_as=word))
            continue
        named = [g for g in gpus if g.index == word or (word and g.visible_as.startswith(word))]
        if len(named) != 1:
            # CUDA, too, ignores what comes after a device that does not exist.
            break
        chosen.append(named[0])
    return chosen


def _torch_is_for_cpu() -> bool:
    """Say whether torch was built without CUDA, which a GPU in the machine cannot change."""
    try:
        return version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False


def num_cores() -> int:
    """Return how many cores this process may use: its affinity, and its container's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        # No such file, or `max`: no quota.
        return cores


def plan_slots(
    workers: Literal["auto"] | int,
    devices: Literal["auto", "cpu"] | int,
    gpus: list[Gpu],
) -> list[Slot]:
    """Decide where each worker runs.

    Args:
        workers: How many, or `auto`: one per GPU, or one per core without GPUs.
        devices: How many GPUs, `auto` for all, `cpu` for none.
        gpus: Those that may be used.

    Raises:
        ConfigError: More GPUs are asked for than there are.
    """
    if isinstance(devices, int):
        if not 1 <= devices <= len(gpus):
            rule = f"from 1 to {len(gpus)}, the GPUs seen" if gpus else "where no GPU is seen"
            raise ConfigError(
                f"search.devices must be 'auto' or 'cpu'{', or' if gpus else ''} {rule}, got "
                f"devices={devices}. Use --devices cpu to train on the CPU."
            )
        gpus = gpus[:devices]
    elif devices == "cpu":
        gpus = []
    if not gpus:
        cores = num_cores()
        count = cores if workers == "auto" else workers
        return [Slot(index=i, device="cpu", label="cpu") for i in range(1, count + 1)]
    count = len(gpus) if workers == "auto" else workers
    slots = []
    for number in range(count):
        gpu = gpus[number % len(gpus)]
        slots.append(
            Slot(
                index=number + 1,
                device="cuda:0",
                label=f"gpu {gpu.index} ({gpu.name})",
                environment={"CUDA_VISIBLE_DEVICES": gpu.visible_as},
            )
        )
    return slots


def describe_plan(slots: list[Slot]) -> str:
    """Return the device plan in one line."""
    count: dict[str, int] = {}
    for slot in slots:
        count[slot.label] = count.get(slot.label, 0) + 1
    cores = num_cores()
    parts = []
    for label, number in count.items():
        workers = f"{number} worker{'s' if number > 1 else ''} on {label}"
        if label == "cpu":
            workers += f" ({cores} cores, one thread each)"
            if number > cores:
                workers += ", more workers than cores: expect no speed-up"
        parts.append(workers)
    return "; ".join(parts)
