"""Write an export: draft beside the folder, proof in a fresh process, then swap; lazy torch."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nas.errors import ExportError
from nas.export.card import card
from nas.export.exportable import find_own_block
from nas.export.model_source import model_source
from nas.export.request import ExportRequest, ExportResult
from nas.export.swap import draft_beside, restore, swap
from nas.export.verify import (
    BLOCK_FILE,
    check_accuracy,
    check_architecture,
    check_in_fresh_process,
    load_network,
    write_reference,
)
from search_spaces.errors import SpecError
from search_spaces.spec import ArchitectureSpec, BlockClass

if TYPE_CHECKING:
    from search_spaces.resnet import CandidateResNet

FORMAT_VERSION = "1"
"""Version of the set of files, kept in the weights' metadata."""
_BASE_FILE = "search_spaces_blocks.py"
"""Copy of `search_spaces.blocks`, for a block type of the user's."""
_OURS = {
    "architecture.json",
    "architecture.svg",
    BLOCK_FILE,
    "card.md",
    "model.onnx",
    "model.py",
    "model.safetensors",
    _BASE_FILE,
    "__pycache__",
}


def write_export(folder: Path, request: ExportRequest) -> ExportResult:
    """Write the network as files that run without this toolkit, and prove it.

    All or nothing: files are drafted beside `folder`, loaded and compared in a fresh process, and
    only then swapped in. After a failure the former export is as it was.

    Args:
        folder: Where the export goes; a former export there is replaced.
        request: The trained network, and all that its card says.

    Raises:
        ExportError: The parts do not belong together, the folder cannot be written, or the files
            do not give what the trained network gives.
    """
    started = time.perf_counter()
    request.check()
    folder = Path(folder).resolve()
    network = load_network(request.spec, request.weights)
    try:
        _refuse_foreign_files(folder)
        with draft_beside(folder) as draft:
            write_network(draft, request, network)
            check_architecture(draft, request.spec)
            with tempfile.TemporaryDirectory() as scratch:
                reference = Path(scratch) / "reference.safetensors"
                write_reference(network, request, reference)
                check = check_in_fresh_process(draft, reference)
            check_accuracy(request, check.accuracy)
            if request.picture:
                (draft / "architecture.svg").write_text(request.picture, encoding="utf-8")
            (draft / "card.md").write_text(card(request, check.accuracy), encoding="utf-8")
            replaced = _former_spec_id(folder)
            swap(draft, folder)
    except OSError as error:
        raise ExportError(
            f"Export: {folder} must be a folder that can be written, got {error}. Free the place "
            "or choose another folder with --out. A former export is untouched."
        ) from error
    return ExportResult(
        folder=folder,
        max_abs_difference=check.max_abs_difference,
        accuracy=check.accuracy,
        seconds=time.perf_counter() - started,
        replaced=replaced,
    )


def write_network(folder: Path, request: ExportRequest, network: "CandidateResNet") -> None:
    """Write `architecture.json`, `model.safetensors`, `model.py`, and what the user's block needs.

    Raises:
        ExportError: The user's block needs more than its own file.
    """
    from safetensors.torch import save

    spec = request.spec
    (folder / "architecture.json").write_text(spec.to_json(indent=2) + "\n", encoding="utf-8")
    metadata = {"format": "pt", "format_version": FORMAT_VERSION, "spec_id": spec.spec_id}
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    (folder / "model.safetensors").write_bytes(save(tensors, metadata=metadata))
    own_class = _copy_own_block(folder, spec.block) if isinstance(spec.block, BlockClass) else ""
    source = model_source(spec, request.mean, request.std, request.facts.value_range, own_class)
    (folder / "model.py").write_text(source, encoding="utf-8")


def _copy_own_block(folder: Path, block: BlockClass) -> str:
    """Copy the file of the user's block and that of its base class; return the block's name."""
    from search_spaces import blocks

    own = find_own_block(block)
    shutil.copyfile(own.file, folder / BLOCK_FILE)
    shutil.copyfile(Path(blocks.__file__), folder / _BASE_FILE)
    return own.class_name


def _former_spec_id(folder: Path) -> str | None:
    """Return which network was exported to the folder before; see `ExportResult.replaced`."""
    if not folder.exists() or not any(folder.iterdir()):
        return None
    try:
        text = (folder / "architecture.json").read_text(encoding="utf-8")
        return ArchitectureSpec.from_json(text).spec_id
    except (OSError, UnicodeDecodeError, SpecError):
        return ""


def _refuse_foreign_files(folder: Path) -> None:
    """The folder is replaced as a whole, so nothing but a former export may be in it."""
    restore(folder)
    foreign = sorted(p.name for p in folder.iterdir()) if folder.exists() else []
    foreign = [name for name in foreign if name not in _OURS]
    if foreign:
        raise ExportError(
            f"Export: {folder} must be empty or hold a former export, got file={foreign[0]!r} in "
            "it. Move that file away or choose another folder with --out."
        )
