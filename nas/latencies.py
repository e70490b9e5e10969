"""Limits with measured latencies, kept in the run folder; torch only when one is measured."""

import json
from pathlib import Path
from typing import Any

from nas.config import StudyConfig
from nas.constraints import Limits
from nas.run_folder import write_whole
from search_spaces.spec import ArchitectureSpec


class Latencies:
    """Latencies by network, each measured once, so that a verdict never changes.

    Args:
        device: torch's name of the device on which networks are measured.
        batch: Images per forward pass.
        path: The file that keeps them; None: they are forgotten at the end.
    """

    def __init__(self, device: str, batch: int, path: Path | None = None) -> None:
        self._device = device
        self._batch = batch
        self._path = path
        self._all = _read(path)
        # A number says nothing about another device or batch.
        self._known = self._all.setdefault(f"{device} batch {batch}", {})

    def __call__(self, spec: ArchitectureSpec) -> float:
        """Return a network's latency, ms."""
        known = self._known.get(spec.spec_id)
        if known is None:
            # Imported here: torch takes seconds.
            from trainer.latency import measure_latency

            known = measure_latency(spec, batch=self._batch, device=self._device)
            self._known[spec.spec_id] = known
            if self._path is not None:
                write_whole(self._path, json.dumps(self._all, indent=1) + "\n")
        return known


def limits_of(config: StudyConfig, device: str, folder: Path | None = None) -> Limits:
    """Return a study's limits.

    Args:
        config: Its constraints.
        device: torch's name of the device that the workers use.
        folder: The run folder, where latencies are kept; None: they are forgotten.
    """
    path = None if folder is None else folder / "latency.json"
    batch = config.constraints.latency_batch
    return Limits(config.constraints, Latencies(device, batch, path))


def _read(path: Path | None) -> dict[str, dict[str, float]]:
    """Return what was written; empty where nothing was, or where it cannot be read."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    groups = data.items() if isinstance(data, dict) else ()
    return {
        str(name): {str(k): float(v) for k, v in group.items() if isinstance(v, int | float)}
        for name, group in groups
        if isinstance(group, dict)
    }
