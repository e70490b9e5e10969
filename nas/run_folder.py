"""The folder of a study: where each thing lies, and whether it can be used; no torch here."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from nas.config import StudyConfig, make_config
from nas.config_file import FORMAT, load_config, merge, read_yaml
from nas.devices import num_cores
from nas.errors import ConfigError, RunFolderError
from nas.storage import without_password
from nas.wandb_settings import with_stored
from search_spaces.errors import UserError, did_you_mean

_MIN_FREE_BYTES = 64 * 2**20
_FIRST_FILES = ("owner.lock", "journal.log", "journal.log.lock", "claims")
"""What may be there before a study; `nas claims` needs none."""
_PACKAGES = (
    "torch",
    "pytorch-lightning",
    "torchmetrics",
    "optuna",
    "wandb",
    "numpy",
    "scipy",
    "scikit-learn",
)


class RunFolder:
    """Paths of `runs/<study>/`.

    Args:
        path: The folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.environment = self.path / "environment.json"
        self.design = self.path / "design.jsonl"
        self.logs = self.path / "logs"
        self.timing = self.logs / "timing.json"
        self.workers = self.path / "workers.json"
        self.checkpoints = self.path / "checkpoints"
        self.wandb = self.path / "wandb"
        self.report = self.path / "report"
        self.export = self.path / "export"

    def read_config(self) -> StudyConfig:
        """Read the configuration that the study was started with.

        Raises:
            RunFolderError: There is no study, or it is of another version.
        """
        if not self.config.is_file():
            raise RunFolderError(
                f"A run folder must hold config.yaml, got {str(self.path)!r}. Give a folder that "
                "nas search has made, such as runs/digits."
            )
        try:
            data = read_yaml(self.config)
        except ConfigError as error:
            raise RunFolderError(
                f"{error} Restore the file from a copy, or choose another --name."
            ) from error
        found = data.pop("format", None)
        if found != FORMAT:
            raise RunFolderError(
                f"{self.config} must have format: {FORMAT}, got format: {found!r}. It was made by "
                "another version of the toolkit; choose another --name."
            )
        search = data.get("search")
        if isinstance(search, dict):
            # A study that was begun before there were others goes on with its rows.
            search.setdefault("design", "random")
        try:
            return make_config(data)
        except UserError as error:
            raise RunFolderError(f"{self.config} was changed or damaged: {error}") from error

    def check_usable(self) -> None:
        """Make the folder and prove that it can be written.

        Raises:
            RunFolderError: It cannot be written, the disk is full, or it holds something else.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._check_own()
            free = probe_folder(self.path)
        except OSError as error:
            raise RunFolderError(
                f"The run folder {str(self.path)!r} must be writable, got {error.strerror!r}. "
                "Check its permissions and free space, or run nas in another folder."
            ) from error
        if free < _MIN_FREE_BYTES:
            raise RunFolderError(
                f"A study needs {_MIN_FREE_BYTES // 2**20} MB of free disk, got "
                f"{free // 2**20} MB in {str(self.path)!r}. Free some space and repeat the command."
            )

    def _check_own(self) -> None:
        """Refuse a folder with other people's files.

        What an owner leaves that was killed before it wrote config.yaml is no one else's.
        """
        if self.config.is_file():
            return
        names = [path.name for path in self.path.iterdir()]
        foreign = sorted(n for n in names if n not in _FIRST_FILES and not n.startswith("."))
        if foreign:
            raise RunFolderError(
                f"A new study needs a new or empty folder, got {str(self.path)!r} with "
                f"{foreign[0]!r} and no config.yaml. Choose another --name."
            )

    def write_config(self, config: StudyConfig) -> None:
        """Write the resolved configuration, without passwords."""
        data = config.to_dict()
        data["storage"] = without_password(config.storage)
        text = yaml.safe_dump({"format": FORMAT, **data}, sort_keys=False)
        write_whole(self.config, text)

    def write_environment(self, slots: list[str]) -> None:
        """Write what the study runs on: versions and devices, no host names or users."""
        write_whole(self.environment, json.dumps(describe_environment(slots), indent=2) + "\n")

    def read_environment(self) -> dict[str, Any]:
        """Return what `write_environment` wrote; empty where it is missing."""
        try:
            found = json.loads(self.environment.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def describe_environment(slots: list[str]) -> dict[str, Any]:
    """Return versions and devices as JSON data."""
    return {
        "tool": tool_version(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": num_cores(),
        "devices": slots,
        "packages": {name: _version(name) for name in _PACKAGES},
        "implementation": sys.implementation.name,
    }


def tool_version() -> str:
    """Return this toolkit's version."""
    return _version("skip-nas") or "0"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def probe_folder(folder: Path) -> int:
    """Write a little file and remove it; return the free bytes.

    Raises:
        OSError: The folder cannot be written, or the disk is full.
    """
    probe = folder / f".probe-{os.getpid()}"
    try:
        probe.write_bytes(b"x" * 4096)
    finally:
        probe.unlink(missing_ok=True)
    return shutil.disk_usage(folder).free


def write_whole(path: Path, text: str) -> None:
    """Write a file beside and rename it, so that a kill leaves the old or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def find_run(run: str | None, runs: Path) -> Path:
    """Return a run folder by its path, by its name in `runs`, or the only one there is.

    Raises:
        RunFolderError: Nothing was named and there is not exactly one, or there is no such run.
    """
    known = sorted(path.parent.name for path in runs.glob("*/config.yaml"))
    if run is None:
        if len(known) == 1:
            return runs / known[0]
        if not known:
            raise RunFolderError(
                f"A study is needed, got none in {runs}/. Launch one with nas search, or give a "
                "run folder."
            )
        raise RunFolderError(
            f"A run must be named where there are several, got none for {len(known)} in {runs}/. "
            f"Known: {', '.join(known)}."
        )
    if run in known and not (Path(run) / "config.yaml").is_file():
        return runs / run
    if not Path(run).exists():
        names = did_you_mean(run, known) if known else f"There is none in {runs}/ yet."
        raise RunFolderError(f"No run folder and no run in {runs}/ is named {run!r}. {names}")
    return Path(run)


def resolve_config(path: Path | None, flags: Mapping[str, Any], runs: Path) -> StudyConfig:
    """Return the configuration of `nas search`: flags over the file over the defaults.

    Without a file, a study that exists goes on with its own configuration, so that its name is
    enough to resume it.

    Raises:
        UserError: A key or value is wrong, or the run folder cannot be read.
    """
    config = load_config(path, flags)
    folder = RunFolder(runs / config.name)
    if not folder.config.is_file():
        return config
    stored = folder.read_config()
    wandb = with_stored(config.wandb, stored.wandb)
    if path is None:
        config = make_config(merge(stored.to_dict(), flags))
    return config.model_copy(update={"wandb": wandb})
