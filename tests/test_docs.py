"""What the documentation says about files and commands must be so."""

import re
from pathlib import Path

import pytest
import yaml

from nas.config import make_config

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def modules(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.py")} - {"__init__.py"}


@pytest.mark.parametrize("package", ["search_spaces", "trainer", "nas"])
def test_architecture_names_every_file_once_and_no_other(package: str) -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    tables = "".join(block for block in text.split("\n\n") if block.startswith(f"| `{package}/`"))
    named = re.findall(r"`([a-z_]+\.py|[a-z_]+/(?:[a-z_]+\.py)?)`", tables)
    listed = [name for name in named if name != f"{package}/"]
    wanted = modules(ROOT / package)
    for init in (ROOT / package).glob("*/__init__.py"):
        folder = f"{init.parent.name}/"
        # A folder has one row, or its files have theirs.
        wanted |= {folder} if folder in listed else {folder + m for m in modules(init.parent)}
    assert sorted(listed) == sorted(wanted)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_command_of_the_documentation_exists() -> None:
    from typer.main import get_command

    from nas.cli import app

    known = set(get_command(app).commands)  # pyright: ignore[reportAttributeAccessIssue]
    words = {
        word
        for page in [*PAGES, ROOT / "runs" / "README.md"]
        for word in re.findall(r"`nas ([a-z]+)", page.read_text(encoding="utf-8"))
    }
    assert words <= known


YAML = [
    pytest.param(page, block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    )
]


@pytest.mark.parametrize(("page", "block"), YAML)
def test_every_yaml_of_the_documentation_is_a_configuration(
    page: Path, block: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (ROOT / "examples").iterdir():
        monkeypatch.syspath_prepend(str(folder))
    make_config(yaml.safe_load(block))


EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_a_configuration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(path.parent))
    make_config(yaml.safe_load(path.read_text(encoding="utf-8")))
