"""Lightning's checkpoints in a store of bytes by key."""

import io
import zipfile
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from trainer.checkpoints import CheckpointStore


class KeyedCheckpointIO(CheckpointIO):
    """Plugin for a Trainer: what Lightning takes for a path is a key of `store`.

    So `trainer.save_checkpoint(key)` and `trainer.fit(..., ckpt_path=key)` work on any store.
    """

    def __init__(self, store: CheckpointStore) -> None:
        self.store = store

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Keep `checkpoint` under the key `path`."""
        self.store.save(str(path), checkpoint_to_bytes(checkpoint))

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return what is kept under the key `path`, on the CPU, as `checkpoint_from_bytes` does.

        Raises:
            FileNotFoundError: Nothing is kept under that key.
        """
        data = self.store.load(str(path))
        if data is None:
            raise FileNotFoundError(
                f"Checkpoint store: a key that is loaded must have been saved, got "
                f"key={str(path)!r}. Train without ckpt_path to start afresh."
            )
        return checkpoint_from_bytes(data)

    def remove_checkpoint(self, path: Any) -> None:
        """Forget the key `path`."""
        self.store.delete(str(path))


def checkpoint_to_bytes(checkpoint: dict[str, Any]) -> bytes:
    """Return what `torch.save` writes."""
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    return buffer.getvalue()


def checkpoint_from_bytes(data: bytes) -> dict[str, Any]:
    """Read a checkpoint onto the CPU: tensors and plain data only, no code is run.

    Raises:
        ValueError: A part of it is damaged, which torch does not look for.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(
            f"A checkpoint must have the checksums that it was saved with, got a damaged "
            f"{damaged!r}. Train without it to start afresh."
        )
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
