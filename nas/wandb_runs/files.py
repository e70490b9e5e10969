"""Where W&B's files lie in a run folder, and the environment that keeps them there; no wandb.

<run folder>/wandb/wandb/offline-run-<time>-<id>/   one per run; `wandb/` is added by W&B
<run folder>/wandb/{data,cache,config,tmp}/         staged artifacts, caches, settings
"""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from nas.wandb_settings import WandbSettings, find_login

# What W&B may still read from the user's environment; everything else named WANDB_ could turn a
# trial's run into another one (WANDB_RUN_ID, WANDB_SWEEP_ID, WANDB_NAME, ...).
_KEPT = ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_CREDENTIALS_FILE")
_MARKER = "finished"
_RUN = re.compile(r"^(offline-)?run-\d{8}_\d{6}-(?P<id>.+)$")


def wandb_root(folder: Path) -> Path:
    """Return the folder that holds everything that W&B writes for this run folder."""
    return folder / "wandb"


def staging_folder(folder: Path) -> Path:
    """Return where artifacts wait to be sent; needed by `wandb sync`."""
    return wandb_root(folder) / "data" / "artifacts" / "staging"


def temporary_folder(folder: Path) -> Path:
    """Return where the writer and W&B keep what they need for moments; must exist before."""
    return wandb_root(folder) / "tmp"


def writer_environment(
    folder: Path, settings: WandbSettings, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the environment of the writer's process, in which W&B stays in `folder`.

    A key is passed on only where runs are sent.
    """
    online = settings.mode == "online"
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("WANDB_") or (online and name in _KEPT)
    }
    if online and (login := find_login(environ)) is not None:
        kept["WANDB_BASE_URL"] = login.base_url
        if login.key:
            kept["WANDB_API_KEY"] = login.key
    root = wandb_root(folder)
    return kept | {
        "WANDB_DIR": str(root),
        "WANDB_DATA_DIR": str(root / "data"),
        "WANDB_CACHE_DIR": str(root / "cache"),
        "WANDB_CONFIG_DIR": str(root / "config"),
        "TMPDIR": str(temporary_folder(folder)),
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_SILENT": "true",
        # W&B's service must not spread over the cores that train.
        "GOMAXPROCS": "1",
        "OMP_NUM_THREADS": "1",
    }


def run_folders(folder: Path) -> dict[str, list[Path]]:
    """Return the folders of every run by its id, oldest first."""
    found: dict[str, list[Path]] = {}
    root = wandb_root(folder) / "wandb"
    if not root.is_dir():
        return found
    with os.scandir(root) as entries:
        # `latest-run` is a link to one of the others.
        names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    for name in names:
        match = _RUN.match(name)
        if match:
            found.setdefault(match["id"], []).append(root / name)
    return found


def finished_ids(folder: Path) -> set[str]:
    """Return the ids of the runs that were written to their end."""
    return {
        run_id
        for run_id, paths in run_folders(folder).items()
        if any((path / _MARKER).exists() for path in paths)
    }


def mark_finished(run_folder: Path) -> None:
    """Say that a run was written to its end; W&B's own files do not tell at a glance."""
    (run_folder / _MARKER).touch()


def remove_run(folder: Path, run_id: str) -> None:
    """Remove the folders of a run that will be written again, so that none counts twice."""
    for path in run_folders(folder).get(run_id, []):
        shutil.rmtree(path, ignore_errors=True)
