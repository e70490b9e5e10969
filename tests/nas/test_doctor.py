import json
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from nas.doctor import Check, describe_checks, run_checks


def checks(folder: Path) -> dict[str, Check]:
    return {check.name: check for check in run_checks(folder)}


def say(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    """Let packages have other versions; None for not installed. `_` stands for `-`."""
    known = {name.replace("_", "-"): found for name, found in versions.items()}

    def pretended(name: str) -> str:
        found = known.get(name, version(name) if name not in known else None)
        if found is None:
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr("nas.doctor.version", pretended)


def test_this_environment_is_well(tmp_path: Path) -> None:
    found = run_checks(tmp_path)
    assert [check for check in found if check.status == "fail"] == []
    names = [check.name for check in found]
    assert len(set(names)) == len(names)
    assert {"python", "torch", "module nas", "devices", "wandb login", "runs"} <= set(names)
    assert list(tmp_path.iterdir()) == []
    json.dumps([check.to_dict() for check in found])


def test_text_is_aligned_with_remedies_below() -> None:
    text = describe_checks(
        [
            Check(name="module search_spaces", status="ok", found="ours"),
            Check(name="torch", status="fail", found="not installed", remedy="pip install torch"),
        ]
    )
    first, second, third = text.splitlines()
    assert first.index("ours") == second.index("not installed") == third.index("pip install")


def test_missing_package_fails_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, torchmetrics=None)
    check = checks(tmp_path)["torchmetrics"]
    assert (check.status, check.remedy) == ("fail", "pip install torchmetrics")


@pytest.mark.parametrize("bad", ["2.6.2", "2.6.3"])
def test_withdrawn_release_of_lightning_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    say(monkeypatch, pytorch_lightning=bad)
    check = checks(tmp_path)["pytorch-lightning"]
    assert check.status == "fail"
    assert "change all keys" in check.remedy


@pytest.mark.parametrize(
    ("torch", "torchvision", "status"),
    [
        ("2.13.0+cpu", "0.28.0", "fail"),
        ("2.13.0+cpu", "0.28.0+cpu", "note"),
        ("2.13.0", "0.28.0", "note"),
        ("2.13.0+cpu", None, "ok"),
    ],
)
def test_torchvision_must_be_of_the_same_build(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    torch: str,
    torchvision: str | None,
    status: str,
) -> None:
    say(monkeypatch, torch=torch, torchvision=torchvision)
    assert checks(tmp_path)["torchvision"].status == status


def test_package_of_another_project_under_our_name_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = ModuleSpec("trainer", None, origin=str(tmp_path / "trainer" / "__init__.py"))

    def find(name: str) -> ModuleSpec | None:
        return theirs if name == "trainer" else __import__(name).__spec__

    monkeypatch.setattr("importlib.util.find_spec", find)
    found = checks(tmp_path)
    assert found["module nas"].status == "ok"
    assert found["module trainer"].status == "fail"
    assert str(tmp_path) in found["module trainer"].found


def test_missing_driver_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check = checks(tmp_path)["postgresql"]
    assert (check.status, check.remedy) == ("note", "pip install 'skip-nas[postgres]'")


def test_gpus_that_torch_cannot_use_are_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, torch="2.13.0+cpu")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    check = checks(tmp_path)["devices"]
    assert check.status == "note"
    assert "torch is a build for the CPU, so GPUs are not used" in check.found


def test_mode_of_wandb_that_cannot_work_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "onlyne")
    check = checks(tmp_path)["wandb login"]
    assert check.status == "fail"
    assert "Unknown WANDB_MODE 'onlyne'. Did you mean 'online'?" in check.found
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    check = checks(tmp_path)["wandb login"]
    assert check.found == "mode online; a key from WANDB_API_KEY"


def test_file_in_the_place_of_runs_fails(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    check = checks(tmp_path)["runs"]
    assert check.status == "fail"
    assert "runs cannot be written: Not a directory" in check.found
    assert (tmp_path / "runs").is_file()
