"""Prove that an export equals the trained network: reference logits, then a fresh process.

torch is imported when a reference is made.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.errors import ExportError
from nas.export.request import ExportRequest
from search_spaces.spec import ArchitectureSpec

if TYPE_CHECKING:
    from torch import Tensor

    from search_spaces.resnet import CandidateResNet

TOLERANCE = 1e-5
"""Largest difference of logits, as a share of the largest logit, or of 1 where that is smaller."""
MIN_IMAGES = 64
"""Images on which logits are compared, at least."""
BLOCK_FILE = "block.py"
"""Copy of the file that defines a block type of the user's."""
_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Check:
    """What the fresh process found."""

    max_abs_difference: float
    accuracy: float | None
    """On the labelled images, in [0, 1]."""


def load_network(spec: ArchitectureSpec, weights: bytes) -> "CandidateResNet":
    """Build the network and give it these weights, in eval mode on the CPU.

    Raises:
        ExportError: The bytes are no safetensors file, or hold other tensors than the network has.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    from search_spaces.resnet import build_candidate

    network = build_candidate(spec, torch.Generator().manual_seed(0))
    try:
        tensors = load(weights)
        network.load_state_dict(tensors)
    except (SafetensorError, RuntimeError) as error:
        detail = " ".join(str(error).split())
        raise ExportError(
            f"Export: the weights must be those of spec_id={spec.spec_id!r}, got {detail[:300]} "
            "Give the state dict of the network trained from this spec."
        ) from error
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ExportError(
            f"Export: weights must be finite, got inf or nan in tensor={broken[0]!r}. "
            "The training diverged; export another run."
        )
    return network.eval()


def write_reference(network: "CandidateResNet", request: ExportRequest, file: Path) -> None:
    """Save raw images, the toolkit's own logits on them, and the labels where they are known."""
    import torch
    from safetensors.torch import save

    images = _images(request)
    mean, std = (
        torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1)
        for values in (request.mean, request.std)
    )
    with torch.no_grad():
        logits = torch.cat([network((batch - mean) / std) for batch in images.split(_BATCH)])
    tensors = {"images": images, "logits": logits}
    if request.test_images is not None and request.test_labels is not None:
        tensors["labels"] = torch.as_tensor(request.test_labels, dtype=torch.int64).contiguous()
    file.write_bytes(save(tensors))


def check_architecture(folder: Path, spec: ArchitectureSpec) -> None:
    """Read `architecture.json` back and compare it.

    Raises:
        ExportError: It describes another network.
    """
    text = (folder / "architecture.json").read_text(encoding="utf-8")
    found = ArchitectureSpec.from_json(text).spec_id
    if found != spec.spec_id:
        raise ExportError(
            f"Export: architecture.json must describe spec_id={spec.spec_id!r}, got "
            f"spec_id={found!r}. Please report this as a bug."
        )


def check_in_fresh_process(folder: Path, reference: Path, timeout_s: float = 900) -> Check:
    """Load the export in a bare process and compare it with the reference.

    The process is isolated (no environment paths, no user packages), runs in an empty folder and
    imports `model.py` by path.

    Raises:
        ExportError: It does not load in time, needs the toolkit, or gives other logits.
    """
    found = _run(folder, reference, timeout_s)
    if found["toolkit_modules"]:
        raise ExportError(
            "Export: model.py must run without the toolkit, got "
            f"toolkit_modules={found['toolkit_modules']}. Please report this as a bug."
        )
    difference, scale = found["max_abs_difference"], found["scale"]
    allowed = TOLERANCE * max(1.0, scale)
    # Written so that nan, which compares as false, is refused too.
    if not (difference <= allowed and math.isfinite(scale)) or found["is_training"]:
        raise ExportError(
            f"Export: logits of model.py must equal the trained network's within {allowed:.1e}, "
            f"got max_abs_difference={difference:.3g}. Nothing was exported; export again, and "
            "report it as a bug if it happens twice."
        )
    return Check(max_abs_difference=difference, accuracy=found["accuracy"])


def check_accuracy(request: ExportRequest, accuracy: float | None) -> None:
    """Compare the accuracy of the exported network with that of the run it comes from.

    Trained in 32 bits it may differ in one image per 1000, for the order of additions on another
    device; trained in a shorter format, in one per 100.

    Raises:
        ExportError: It differs in more.
    """
    recorded = request.chosen.metrics.get("test_accuracy")
    if accuracy is None or recorded is None or request.test_labels is None:
        return
    num_images = len(request.test_labels)
    is_full = request.recipe.get("precision", "32-true") == "32-true"
    allowed = num_images // (1000 if is_full else 100)
    # A tenth of an image is room for accuracies that were rounded to 32 bits.
    if abs(accuracy - recorded) * num_images > allowed + 0.1:
        raise ExportError(
            f"Export: the exported network must score as trial {request.chosen.number} did, "
            f"test_accuracy={recorded:.4f}, got test_accuracy={accuracy:.4f} on {num_images} "
            "images. The weights, the images or the normalisation are not those of that run."
        )


def _images(request: ExportRequest) -> "Tensor":
    """Return the test images, topped up with random ones to `MIN_IMAGES`."""
    import torch

    shape = request.spec.input
    low, high = request.facts.value_range
    given = torch.empty(0, shape.channels, shape.height, shape.width)
    if request.test_images is not None:
        given = torch.as_tensor(request.test_images, dtype=torch.float32)
    missing = max(0, MIN_IMAGES - len(given))
    size = (missing, shape.channels, shape.height, shape.width)
    drawn = torch.rand(size, generator=torch.Generator().manual_seed(0)) * (high - low) + low
    return torch.cat([given, drawn])


def _run(folder: Path, reference: Path, timeout_s: float) -> dict[str, Any]:
    script = Path(__file__).with_name("bare_check.py")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    # The check is arithmetic on the CPU; a device that others train on is left alone.
    environment["CUDA_VISIBLE_DEVICES"] = ""
    command = [sys.executable, "-I", "-B", str(script), str(folder), str(reference)]
    with tempfile.TemporaryDirectory() as empty:
        try:
            done = subprocess.run(
                command,
                cwd=empty,
                env=environment,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ExportError(
                f"Export: the check in a fresh process must end within timeout_s={timeout_s:g}, "
                "got no answer. Export again when the machine is less busy."
            ) from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        own = (
            f" The block type's file, there {BLOCK_FILE}, may import installed packages and "
            "search_spaces.blocks; put all else that the block needs into it."
            if (folder / BLOCK_FILE).exists()
            else ""
        )
        raise ExportError(
            f"Export: model.py must load in a fresh process, got exit code={done.returncode}: "
            f"{reason} Nothing was exported.{own}"
        )
    return json.loads(done.stdout.strip().splitlines()[-1])
