import io

import pytest
import torch

from trainer.checkpoint_io import (
    KeyedCheckpointIO,
    checkpoint_from_bytes,
    checkpoint_to_bytes,
)
from trainer.checkpoints import FolderCheckpoints


class Trap:
    """Something that only code could restore."""


def test_what_is_saved_under_a_key_is_loaded_from_it(store):
    plugin = KeyedCheckpointIO(store)
    plugin.save_checkpoint({"weights": torch.arange(3), "epoch": 2}, "trial-1")
    found = plugin.load_checkpoint("trial-1")
    assert found["epoch"] == 2
    assert torch.equal(found["weights"], torch.arange(3))


def test_a_checkpoint_is_an_ordinary_torch_file(tmp_path):
    KeyedCheckpointIO(FolderCheckpoints(tmp_path)).save_checkpoint({"epoch": 2}, "trial-1")
    assert torch.load(tmp_path / "trial-1.ckpt", weights_only=True) == {"epoch": 2}


def test_an_unknown_key_is_named(store):
    with pytest.raises(FileNotFoundError, match="got key='trial-9'"):
        KeyedCheckpointIO(store).load_checkpoint("trial-9")


def test_a_removed_key_is_gone(store):
    plugin = KeyedCheckpointIO(store)
    plugin.save_checkpoint({}, "trial-1")
    plugin.remove_checkpoint("trial-1")
    assert store.load("trial-1") is None


def test_a_checkpoint_runs_no_code(store):
    buffer = io.BytesIO()
    torch.save({"weights": Trap()}, buffer)
    store.save("trial-1", buffer.getvalue())
    with pytest.raises(Exception, match="Weights only load failed"):
        KeyedCheckpointIO(store).load_checkpoint("trial-1", weights_only=False)


def test_a_damaged_tensor_is_told(store):
    checkpoint = checkpoint_to_bytes({"weights": torch.full((512,), 1.5)})
    wrong = checkpoint.replace(torch.full((8,), 1.5).numpy().tobytes(), bytes(32), 1)
    with pytest.raises(
        ValueError, match=r"must have the checksums .* got a damaged 'archive/data"
    ):
        checkpoint_from_bytes(wrong)
