from pathlib import Path

import pytest

from nas.errors import RunFolderError
from nas.show import describe_spec, find_spec
from nas.trials import Source
from search_spaces.errors import SpecError
from search_spaces.presets import preset
from search_spaces.spec import Kind
from tests.nas.made_studies import add_trial, make_study


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
        (b"{}", "a.json: Architecture spec: key 'input' is missing"),
    ],
)
def test_file_of_something_else_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(SpecError, match=message):
        find_spec(str(tmp_path / "a.json"), tmp_path)
