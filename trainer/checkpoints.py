"""Checkpoints by key, not by path, so that they can travel between machines; no torch here."""

import os
from pathlib import Path
from typing import Protocol


class CheckpointStore(Protocol):
    """Bytes by key. A write replaces the older one as a whole or not at all."""

    def save(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`."""
        ...

    def load(self, key: str) -> bytes | None:
        """Return what was kept under `key`, or None."""
        ...

    def delete(self, key: str) -> None:
        """Forget `key`; unknown keys are no error."""
        ...


class FolderCheckpoints:
    """Checkpoints as files `<key>.ckpt` of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.ckpt"

    def save(self, key: str, data: bytes) -> None:
        """Write beside the file and rename, so that a kill leaves the older one whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self._path(key).with_suffix(f".{os.getpid()}.tmp")
        draft.write_bytes(data)
        draft.replace(self._path(key))

    def load(self, key: str) -> bytes | None:
        """Return the bytes, or None where there is no such file."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def delete(self, key: str) -> None:
        """Remove the file, if any."""
        self._path(key).unlink(missing_ok=True)
