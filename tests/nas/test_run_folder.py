import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from nas.config import make_config
from nas.errors import RunFolderError
from nas.run_folder import (
    RunFolder,
    describe_environment,
    find_run,
    probe_folder,
    resolve_config,
    tool_version,
    write_whole,
)
from nas.wandb_settings import WandbSettings
from search_spaces.errors import UserError

CONFIG = make_config({"name": "mine", "recipe": {"epochs": 4}})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A folder in which a study was started."""
    folder = RunFolder(tmp_path / "runs" / "mine")
    folder.check_usable()
    folder.write_config(CONFIG)
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


class TestConfig:
    def test_what_is_written_is_read_back(self, folder: RunFolder) -> None:
        assert folder.read_config() == CONFIG

    def test_password_is_never_written(self, folder: RunFolder) -> None:
        url = "postgresql+psycopg://ann:s3cret@db/nas?sslpassword=t0p"
        folder.write_config(CONFIG.model_copy(update={"storage": url}))
        text = folder.config.read_text()
        assert "s3cret" not in text
        assert "t0p" not in text
        assert folder.read_config().storage == "postgresql+psycopg://ann@db/nas"

    def test_folder_without_a_study_is_refused(self, tmp_path: Path) -> None:
        match = f"must hold config.yaml, got '{tmp_path}'. Give a folder that nas search has made"
        with pytest.raises(RunFolderError, match=match):
            RunFolder(tmp_path).read_config()

    def test_other_format_is_refused(self, folder: RunFolder) -> None:
        data = yaml.safe_load(folder.config.read_text())
        folder.config.write_text(yaml.safe_dump({**data, "format": 2}))
        match = "config.yaml must have format: 1, got format: 2. It was made by another version"
        with pytest.raises(RunFolderError, match=match):
            folder.read_config()
        folder.config.write_text("name: mine\n")
        with pytest.raises(RunFolderError, match="must have format: 1, got format: None"):
            folder.read_config()

    def test_study_that_was_begun_before_there_were_mirrored_rows_keeps_its_rows(
        self, folder: RunFolder
    ) -> None:
        data = yaml.safe_load(folder.config.read_text())
        assert data["search"].pop("design") == "auto"
        folder.config.write_text(yaml.safe_dump(data))
        assert folder.read_config().search.design == "random"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("format: 1\nname: [", "must be readable YAML, got while parsing.*Restore the file"),
            ("- a\n", "must hold keys and values, got list"),
            ("format: 1\nrecpe: {}\n", "was changed or damaged: Unknown key 'recpe'"),
            ("format: 1\nspace: {kinds: [zzz]}\n", "was changed or damaged: Unknown kind"),
            ("format: 1\ndata: cats\n", "was changed or damaged: Unknown data set 'cats'"),
            ("", "must have format: 1, got format: None"),
        ],
    )
    def test_damaged_file_is_refused(self, folder: RunFolder, text: str, message: str) -> None:
        folder.config.write_text(text)
        with pytest.raises(RunFolderError, match=message):
            folder.read_config()


class TestCheckUsable:
    def test_new_folder_is_made_with_its_parents(self, tmp_path: Path) -> None:
        RunFolder(tmp_path / "a" / "b" / "c").check_usable()
        assert list((tmp_path / "a" / "b" / "c").iterdir()) == []

    def test_own_folder_is_used_again(self, folder: RunFolder) -> None:
        (folder.path / "anything").touch()
        folder.check_usable()

    @pytest.mark.parametrize(
        "name", ["owner.lock", "journal.log", "journal.log.lock", ".config.yaml.77", ".probe-77"]
    )
    def test_what_a_killed_owner_left_before_it_wrote_the_configuration_is_no_hindrance(
        self, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / name).touch()
        RunFolder(tmp_path).check_usable()

    def test_folder_of_somebody_else_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").touch()
        match = f"got '{tmp_path}' with 'thesis.tex' and no config.yaml. Choose another --name"
        with pytest.raises(RunFolderError, match=match):
            RunFolder(tmp_path).check_usable()
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_file_in_the_place_of_the_folder_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "runs").touch()
        match = "runs/mine' must be writable, got 'Not a directory'. Check its permissions"
        with pytest.raises(RunFolderError, match=match):
            RunFolder(tmp_path / "runs" / "mine").check_usable()

    def test_little_free_disk_is_refused(self, small_disk: Path) -> None:
        match = "needs 64 MB of free disk, got 0 MB in .*Free some space and repeat"
        with pytest.raises(RunFolderError, match=match):
            RunFolder(small_disk / "mine").check_usable()

    def test_full_disk_is_refused(self, small_disk: Path) -> None:
        with pytest.raises(OSError, match="No space"):
            (small_disk / "ballast").write_bytes(b"x" * 2**20)
        (small_disk / "mine").mkdir()
        match = "must be writable, got 'No space left on device'. Check its permissions and free"
        with pytest.raises(RunFolderError, match=match):
            RunFolder(small_disk / "mine").check_usable()
        assert list((small_disk / "mine").iterdir()) == []

    def test_read_only_disk_is_refused(self, small_disk: Path) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        with pytest.raises(RunFolderError, match="must be writable, got 'Read-only file system'"):
            RunFolder(small_disk / "mine").check_usable()


class TestWriteWhole:
    def test_file_is_replaced(self, tmp_path: Path) -> None:
        write_whole(tmp_path / "a", "one")
        write_whole(tmp_path / "a", "two")
        assert (tmp_path / "a").read_text() == "two"
        assert len(list(tmp_path.iterdir())) == 1

    def test_full_disk_leaves_the_old_file(self, small_disk: Path) -> None:
        write_whole(small_disk / "a", "one")
        with pytest.raises(OSError, match="No space left"):
            write_whole(small_disk / "a", "x" * 2**20)
        assert (small_disk / "a").read_text() == "one"
        assert [path.name for path in small_disk.iterdir()] == ["a"]


def test_probe_returns_the_free_space_and_leaves_nothing(tmp_path: Path) -> None:
    assert probe_folder(tmp_path) > 0
    assert list(tmp_path.iterdir()) == []


class TestEnvironment:
    def test_versions_and_devices_are_kept(self, folder: RunFolder) -> None:
        folder.write_environment(["cpu", "cpu"])
        found = folder.read_environment()
        assert found["devices"] == ["cpu", "cpu"]
        assert found["packages"]["optuna"].startswith("5.")
        assert found["tool"] == tool_version()
        assert found == describe_environment(["cpu", "cpu"])

    def test_neither_host_nor_user_is_told(self) -> None:
        told = json.dumps(describe_environment(["cpu"]))
        assert os.uname().nodename not in told
        assert str(Path.home()) not in told

    @pytest.mark.parametrize("text", [None, "{", "[1]"])
    def test_damaged_or_missing_file_is_empty(self, folder: RunFolder, text: str | None) -> None:
        if text is not None:
            folder.environment.write_text(text)
        assert folder.read_environment() == {}


class TestFindRun:
    @pytest.fixture
    def runs(self, tmp_path: Path) -> Path:
        return tmp_path / "runs"

    def make(self, runs: Path, *names: str) -> None:
        for name in names:
            (runs / name).mkdir(parents=True)
            (runs / name / "config.yaml").touch()

    def test_by_name_and_by_path(self, runs: Path) -> None:
        self.make(runs, "digits", "quick")
        assert find_run("quick", runs) == runs / "quick"
        assert find_run(str(runs / "quick"), Path("elsewhere")) == runs / "quick"

    def test_only_one_needs_no_name(self, runs: Path) -> None:
        self.make(runs, "digits")
        (runs / "README.md").touch()
        assert find_run(None, runs) == runs / "digits"

    def test_none_at_all(self, runs: Path) -> None:
        with pytest.raises(RunFolderError, match=f"needed, got none in {runs}/. Launch one with"):
            find_run(None, runs)
        with pytest.raises(
            RunFolderError, match=r"is named 'digits'. There is none in .*runs/ yet"
        ):
            find_run("digits", runs)

    def test_several(self, runs: Path) -> None:
        self.make(runs, "digits", "quick")
        match = "must be named where there are several, got none for 2 in .*Known: digits, quick"
        with pytest.raises(RunFolderError, match=match):
            find_run(None, runs)

    def test_misspelt_name(self, runs: Path) -> None:
        self.make(runs, "digits", "quick")
        match = "is named 'digit'. Did you mean 'digits'[?] Known: digits, quick"
        with pytest.raises(RunFolderError, match=match):
            find_run("digit", runs)


class TestResolveConfig:
    def test_name_is_enough_to_go_on_with_a_study(self, folder: RunFolder) -> None:
        config = resolve_config(None, {"name": "mine"}, folder.path.parent)
        assert config == CONFIG

    def test_flags_are_laid_over_what_was_stored(self, folder: RunFolder) -> None:
        flags = {"name": "mine", "search": {"trials": 300}}
        config = resolve_config(None, flags, folder.path.parent)
        assert (config.search.trials, config.recipe.epochs) == (300, 4)

    def test_stored_wandb_settings_do_not_count_as_given(self, folder: RunFolder) -> None:
        stored = WandbSettings(mode="disabled", runs="none")
        folder.write_config(CONFIG.model_copy(update={"wandb": stored}))
        wandb = resolve_config(None, {"name": "mine"}, folder.path.parent).wandb
        assert (wandb.model_dump(), wandb.model_fields_set) == (stored.model_dump(), set())
        flags = {"name": "mine", "wandb": {"mode": "offline"}}
        wandb = resolve_config(None, flags, folder.path.parent).wandb
        assert (wandb.mode, wandb.runs, wandb.model_fields_set) == ("offline", "none", {"mode"})

    def test_file_says_all_itself(self, folder: RunFolder, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text("name: mine\n")
        config = resolve_config(tmp_path / "a.yaml", {}, folder.path.parent)
        assert config.recipe.epochs == 8

    def test_new_study_has_the_defaults(self, folder: RunFolder) -> None:
        config = resolve_config(None, {"name": "new"}, folder.path.parent)
        assert config == make_config({"name": "new"})

    def test_name_that_leads_elsewhere_is_refused_first(self, folder: RunFolder) -> None:
        with pytest.raises(UserError, match=r"got name='\.\./mine'"):
            resolve_config(None, {"name": "../mine"}, folder.path)
