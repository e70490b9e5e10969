"""Whether and where runs go to W&B, and the log-in it would use; imports no wandb.

W&B itself is imported in the writer's process only, so what must be known before training starts
(is there a key?) is read here from the places where W&B looks.
"""

import configparser
import netrc
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from nas.errors import ConfigError
from search_spaces.errors import did_you_mean

Mode = Literal["offline", "online", "disabled"]

_DEFAULT_URL = "https://api.wandb.ai"
_MODES: dict[str, Mode] = {
    "offline": "offline",
    "online": "online",
    "disabled": "disabled",
    # W&B's older words, still honoured by W&B itself.
    "dryrun": "offline",
    "run": "online",
}


class WandbSettings(BaseModel):
    """How runs are logged to W&B."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Mode = "offline"
    """`offline`: files in the run folder, for `wandb sync`; `online`: sent while searching."""
    project: str = Field(default="nas", min_length=1, max_length=128, pattern=r"^[^/\\#?%:]*$")
    """W&B project that the runs belong to."""
    entity: str | None = None
    """W&B user or team; null: the default of the account."""
    runs: Literal["all", "finalists", "none"] = "all"
    """Which trials become runs; the summary run is written with each report."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """The W&B server and the key that would be used."""

    base_url: str
    source: str
    """Where the key was found."""
    key: str | None = field(default=None, repr=False)
    """Only where W&B would not find it again from the writer's environment."""


def with_stored(settings: WandbSettings, stored: WandbSettings) -> WandbSettings:
    """Take what flags and file did not say from the study that is resumed.

    It still counts as not given, so that a variable of the environment, which means the command at
    hand, wins over it.
    """
    given = settings.model_fields_set
    values = stored.model_dump() | settings.model_dump(include=given)
    return WandbSettings.model_construct(_fields_set=set(given), **values)


def resolve_wandb(
    settings: WandbSettings, environ: Mapping[str, str] = os.environ
) -> WandbSettings:
    """Fill in from the environment what neither flag nor file said, and check the log-in.

    Args:
        settings: From flags and file; a field given there wins over the environment, which wins
            over defaults and over what a resumed study has stored.
        environ: `WANDB_MODE`, `WANDB_PROJECT`, `WANDB_ENTITY` and the places of the key.

    Raises:
        ConfigError: `WANDB_MODE` is no mode, or the mode is online and there is no key.
    """
    found: dict[str, Any] = settings.model_dump()
    if word := environ.get("WANDB_MODE"):
        found["mode"] = _parse_mode(word)
    for name in ("project", "entity"):
        if value := environ.get(f"WANDB_{name.upper()}"):
            found[name] = value
    given = settings.model_dump(include=settings.model_fields_set)
    resolved = WandbSettings.model_validate(found | given)
    if resolved.mode == "online" and find_login(environ) is None:
        raise ConfigError(
            "wandb.mode: online needs an API key, got mode='online' and no key. Run "
            "`wandb login`, set WANDB_API_KEY, or choose --wandb offline and send the "
            "runs later with `wandb sync`."
        )
    return resolved


def find_login(environ: Mapping[str, str] = os.environ) -> Login | None:
    """Look for a key where W&B does: environment, netrc, settings file; never asks."""
    home = Path(environ.get("HOME") or Path.home())
    file = _settings_file(home, environ)
    url = (environ.get("WANDB_BASE_URL") or file.get("base_url") or _DEFAULT_URL).rstrip("/")
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        if environ.get(name):
            return Login(base_url=url, source=name)
    if _in_netrc(home, environ, urlsplit(url).netloc):
        return Login(base_url=url, source="netrc")
    if key := file.get("api_key"):
        return Login(base_url=url, source="settings", key=key)
    return None


def _parse_mode(word: str) -> Mode:
    if word not in _MODES:
        raise ConfigError(f"Unknown WANDB_MODE {word!r}. {did_you_mean(word, _MODES)}")
    return _MODES[word]


def _settings_file(home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    folder = Path(environ.get("WANDB_CONFIG_DIR") or home / ".config" / "wandb")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(folder / "settings", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        return {}
    return dict(parser["default"]) if parser.has_section("default") else {}


def _in_netrc(home: Path, environ: Mapping[str, str], host: str) -> bool:
    given = environ.get("NETRC")
    paths = [Path(given).expanduser()] if given else [home / ".netrc", home / "_netrc"]
    for path in paths:
        try:
            entry = netrc.netrc(str(path)).authenticators(host)
        except (OSError, netrc.NetrcParseError):
            continue
        if entry is not None and entry[2]:
            return True
    return False
