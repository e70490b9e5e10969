"""The files of the user's own classes: a study goes on with the code that it began with."""

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from nas.config import StudyConfig
from nas.errors import ConfigError, ResumeError
from search_spaces.class_paths import load_class
from search_spaces.space import SearchSpace
from search_spaces.spec import BlockClass, Kind


def hash_own_files(config: StudyConfig, space: SearchSpace) -> dict[str, str]:
    """Return a hash of the file of each class of the user's: its task, space and blocks.

    What those files import in turn is not looked at.

    Args:
        config: The study's configuration.
        space: Its search space, whose networks may have blocks that no key names.

    Returns:
        File, such as `my_blocks.py`, to 16 hexadecimal digits of its SHA-256.

    Raises:
        ConfigError: A class cannot be loaded.
    """
    keys = dict.fromkeys(_paths(config.space), "space")
    if config.task is not None:
        keys[config.task.class_path] = "task"
    block = space.uniform(space.anchor_depths[0], Kind.IDENTITY).block
    if isinstance(block, BlockClass):
        keys[block.class_path] = "block"
    found = [_hash_file(key, path) for path, key in keys.items()]
    return dict(sorted(pair for pair in found if pair is not None))


def check_own_files(study: str, stored: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to go on with other code; studies of older versions stored none and go on.

    Args:
        study: Name of the study.
        stored: What `hash_own_files` returned when it began.
        now: What it returns at present.

    Raises:
        ResumeError: A file is another one.
    """
    for name, began_with in stored.items():
        if now.get(name) != began_with:
            raise ResumeError(
                f"Study {study!r} must go on with the code that it began with, got another "
                f"content of {name} (hash {now.get(name, 'none')}, it began with {began_with}). "
                "Restore the file, or choose another --name for a new study."
            )


def _paths(value: object) -> Iterator[str]:
    """Yield the class paths in plain data, at any depth."""
    if isinstance(value, Mapping):
        items = cast(Mapping[str, Any], value)
        if isinstance(items.get("class_path"), str):
            yield items["class_path"]
        for item in items.values():
            yield from _paths(item)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for item in cast(Sequence[object], value):
            yield from _paths(item)


def _hash_file(key: str, class_path: str) -> tuple[str, str] | None:
    """Return the file's name below the folder it is imported from, and its hash."""
    # Where the class is written, which may be another module than the one that hands it on.
    found = load_class(key, class_path, ConfigError)
    module = str(getattr(found, "__module__", class_path.rpartition(".")[0]))
    origin = getattr(sys.modules.get(module), "__file__", None)
    if origin is None:
        # Typed into an interpreter, or built in: there is no file to compare.
        return None
    file = Path(origin)
    num_parts = module.count(".") + 1 + (file.stem == "__init__")
    content = file.read_bytes()
    return "/".join(file.parts[-num_parts:]), hashlib.sha256(content).hexdigest()[:16]
