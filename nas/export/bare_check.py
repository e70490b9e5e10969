"""Run by path in a fresh process: load an exported network and measure it.

`python -I -B bare_check.py EXPORT_FOLDER REFERENCE` prints one line of JSON. The reference is a
safetensors file of raw `images`, the toolkit's `logits`, and perhaps `labels` of the first images.
Nothing of the toolkit is imported, and the answer says whether that held.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import torch
from safetensors.torch import load_file

TOOLKIT = ("search_spaces", "trainer", "nas")
BATCH = 256


def import_by_path(file: Path) -> ModuleType:
    """Import a file that is on no search path."""
    spec = importlib.util.spec_from_file_location("exported_model", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file.name} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def measure(folder: Path, reference: Path) -> dict[str, object]:
    """Return the largest difference of logits, their scale, the accuracy, and what it says."""
    exported = import_by_path(folder / "model.py")
    network = exported.load()
    tensors = load_file(reference)
    with torch.no_grad():
        logits = torch.cat([network(batch) for batch in tensors["images"].split(BATCH)])
    accuracy = None
    if "labels" in tensors:
        labels = tensors["labels"]
        right = logits[: len(labels)].argmax(dim=1) == labels
        accuracy = int(right.sum()) / len(labels)
    return {
        "max_abs_difference": float((logits - tensors["logits"]).abs().max()),
        "scale": float(tensors["logits"].abs().max()),
        "accuracy": accuracy,
        "is_training": network.training,
        "description": exported.describe(),
        "toolkit_modules": [name for name in TOOLKIT if name in sys.modules],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]), Path(sys.argv[2]))) + "\n")
