"""Writing as a whole: all or nothing, and in the place of the former export."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from nas.errors import ExportError
from nas.export import ExportRequest, write_export
from search_spaces import ArchitectureSpec
from tests.nas.export.networks import SPECS, VARIED, Network, make_network, make_request

FILES = {"architecture.json", "architecture.svg", "card.md", "model.py", "model.safetensors"}


def test_export_is_written_proven_and_holds_the_trained_tensors(
    tmp_path: Path, good: ExportRequest, network: Network
) -> None:
    folder = tmp_path / "deep" / "export"
    result = write_export(folder, good)

    assert result.folder == folder
    assert result.replaced is None
    assert result.accuracy == pytest.approx(network.accuracy)
    assert 0 <= result.max_abs_difference < 1e-4
    assert {p.name for p in folder.iterdir()} == FILES
    assert [p.name for p in folder.parent.iterdir()] == ["export"]

    text = (folder / "architecture.json").read_text()
    assert ArchitectureSpec.from_json(text) == good.spec
    assert json.loads(text)["skips"][0]["kind"] == "identity"

    weights = load_file(folder / "model.safetensors")
    state = network.module.state_dict()
    assert set(weights) == set(state)
    assert all(bool((weights[name] == state[name]).all()) for name in state)
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        assert file.metadata() == {
            "format": "pt",
            "format_version": "1",
            "spec_id": good.spec.spec_id,
        }
    assert f"{result.accuracy:.4f}" in (folder / "card.md").read_text()


def test_network_with_everything_unusual_is_proven_in_a_fresh_process(tmp_path: Path) -> None:
    spec = VARIED["pre-activation bottleneck with long skips"]
    result = write_export(tmp_path / "export", make_request(spec, make_network(spec)))
    assert result.max_abs_difference == pytest.approx(0, abs=1e-5)
    assert ArchitectureSpec.from_json((result.folder / "architecture.json").read_text()) == spec


def test_former_export_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    for name in ("card.md", "model.onnx"):
        (folder / name).write_text("former")
    (folder / "__pycache__").mkdir()
    spec = SPECS["long"]
    request = replace(make_request(spec, make_network(spec)), picture="")
    # Of what was there nothing says which network it was.
    assert write_export(folder, request).replaced == ""
    assert write_export(folder, request).replaced == spec.spec_id
    assert {p.name for p in folder.iterdir()} == FILES - {"architecture.svg"}
    assert "former" not in (folder / "card.md").read_text()


def test_failed_export_leaves_the_former_one_and_no_draft(
    tmp_path: Path, good: ExportRequest
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "card.md").write_text("former")
    # The right names and shapes, but not the weights of that run: only its score tells.
    other = make_network(good.spec, seed=3)
    with pytest.raises(ExportError, match=r"as trial 1 did, test_accuracy=0\.\d+, got"):
        write_export(folder, replace(good, weights=other.weights))
    assert (folder / "card.md").read_text() == "former"
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


def test_export_killed_while_swapping_is_put_right(tmp_path: Path, good: ExportRequest) -> None:
    former = tmp_path / ".export.former"
    former.mkdir()
    (former / "notes.txt").write_text("a file that is not ours, so that the export stops here")
    with pytest.raises(ExportError, match=r"got file='notes\.txt'"):
        write_export(tmp_path / "export", good)
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


def test_leftover_of_a_finished_swap_is_removed(tmp_path: Path, good: ExportRequest) -> None:
    for name in (".export.former", "export"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name[-6:]}.txt").write_text("")
    with pytest.raises(ExportError, match=r"got file='export\.txt'"):
        write_export(tmp_path / "export", good)
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


def test_folder_with_other_files_is_not_touched(tmp_path: Path, good: ExportRequest) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ExportError, match=r"got file='thesis\.tex' in it\. Move that file away"):
        write_export(tmp_path, good)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("place", ["file", "file/export"], ids=["in the way", "above"])
def test_file_in_the_way_is_an_error_with_a_remedy(
    tmp_path: Path, good: ExportRequest, place: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        ExportError, match=r"can be written, got .*choose another folder with --out"
    ):
        write_export(tmp_path / place, good)
    assert (tmp_path / "file").read_text() == "in the way"


def test_draft_that_cannot_be_swapped_in_brings_the_former_back(
    tmp_path: Path, good: ExportRequest
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "card.md").write_text("former")
    # A folder that is not empty cannot be renamed over: the first of the two renames fails.
    (tmp_path / ".export.former").write_text("a file in the way of the swap")
    with pytest.raises(ExportError, match="A former export is untouched"):
        write_export(folder, good)
    assert (folder / "card.md").read_text() == "former"
