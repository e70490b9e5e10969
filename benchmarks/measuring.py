"""What every benchmark needs: interleaved arms, medians with spread, the machine, small files.

Seconds are wall time. A benchmark runs its arms in turn, A B C A B C, so that a slow minute of the
machine meets all of them, and compares within a turn: a ratio is the median of the ratios of the
turns, not the ratio of two medians.
"""

import json
import math
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent
"""The repository."""
RESULTS = ROOT / "benchmarks" / "results"
"""Small files with results, one per benchmark."""

_PACKAGES = ("torch", "pytorch-lightning", "torchmetrics", "optuna", "wandb", "numpy")

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Several measurements of one thing."""

    median: float
    low: float
    """The smallest."""
    high: float
    """The largest."""
    count: int

    def describe(self, digits: int = 3) -> str:
        """Return `1.23 (1.20 to 1.31)`, to so many significant digits."""
        median, low, high = (
            rounded(value, digits) for value in (self.median, self.low, self.high)
        )
        return f"{median} ({low} to {high})"


def spread_of(values: Sequence[float]) -> Spread:
    """Return median, smallest and largest.

    >>> spread_of([3.0, 1.0, 2.0]).describe()
    '2.00 (1.00 to 3.00)'
    """
    return Spread(
        median=statistics.median(values), low=min(values), high=max(values), count=len(values)
    )


def rounded(value: float, digits: int = 3) -> str:
    """Return a number to so many significant digits, never in powers of ten.

    >>> rounded(1234.5), rounded(0.01234), rounded(0.0)
    ('1,234', '0.0123', '0.00')
    """
    if not math.isfinite(value):
        return str(value)
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Return the ratio of two arms, turn by turn.

    >>> ratios([2.0, 6.0], [1.0, 2.0]).median
    2.5
    """
    return spread_of([a / b for a, b in zip(above, below, strict=True)])


def interleave(
    arms: Mapping[str, Callable[[int], R]],
    repeats: int,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, list[R]]:
    """Run every arm once per turn, and begin each turn with another arm.

    Args:
        arms: Called with the number of the turn, from 0.
        repeats: How many turns.
        say: Told of each run in one line.

    Returns:
        The arms' results in the order of the turns.
    """
    results: dict[str, list[R]] = {name: [] for name in arms}
    names = list(arms)
    for turn in range(repeats):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            started = time.perf_counter()
            results[name].append(arms[name](turn))
            say(f"turn {turn + 1} of {repeats}: {name}, {time.perf_counter() - started:.1f} s")
    return results


def about_this_run(device: str = "cpu") -> dict[str, Any]:
    """Return when, where and with what a benchmark ran, as JSON data."""
    return {
        "when_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": _machine(device),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def write_result(
    name: str, result: Mapping[str, Any], device: str = "cpu", folder: Path = RESULTS
) -> Path:
    """Write a result with machine and versions as `<folder>/<name>.json`, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    content = about_this_run(device) | dict(result)
    text = json.dumps(_plain(content), indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table whose columns are aligned, for terminal and documentation alike.

    >>> print(format_table(["arm", "s"], [["stock", 1.5]]))
    | arm   | s   |
    |-------|-----|
    | stock | 1.5 |
    """
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _commit() -> str:
    """Return the commit, with `-dirty` where tracked files differ from it; `unknown` without."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _machine(device: str) -> dict[str, Any]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        "memory_gb": round(memory / 2**30, 1),
        "device": device,
    }
    if device.startswith("cuda"):
        import torch

        machine["gpu"] = torch.cuda.get_device_name(device)
        machine["cuda"] = torch.version.cuda
    return machine


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _plain(value: Any) -> Any:
    """Return JSON data; numbers that are not finite become words."""
    if isinstance(value, Spread):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(own) for own in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"Results must be JSON values, got {type(value).__name__}.")
