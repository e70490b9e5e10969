import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from nas.cli import app
from nas.errors import ConfigError, RunFolderError
from nas.show import can_show_boxes, check_show_flags, describe_spec, find_spec
from nas.trials import Source
from search_spaces.errors import SpecError
from search_spaces.presets import preset
from search_spaces.spec import Kind
from tests.nas.made_studies import add_trial, make_study
from trainer.data import data_facts
from trainer.errors import DataError


def test_facts_are_those_of_the_paper() -> None:
    facts = describe_spec(preset("resnet-20"))
    assert {"layers", "params", "macs", "spec_id"} <= set(facts)
    assert (facts["layers"], facts["params"]) == (20, 269_722)
    assert facts["spec"] == preset("resnet-20").to_dict()
    assert facts["num_skips"] == 9


def test_preset_file_and_run_are_found(tmp_path: Path) -> None:
    assert find_spec("plain-20", tmp_path) == preset("plain-20")
    (tmp_path / "mine.json").write_text(preset("resnet-56-b").to_json())
    assert find_spec(str(tmp_path / "mine.json"), tmp_path) == preset("resnet-56-b")
    study = make_study(tmp_path, [0.5])
    spec = study.space.uniform((1, 2), Kind.IDENTITY)
    add_trial(study, spec, Source.ADAPTIVE, 0.25)
    assert find_spec("made", tmp_path) == spec
    assert find_spec(str(study.folder.path), tmp_path / "elsewhere") == spec


def test_exported_architecture_of_a_run_comes_first(tmp_path: Path) -> None:
    study = make_study(tmp_path, [0.5])
    study.folder.export.mkdir()
    spec = study.space.uniform((1, 2), Kind.PROJECTION)
    (study.folder.export / "architecture.json").write_text(spec.to_json())
    assert find_spec("made", tmp_path) == spec


def test_run_without_a_complete_trial_has_nothing_to_draw(tmp_path: Path) -> None:
    make_study(tmp_path, [None])
    with pytest.raises(RunFolderError, match=r"complete trial to be drawn, got none in '.*made'"):
        find_spec("made", tmp_path)


def test_unknown_name_is_told_what_there_is(tmp_path: Path) -> None:
    make_study(tmp_path)
    match = "is needed, got 'mad'. No such file; runs in .*/: made. Unknown preset 'mad'. Known:"
    with pytest.raises(SpecError, match=match):
        find_spec("mad", tmp_path)
    with pytest.raises(SpecError, match=r"/: none. Unknown preset 'resnet-21'"):
        find_spec("resnet-21", tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", "a.json: an architecture spec must be JSON, got other data"),
        (b"{", "a.json: An architecture spec must be JSON, got Expecting property"),
        (b"[]", "a.json: An architecture spec must be a JSON object, got list"),
        (b"{}", "a.json: Architecture spec: Key 'input' must be given"),
    ],
)
def test_file_of_something_else_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(SpecError, match=message):
        find_spec(str(tmp_path / "a.json"), tmp_path)


def test_preset_is_built_for_a_data_set_and_a_width(tmp_path: Path) -> None:
    found = find_spec("resnet-20", tmp_path, data="digits", width=8)
    assert found == preset("resnet-20", input=data_facts("digits").input, num_classes=10, width=8)
    assert [stage.width for stage in found.stages] == [8, 16, 32]
    assert find_spec("plain-20", tmp_path, width=4).input.height == 32


