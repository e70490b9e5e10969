from pathlib import Path

import pytest
from pydantic import ValidationError

from nas.errors import ConfigError
from nas.wandb_settings import WandbSettings, find_login, resolve_wandb, with_stored

KEY = "k" * 40


def home(folder: Path, **variables: str) -> dict[str, str]:
    return {"HOME": str(folder), **variables}


def test_offline_is_the_default(tmp_path: Path) -> None:
    assert resolve_wandb(WandbSettings(), home(tmp_path)) == WandbSettings(mode="offline")


def test_environment_fills_in_what_was_not_given(tmp_path: Path) -> None:
    environ = home(tmp_path, WANDB_MODE="disabled", WANDB_PROJECT="p", WANDB_ENTITY="e")
    resolved = resolve_wandb(WandbSettings(runs="none"), environ)
    assert resolved == WandbSettings(mode="disabled", project="p", entity="e", runs="none")


def test_given_settings_win_over_the_environment(tmp_path: Path) -> None:
    environ = home(tmp_path, WANDB_MODE="online", WANDB_PROJECT="p", WANDB_ENTITY="e")
    given = WandbSettings(mode="offline", project="nas", entity="mine")
    assert resolve_wandb(given, environ) == given


@pytest.mark.parametrize(("word", "mode"), [("dryrun", "offline"), ("disabled", "disabled")])
def test_words_of_the_environment_are_understood(tmp_path: Path, word: str, mode: str) -> None:
    assert resolve_wandb(WandbSettings(), home(tmp_path, WANDB_MODE=word)).mode == mode


def test_stored_settings_give_way_to_all_others(tmp_path: Path) -> None:
    stored = WandbSettings(mode="disabled", project="old", entity="team", runs="none")
    assert resolve_wandb(with_stored(WandbSettings(), stored), home(tmp_path)) == stored
    environ = home(tmp_path, WANDB_MODE="offline", WANDB_PROJECT="env")
    found = resolve_wandb(with_stored(WandbSettings(project="flag"), stored), environ)
    expected = WandbSettings(mode="offline", project="flag", entity="team", runs="none")
    assert found == expected


def test_unknown_mode_of_the_environment_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown WANDB_MODE 'offlin'\. Did you mean 'offline'"):
        resolve_wandb(WandbSettings(), home(tmp_path, WANDB_MODE="offlin"))


def test_unknown_mode_of_the_file_is_refused() -> None:
    with pytest.raises(ValidationError, match="mode"):
        WandbSettings.model_validate({"mode": "offlin"})


@pytest.mark.parametrize("given", [WandbSettings(mode="online"), WandbSettings()])
def test_online_without_a_key_is_an_error(tmp_path: Path, given: WandbSettings) -> None:
    with pytest.raises(
        ConfigError, match=r"online needs an API key, got mode='online' and no key"
    ):
        resolve_wandb(given, home(tmp_path, WANDB_MODE="online"))


@pytest.mark.parametrize("name", ["WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"])
def test_key_is_found_in_the_environment(tmp_path: Path, name: str) -> None:
    environ = home(tmp_path, **{name: KEY})
    assert resolve_wandb(WandbSettings(mode="online"), environ).mode == "online"


@pytest.mark.parametrize("given", [True, False])
def test_key_is_found_in_netrc(tmp_path: Path, given: bool) -> None:
    file = tmp_path / (".netrc" if not given else "elsewhere")
    file.write_text(f"machine api.wandb.ai login user password {KEY}\n")
    file.chmod(0o600)
    environ = home(tmp_path, **({"NETRC": str(file)} if given else {}))
    login = find_login(environ)
    assert login is not None
    assert (login.source, login.base_url) == ("netrc", "https://api.wandb.ai")


def test_key_of_another_server_is_no_key(tmp_path: Path) -> None:
    file = tmp_path / ".netrc"
    file.write_text(f"machine api.wandb.ai login user password {KEY}\n")
    file.chmod(0o600)
    assert find_login(home(tmp_path, WANDB_BASE_URL="https://wandb.example.org")) is None


def test_unreadable_netrc_is_no_key(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine\nnonsense")
    assert find_login(home(tmp_path)) is None


def test_server_and_key_are_found_in_the_settings_file(tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "wandb"
    folder.mkdir(parents=True)
    (folder / "settings").write_text(
        f"[default]\nbase_url = https://wandb.example.org/\napi_key = {KEY}\n"
    )
    login = find_login(home(tmp_path))
    assert login is not None
    assert (login.base_url, login.key) == ("https://wandb.example.org", KEY)
    assert KEY not in repr(login)


def test_broken_settings_file_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("base_url without a section")
    assert find_login(home(tmp_path, WANDB_CONFIG_DIR=str(tmp_path))) is None
