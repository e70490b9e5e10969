import struct
import sys
from pathlib import Path

import pytest

from nas.errors import ConfigError
from nas.pictures import check_picture_path, to_png, write_picture
from search_spaces.drawing import draw_svg
from search_spaces.presets import preset


def test_a_picture_is_written_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.svg", "<svg/>")
    write_picture(tmp_path / "a.svg", "<svg>é</svg>")
    write_picture(tmp_path / "a.png", b"\x89")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == "<svg>é</svg>"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg"]


@pytest.mark.parametrize("name", ["no/a.svg", "file/a.svg", "folder"])
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory") as caught:
        write_picture(tmp_path / name, "<svg/>")
    assert caught.value.filename == str(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_png_is_twice_the_size_of_the_drawing() -> None:
    pytest.importorskip("resvg_py")
    data = to_png(draw_svg(preset("resnet-8"), width=300))
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">I", data[16:20]) == (600,)


def test_png_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(ConfigError, match=r"pip install 'skip-nas\[png\]'"):
        to_png("<svg/>")


def test_png_without_a_font_is_refused_instead_of_losing_its_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = pytest.importorskip("resvg_py")
    with_fonts = library.svg_to_bytes
    monkeypatch.setattr(
        library,
        "svg_to_bytes",
        lambda svg, **more: with_fonts(svg, skip_system_fonts=True, **more),
    )
    with pytest.raises(ConfigError, match="needs a font for its labels"):
        to_png(draw_svg(preset("resnet-8")))


@pytest.mark.parametrize("name", [".", "/", ""])
def test_a_folder_is_no_picture(name: str) -> None:
    with pytest.raises(ConfigError, match=r"--svg must be a file, got the folder '[./]'\. Write"):
        check_picture_path("--svg", Path(name))


def test_a_new_file_and_an_old_one_may_be_a_picture(tmp_path: Path) -> None:
    (tmp_path / "old.png").touch()
    check_picture_path("--png", tmp_path / "old.png")
    check_picture_path("--png", tmp_path / "new.png")