def test_data_and_width_are_for_presets_only(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(preset("resnet-8").to_json())
    make_study(tmp_path, [0.5])
    with pytest.raises(ConfigError, match=r"are for presets, got the spec file '.*mine.json'"):
        find_spec(str(tmp_path / "mine.json"), tmp_path, data="digits")
    with pytest.raises(ConfigError, match="are for presets, got the run 'made'"):
        find_spec("made", tmp_path, width=8)


def test_wrong_data_and_width_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Unknown data set 'digit'"):
        find_spec("resnet-8", tmp_path, data="digit")
    with pytest.raises(ConfigError, match="--width must be from 1 to 10000, got width=0"):
        find_spec("resnet-8", tmp_path, width=0)
    with pytest.raises(
        ConfigError, match="--width must be from 1 to 10000, got width=100000000000"
    ):
        find_spec("resnet-8", tmp_path, width=10**11)
    assert find_spec("resnet-50", tmp_path, width=10_000).stages[-1].width == 320_000


def test_byte_order_mark_of_a_file_is_read_over(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(preset("resnet-8").to_json(), encoding="utf-8-sig")
    assert find_spec(str(tmp_path / "a.json"), tmp_path) == preset("resnet-8")


def test_spec_of_the_future_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"schema_version": 9}')
    with pytest.raises(SpecError, match=r"a.json: .* must have schema_version 1, 2, got"):
        find_spec(str(tmp_path / "a.json"), tmp_path)


def test_seeds_are_for_gradients_and_at_least_one() -> None:
    check_show_flags(gradients=True, seeds=None)
    check_show_flags(gradients=True, seeds=1)
    with pytest.raises(ConfigError, match="--seeds is for --gradients, got it alone"):
        check_show_flags(gradients=False, seeds=3)
    with pytest.raises(ConfigError, match="--seeds must be at least 1, got seeds=0"):
        check_show_flags(gradients=True, seeds=0)


@pytest.mark.parametrize(
    ("encoding", "can"), [("utf-8", True), ("ascii", False), ("cp1252", False)]
)
def test_streams_that_cannot_show_rails_are_known(encoding: str, can: bool) -> None:
    assert can_show_boxes(io.TextIOWrapper(io.BytesIO(), encoding=encoding)) is can
    assert not can_show_boxes(io.StringIO())


class TestCommand:
    """The command as a whole."""

    @pytest.fixture
    def run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
        monkeypatch.chdir(tmp_path)

        def invoke(*words: str) -> Result:
            return CliRunner().invoke(app, ["show", *words], env={"COLUMNS": "80"})

        return invoke

    def test_pictures_numbers_and_gradients_in_one_go(
        self, run: Callable[..., Result], tmp_path: Path
    ) -> None:
        pytest.importorskip("resvg_py")
        words = "resnet-8 --data digits --width 4 --gradients --seeds 1 --json"
        done = run(*words.split(), "--svg", "a.svg", "--png", "a.png")
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert found["gradients"]["seeds"] == 1
        assert found["spec"]["input"]["height"] == 8
        assert (tmp_path / "a.svg").read_text().startswith("<svg")
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")

    def test_text_is_drawn_with_bars(self, run: Callable[..., Result]) -> None:
        done = run("plain-8", "--data", "digits", "--width", "4", "--gradients", "--seeds", "1")
        assert done.exit_code == 0, done.output
        assert "stage3.block1  16x2x2  none" in done.stdout
        assert "Gradients at initialisation" in done.stdout
        assert "no verdict" in done.stdout

    def test_sizes_are_said_once_and_pictures_by_their_place(
        self, run: Callable[..., Result]
    ) -> None:
        done = run("resnet-20", "--svg", "a.svg")
        assert done.stdout.count("269,722") == 1
        assert done.stdout.endswith(f"\nspec_id {preset('resnet-20').spec_id}\npicture a.svg\n")

    @pytest.mark.parametrize("place", [".", "/", ""])
    def test_picture_must_be_a_file(self, run: Callable[..., Result], place: str) -> None:
        done = run("plain-8", "--svg", place)
        assert done.exit_code == 2
        assert done.stderr.startswith("error: --svg must be a file, got the folder '")

    def test_gradients_of_a_network_larger_than_memory(self, run: Callable[..., Result]) -> None:
        done = run("plain-8", "--width", "10000", "--gradients")
        assert done.exit_code == 2
        assert "must fit into memory, got " in done.stderr

    def test_png_that_cannot_be_made_leaves_no_svg(
        self, run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "resvg_py", None)
        done = run("plain-8", "--svg", "a.svg", "--png", "a.png")
        assert done.exit_code == 2
        assert "skip-nas[png]" in done.stderr
        assert list(tmp_path.iterdir()) == []

    def test_drawing_alone_needs_no_torch(self) -> None:
        code = "import nas.show, nas.pictures, sys; sys.exit('torch' in sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True)
