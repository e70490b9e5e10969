"""An export with a block type of the user's: their file goes along and needs no toolkit."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from nas.errors import ExportError
from nas.export import write_export
from nas.export.bare_check import import_by_path
from nas.export.verify import load_network
from nas.export.write import write_network
from tests.nas.export.networks import (
    OWN_BLOCK,
    Network,
    make_network,
    make_request,
    own_block_spec,
)

UserFile = Callable[[str, str], Path]
LONG = [
    ("stage1.block1", "stage1.block1", "identity"),
    ("stage1.block1", "stage2.block2", "projection"),
]


def write_files(folder: Path, network: Network) -> None:
    """Write what the export is made of, without the proof."""
    spec = network.module.spec
    request = make_request(spec, network)
    folder.mkdir()
    write_network(folder, request, load_network(spec, request.weights))


def test_export_carries_the_file_and_is_proven_without_the_toolkit(
    tmp_path: Path, user_file: UserFile
) -> None:
    file = user_file("gated_proven", OWN_BLOCK)
    spec = own_block_spec("gated_proven.Gated")
    folder = tmp_path / "export"
    folder.mkdir()
    # A former export with such files is replaced as any other.
    for name in ("block.py", "search_spaces_blocks.py"):
        (folder / name).write_text("former")
    result = write_export(folder, make_request(spec, make_network(spec)))
    assert result.max_abs_difference == pytest.approx(0, abs=1e-5)
    assert (folder / "block.py").read_bytes() == file.read_bytes()
    card = (folder / "card.md").read_text()
    assert "Blocks: `gated_proven.Gated(reduction=4)`, in `block.py`" in card
    assert "torch and safetensors, and what `block.py` imports" in card


def toolkit_modules() -> dict[str, object]:
    return {name: m for name, m in sys.modules.items() if name.split(".")[0] == "search_spaces"}


@pytest.mark.parametrize(
    "fields", [{}, {"activation": "pre", "norm": "none"}, {"skips": LONG}, {"skips": []}]
)
def test_own_block_gives_the_same_logits_beside_the_loaded_toolkit(
    tmp_path: Path, user_file: UserFile, fields: dict[str, object]
) -> None:
    name = f"gated_{'_'.join([*fields, str(len(str(fields)))])}"
    user_file(name, OWN_BLOCK)
    network = make_network(own_block_spec(f"{name}.Gated", **fields))
    write_files(tmp_path / "export", network)
    before = toolkit_modules()

    exported = import_by_path(tmp_path / "export" / "model.py").load()
    with torch.no_grad():
        logits = exported(torch.from_numpy(network.images))
    assert torch.equal(logits, network.logits)
    assert toolkit_modules() == before
    assert not [m for m in exported.modules() if type(m).__module__.startswith("search_spaces.")]


def test_source_is_clean_and_shows_the_arguments(tmp_path: Path, user_file: UserFile) -> None:
    user_file("gated_clean", OWN_BLOCK)
    write_files(tmp_path / "export", make_network(own_block_spec("gated_clean.Gated")))
    file = tmp_path / "export" / "model.py"
    text = file.read_text()
    assert (
        'BRANCH_ARGUMENTS: dict[str, Any] = {"norm": "batch", "activation": "post", "reduction": 4}'
    ) in text
    config = str(Path(__file__).parents[3] / "pyproject.toml")
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--config", config, str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_arguments_of_any_json_kind_come_through(tmp_path: Path, user_file: UserFile) -> None:
    source = OWN_BLOCK.replace("reduction=2", "reduction=2, notes=None")
    user_file("gated_notes", source)
    notes = {
        "text": 'a "quoted" $word \N{SNOWMAN}',
        "list": [1, 0.5, True, None],
        "deep": {"a": []},
    }
    spec = own_block_spec("gated_notes.Gated")
    block = {"class_path": "gated_notes.Gated", "init_args": {"reduction": 2, "notes": notes}}
    spec = type(spec).from_dict(spec.to_dict() | {"block": block})
    write_files(tmp_path / "export", make_network(spec))
    module = import_by_path(tmp_path / "export" / "model.py")
    assert module.BRANCH_ARGUMENTS["notes"] == notes
    assert json.dumps(module.BRANCH_ARGUMENTS["reduction"]) == "2"


def test_file_that_needs_more_while_it_runs_is_found_by_the_proof(
    tmp_path: Path, user_file: UserFile
) -> None:
    lazy = OWN_BLOCK.replace(
        "        out = super()", "        import search_spaces.space\n        out = super()", 1
    )
    user_file("gated_lazy", lazy)
    spec = own_block_spec("gated_lazy.Gated")
    request = make_request(spec, make_network(spec))
    # Either there is no toolkit in the fresh process, or there is and it is noticed.
    message = r"'search_spaces.*block type's file|toolkit_modules=\['search_spaces'\]"
    with pytest.raises(ExportError, match=message):
        write_export(tmp_path / "export", request)
    assert not (tmp_path / "export").exists()
