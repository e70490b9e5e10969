import sys
from pathlib import Path
from typing import Any

import pytest

from nas.config import make_config
from nas.errors import ConfigError, ResumeError
from nas.open_study import open_study
from nas.own_files import check_own_files, hash_own_files
from nas.run_folder import RunFolder
from tests.nas.made_studies import SMALL, make_study

BLOCK = """
from search_spaces.blocks import BasicBranch

class Mine(BasicBranch):
    pass
"""
TASK = """
from trainer.module import CandidateModule

class Mine(CandidateModule):
    pass
"""
SPACE = """
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig

class Mine(ResidualSpace):
    def __init__(self, *, input, num_classes):
        block = {"class_path": "own_files_block.Mine"}
        fields = {"stages": 2, "max_blocks": 2, "width": 4, "block": block}
        super().__init__(ResidualSpaceConfig(**fields), input, num_classes)
"""


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, text in (("block", BLOCK), ("task", TASK), ("space", SPACE)):
        (tmp_path / f"own_files_{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, f"own_files_{name}", raising=False)


def hashes(**changes: Any) -> dict[str, str]:
    config = make_config({**SMALL, **changes})
    return hash_own_files(config, config.make_space())


WITH_BLOCK = {**SMALL["space"], "block": ["basic", {"class_path": "own_files_block.Mine"}]}


def test_shipped_parts_have_no_files_of_the_user() -> None:
    assert hashes() == {}


def test_task_and_blocks_are_found_where_they_are_named() -> None:
    found = hashes(space=WITH_BLOCK, task={"class_path": "own_files_task.Mine"})
    assert list(found) == ["own_files_block.py", "own_files_task.py"]
    assert all(len(digits) == 16 for digits in found.values())


def test_a_block_that_only_the_own_space_names_is_found_too() -> None:
    found = hashes(space={"class_path": "own_files_space.Mine"})
    assert list(found) == ["own_files_block.py", "own_files_space.py"]


def test_modules_of_packages_are_named_below_their_folder(tmp_path: Path) -> None:
    for name in ("__init__", "inner"):
        (tmp_path / "own_files_package").mkdir(exist_ok=True)
        (tmp_path / "own_files_package" / f"{name}.py").write_text(BLOCK)
    for path, name in (
        ("own_files_package.Mine", "__init__"),
        ("own_files_package.inner.Mine", "inner"),
    ):
        found = hashes(space={**SMALL["space"], "block": {"class_path": path}})
        assert list(found) == [f"own_files_package/{name}.py"]


def test_a_class_that_is_handed_on_is_found_where_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "own_files_hands_on.py").write_text("from own_files_block import Mine")
    found = hashes(space={**SMALL["space"], "block": {"class_path": "own_files_hands_on.Mine"}})
    assert list(found) == ["own_files_block.py"]


def test_a_class_that_cannot_be_loaded_is_told() -> None:
    with pytest.raises(ConfigError, match=r"task.class_path must name an importable class"):
        hashes(task={"class_path": "own_files_nowhere.Mine"})


def test_a_study_goes_on_with_the_same_file_only(tmp_path: Path) -> None:
    study = make_study(tmp_path, space=WITH_BLOCK)
    assert open_study(study.folder, study.config).search.uid == study.search.uid
    (tmp_path / "own_files_block.py").write_text(BLOCK + "\n# edited\n")
    match = (
        r"Study 'made' must go on with the code .*, got another content of own_files_block\.py "
        r"\(hash \w{16}, it began with \w{16}\)\. Restore the file, or choose another --name"
    )
    with pytest.raises(ResumeError, match=match):
        open_study(study.folder, study.config)
    (tmp_path / "own_files_block.py").write_text(BLOCK)
    assert open_study(study.folder, study.config).search.uid == study.search.uid


def test_a_study_that_stored_no_hashes_still_opens(tmp_path: Path) -> None:
    study = make_study(tmp_path, space=WITH_BLOCK)
    for store in (study.search, study.repeats):
        facts = {key: value for key, value in store.facts.items() if key != "own_files"}
        store.storage.set_study_user_attr(store.study_id, "nas", facts)
    (tmp_path / "own_files_block.py").write_text(BLOCK + "\n# edited\n")
    assert open_study(RunFolder(study.folder.path), study.config).search.uid == study.search.uid


def test_a_file_that_is_gone_is_another_content() -> None:
    check_own_files("made", {}, {"a.py": "1"})
    with pytest.raises(ResumeError, match=r"content of a\.py \(hash none, it began with 1\)"):
        check_own_files("made", {"a.py": "1"}, {"b.py": "1"})
