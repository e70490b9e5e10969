"""What `nas doctor` checks: packages, name clashes, devices, storage drivers, W&B; no torch here."""

import importlib.util
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from nas.devices import describe_plan, list_gpus, plan_slots
from nas.errors import ConfigError
from nas.run_folder import probe_folder

Status = Literal["ok", "note", "fail"]

_REQUIRED = (
    "torch",
    "pytorch-lightning",
    "torchmetrics",
    "optuna",
    "wandb",
    "scikit-learn",
    "numpy",
    "scipy",
    "pydantic",
    "safetensors",
)
_COMPROMISED_LIGHTNING = ("2.6.2", "2.6.3")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at."""

    name: str
    status: Status
    found: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        return asdict(self)


def run_checks(folder: Path) -> list[Check]:
    """Look at everything that a search needs.

    Args:
        folder: Where `runs/` would be.
    """
    checks = [_python()]
    checks += [_package(name) for name in _REQUIRED]
    checks += [_resolves_here(name) for name in ("nas", "trainer", "search_spaces")]
    parts: tuple[Callable[[], Check], ...] = (_torchvision, _devices, _postgres, _wandb)
    checks += [part() for part in parts]
    checks.append(_runs(folder))
    return checks


def describe_checks(checks: list[Check]) -> str:
    """Return the checks as text, a line each, remedies below."""
    lines = []
    for check in checks:
        lines.append(f"{check.status:<5} {check.name:<20} {check.found}")
        if check.remedy:
            lines.append(f"{'':<27}{check.remedy}")
    return "\n".join(lines)


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check(name="python", status="ok", found=found)


def _package(name: str) -> Check:
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check(name=name, status="fail", found="not installed", remedy=f"pip install {name}")
    if name == "pytorch-lightning" and found in _COMPROMISED_LIGHTNING:
        return Check(
            name=name,
            status="fail",
            found=f"{found}, a release that steals credentials (GHSA-w37p-236h-pfx3)",
            remedy="Install another release and change all keys that this machine holds.",
        )
    return Check(name=name, status="ok", found=found)


def _resolves_here(name: str) -> Check:
    """Other distributions also install modules of these names."""
    spec = importlib.util.find_spec(name)
    root = Path(__file__).resolve().parent.parent
    where = Path(spec.origin).resolve().parent.parent if spec and spec.origin else None
    if where == root:
        return Check(name=f"module {name}", status="ok", found="ours")
    return Check(
        name=f"module {name}",
        status="fail",
        found=f"resolves to another package in {where}",
        remedy="Remove that package, or install this toolkit in an environment of its own.",
    )


def _torchvision() -> Check:
    try:
        found = version("torchvision")
    except PackageNotFoundError:
        return Check(name="torchvision", status="ok", found="not installed (not needed)")
    torch_is_cpu = "+cpu" in _version_or("torch") and "+cpu" not in found
    if torch_is_cpu:
        return Check(
            name="torchvision",
            status="fail",
            found=f"{found} beside a CPU build of torch; it breaks the import of Lightning "
            "(operator torchvision::nms does not exist)",
            remedy="pip uninstall torchvision",
        )
    return Check(name="torchvision", status="note", found=f"{found} (not needed)")


def _version_or(name: str, missing: str = "") -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return missing


def _devices() -> Check:
    plan = describe_plan(plan_slots("auto", "auto", list_gpus()))
    if shutil.which("nvidia-smi") is not None and _version_or("torch").endswith("+cpu"):
        return Check(
            name="devices",
            status="note",
            found=f"{plan}; torch is a build for the CPU, so GPUs are not used",
            remedy="Install a CUDA build of torch to train on GPUs.",
        )
    return Check(name="devices", status="ok", found=plan)


def _postgres() -> Check:
    if importlib.util.find_spec("psycopg") is not None:
        return Check(name="postgresql", status="ok", found="driver psycopg is installed")
    return Check(
        name="postgresql",
        status="note",
        found="no driver; journal and sqlite work without",
        remedy="pip install 'skip-nas[postgres]'",
    )


def _wandb() -> Check:
    from nas.wandb_settings import WandbSettings, find_login, resolve_wandb

    try:
        mode = resolve_wandb(WandbSettings()).mode
    except ConfigError as error:
        return Check(name="wandb login", status="fail", found=str(error))
    login = find_login()
    key = f"a key from {login.source}" if login else "no key, which offline does not need"
    return Check(name="wandb login", status="ok", found=f"mode {mode}; {key}")


def _runs(folder: Path) -> Check:
    """Say whether runs can be written, without making anything."""
    path = folder / "runs"
    where = path if path.exists() else folder
    try:
        free = probe_folder(where)
    except OSError as error:
        return Check(
            name="runs",
            status="fail",
            found=f"{path} cannot be written: {error.strerror}",
            remedy="Run nas in a folder of your own, with space on its disk.",
        )
    return Check(name="runs", status="ok", found=f"{path}, {free / 2**30:.1f} GB free")
