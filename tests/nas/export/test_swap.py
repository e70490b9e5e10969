"""Replacing a folder: whole, or not at all."""

from pathlib import Path

import pytest

from nas.export.swap import draft_beside, restore, swap


def make(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "card.md").write_text(text)
    return folder


def test_draft_takes_the_place_of_the_former(tmp_path: Path) -> None:
    folder = make(tmp_path / "export", "former")
    with draft_beside(folder) as draft:
        (draft / "card.md").write_text("new")
        swap(draft, folder)
    assert (folder / "card.md").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


def test_draft_is_removed_after_an_error(tmp_path: Path) -> None:
    folder = make(tmp_path / "export", "former")
    with pytest.raises(RuntimeError, match="in between"), draft_beside(folder):
        raise RuntimeError("in between")
    assert [p.name for p in tmp_path.iterdir()] == ["export"]


def test_former_comes_back_when_the_draft_is_gone(tmp_path: Path) -> None:
    folder = make(tmp_path / "export", "former")
    with pytest.raises(FileNotFoundError):
        swap(tmp_path / "gone", folder)
    assert (folder / "card.md").read_text() == "former"


def test_former_comes_back_after_a_kill_between_the_renames(tmp_path: Path) -> None:
    make(tmp_path / ".export.former", "former")
    restore(tmp_path / "export")
    assert (tmp_path / "export" / "card.md").read_text() == "former"


def test_former_is_removed_after_a_kill_behind_the_renames(tmp_path: Path) -> None:
    make(tmp_path / ".export.former", "former")
    folder = make(tmp_path / "export", "new")
    restore(folder)
    assert (folder / "card.md").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["export"]
