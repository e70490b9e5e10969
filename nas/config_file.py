"""Where a configuration comes from: flags over the file over the defaults; no torch here."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from nas.config import RESUMABLE, StudyConfig, make_config
from nas.errors import ConfigError, ResumeError

FORMAT = 1
"""Version of the files that hold a resolved configuration; another one is refused."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping from a YAML file.

    Raises:
        ConfigError: The file is missing or holds something else.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"The configuration file must exist, got {str(path)!r}. Give a YAML file, or none for "
            "the digits study."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: must be readable YAML, got {_one_line(error)}.") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must hold keys and values, got {type(data).__name__}.")
    return data


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Read `--set a.b=c` pairs; values are YAML (`recipe.lr=0.05`, `space.kinds=[none]`).

    Raises:
        ConfigError: A pair has no `=`, or its value is no YAML.
    """
    data: dict[str, Any] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set takes key=value, got {text!r}. Write --set recipe.epochs=4.")
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(
                f"--set {key}: the value must be YAML, got {value!r} ({_one_line(error)})."
            ) from error
        data = merge(data, nested(key, parsed))
    return data


def nested(key: str, value: Any) -> dict[str, Any]:
    """Return `{"a": {"b": value}}` for `a.b`."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `over`, mappings merged key by key.

    Another class takes its own arguments: a `class_path` over a `class_path` replaces both.
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            is_other_class = "class_path" in old and "class_path" in value
            merged[key] = value if is_other_class else merge(old, value)
        else:
            merged[key] = value
    return merged


def load_config(path: Path | None, flags: Mapping[str, Any]) -> StudyConfig:
    """Read the file, lay the flags over it and check the whole.

    The file may also be the `config.yaml` of a run folder, which holds a format beside.

    Raises:
        ConfigError: A key or value is wrong.
    """
    data = read_yaml(path) if path else {}
    found = data.pop("format", FORMAT)
    if found != FORMAT:
        raise ConfigError(
            f"{path}: format must be {FORMAT}, got format={found!r}. It was made by another "
            "version of the toolkit; remove that line and check the keys."
        )
    return make_config(merge(data, flags))


def check_resume(stored: StudyConfig, asked: StudyConfig) -> None:
    """Refuse to go on with a study under other settings.

    Raises:
        ResumeError: A key differs that may not.
    """
    *names, last = (name.rpartition(".")[2] for name in RESUMABLE)
    old, new = _flat(stored.to_dict()), _flat(asked.to_dict())
    for key in sorted(old.keys() | new.keys()):
        allowed = any(key == name or key.startswith(f"{name}.") for name in RESUMABLE)
        if old.get(key) != new.get(key) and not allowed:
            raise ResumeError(
                f"Study {stored.name!r} was started with {key}={shown(old.get(key))}, got {key}="
                f"{shown(new.get(key))}. Only {', '.join(names)} and {last} may differ; choose "
                "another --name for a new study."
            )


def shown(value: object) -> str:
    """Return a value for messages; None as YAML writes it."""
    return "null" if value is None else repr(value)


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        # Classes and ranges are one value each.
        if isinstance(value, Mapping) and not value.keys() & {"class_path", "low"}:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
