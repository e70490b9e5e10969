"""The folder of a study: where each thing lies, and whether it can be used; no torch here."""

import json
import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from nas.config import StudyConfig, make_config
from nas.config_file import read_yaml
from nas.errors import ConfigError, RunFolderError
from nas.storage import without_password

FORMAT = 1
"""Version of the folder's layout; another one is refused."""
_MIN_FREE_BYTES = 64 * 2**20
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
        data = read_yaml(self.config)
        found = data.pop("format", None)
        if found != FORMAT:
            raise RunFolderError(
                f"{self.config} must have format: {FORMAT}, got format: {found!r}. It was made by "
                "another version of the toolkit; choose another --name."
            )
        try:
            return make_config(data)
        except ConfigError as error:
            raise RunFolderError(f"{self.config} was changed or damaged: {error}") from error

    def check_usable(self) -> None:
        """Make the folder and prove that it can be written.

        Raises:
            RunFolderError: It cannot be written, the disk is full, or it holds something else.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if any(self.path.iterdir()) and not self.config.is_file():
                names = sorted(p.name for p in self.path.iterdir() if p.name != "owner.lock")
                if names:
                    raise RunFolderError(
                        f"A new study needs a new or empty folder, got {str(self.path)!r} with "
                        f"{names[0]!r} and no config.yaml. Choose another --name."
                    )
            probe = self.path / f".probe-{os.getpid()}"
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise RunFolderError(
                f"The run folder {str(self.path)!r} must be writable: {error.strerror}. Check its "
                "permissions and free space, or run nas in another folder."
            ) from error
        if free < _MIN_FREE_BYTES:
            raise RunFolderError(
                f"A study needs {_MIN_FREE_BYTES // 2**20} MB of free disk, got "
                f"{free // 2**20} MB in {str(self.path)!r}. Free some space and repeat the command."
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
            return json.loads(self.environment.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}


def describe_environment(slots: list[str]) -> dict[str, Any]:
    """Return versions and devices as JSON data."""
    return {
        "tool": tool_version(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)),
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


def write_whole(path: Path, text: str) -> None:
    """Write a file beside and rename it, so that a kill leaves the old or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
