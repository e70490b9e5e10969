"""Reads W&B's transaction log of a run, for tests only.

The file is a log of 32 KiB blocks, as LevelDB writes them: a header of 7 bytes, then chunks of
CRC-32 (4 bytes), length (2) and type (1: whole, 2: first, 3: middle, 4: last).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

# Generated at import, which no type checker sees.
_MESSAGES: Any = wandb_internal_pb2
_BLOCK, _FILE_HEADER, _CHUNK_HEADER = 32768, 7, 7


@dataclass
class RunFile:
    """What a run says about itself."""

    run: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    artifacts: list[Any] = field(default_factory=list)
    exit_code: int | None = None


def read_run(folder: Path) -> RunFile:
    """Read the one `.wandb` file of a run folder."""
    (path,) = folder.glob("*.wandb")
    read = RunFile()
    for data in _records(path.read_bytes()):
        record = _MESSAGES.Record.FromString(data)
        if record.HasField("run"):
            read.run = record.run
            read.config |= _items(record.run.config.update)
        elif record.HasField("config"):
            read.config |= _items(record.config.update)
        elif record.HasField("history"):
            read.history.append(_items(record.history.item))
        elif record.HasField("summary"):
            read.summary |= _items(record.summary.update)
        elif record.HasField("metric"):
            read.metrics[record.metric.name or record.metric.glob_name] = record.metric
        elif record.HasField("artifact"):
            read.artifacts.append(record.artifact)
        elif record.HasField("exit"):
            read.exit_code = record.exit.exit_code
    return read


def _items(items: Any) -> dict[str, Any]:
    return {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items}


def _records(data: bytes) -> Iterator[bytes]:
    position, parts = _FILE_HEADER, b""
    while position + _CHUNK_HEADER <= len(data):
        left = _BLOCK - position % _BLOCK
        if left < _CHUNK_HEADER:
            position += left
            continue
        length = int.from_bytes(data[position + 4 : position + 6], "little")
        kind = data[position + 6]
        position += _CHUNK_HEADER
        parts += data[position : position + length]
        position += length
        if kind in (1, 4):
            yield parts
            parts = b""
