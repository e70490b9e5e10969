"""The rules between the packages: who may import whom, and what a cheap command must not load."""

import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HELP_SECONDS = 0.5

HEAVY = ("torch", "pytorch_lightning", "torchmetrics", "optuna", "wandb", "sklearn", "pandas")
# What `nas --help`, `show`, `status` and `report` are made of.
WITHOUT_TORCH = (
    "nas.cli",
    "nas.config",
    "nas.open_study",
    "nas.report",
    "nas.benefit",
    "nas.trials",
)


def loaded_after(code: str) -> set[str]:
    """Top-level modules in memory after running `code` in a fresh interpreter."""
    script = f"{code}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_import_contracts_are_kept() -> None:
    # In a process of its own: import-linter silences all loggers that it finds.
    code = (
        "from importlinter.cli import lint_imports\n"
        f"raise SystemExit(lint_imports(config_filename={str(ROOT / 'pyproject.toml')!r}, "
        "no_cache=True, no_logo=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_the_packages_loads_nothing_heavy() -> None:
    loaded = loaded_after("import search_spaces, trainer, nas")
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_module_of_a_cheap_command_loads_neither_torch_nor_lightning(module: str) -> None:
    assert loaded_after(f"import {module}").isdisjoint({"torch", "pytorch_lightning"})


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import contextlib, io, sys\n"
        "from nas.cli import main\n"
        "sys.argv = ['nas', '--help']\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main()"
    )
    assert loaded_after(code).isdisjoint(HEAVY)


def test_help_takes_less_than_half_a_second() -> None:
    command = [str(Path(sys.executable).parent / "nas"), "--help"]
    taken: list[float] = []
    # The machine may be busy with other things, so one quick answer among ten is enough.
    while len(taken) < 10 and min(taken, default=HELP_SECONDS) >= HELP_SECONDS:
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        taken.append(time.perf_counter() - start)
    assert min(taken) < HELP_SECONDS


@pytest.mark.parametrize("package", ["search_spaces", "trainer", "nas"])
def test_package_resolves_to_this_checkout_and_is_typed(package: str) -> None:
    code = f"import {package}; print({package}.__file__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == ROOT / package / "__init__.py"
    assert (ROOT / package / "py.typed").exists()


def test_constraints_pin_every_direct_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    pins = (ROOT / "constraints.txt").read_text().lower()
    pinned = {line.split("==")[0] for line in pins.splitlines() if "==" in line}
    for requirement in wanted:
        name = requirement.split(">")[0].split("[")[0].lower()
        assert name in pinned, requirement
