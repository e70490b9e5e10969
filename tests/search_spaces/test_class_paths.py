import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from search_spaces.class_paths import load_class
from search_spaces.errors import SpaceError, SpecError
from search_spaces.residual import ResidualSpace


def test_path_names_a_class_of_an_installed_module() -> None:
    assert load_class("space", "search_spaces.residual.ResidualSpace") is ResidualSpace


def test_module_in_the_current_folder_is_found_and_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_class_of_test.py").write_text("class Mine:\n    pass\n")
    (tmp_path / "search_spaces.py").write_text("raise ImportError\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    assert load_class("space", "my_class_of_test.Mine").__name__ == "Mine"
    assert load_class("space", "search_spaces.residual.ResidualSpace") is ResidualSpace
    assert sys.path[-1] == str(tmp_path)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such_module_of_test.Mine", "No module named 'no_such_module_of_test'"),
        ("search_spaces.residual.Mine", "has no attribute 'Mine'"),
        ("Mine", "Empty module name"),
        (".residual.ResidualSpace", "relative import"),
    ],
)
def test_path_that_names_nothing_is_an_error_with_its_reason(path: str, reason: str) -> None:
    with pytest.raises(SpaceError, match=rf"space.class_path must .* got '{path}' \(.*{reason}"):
        load_class("space", path)


def test_module_that_is_no_python_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_broken_module_of_test.py").write_text("class Mine(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SpaceError, match=r"got 'my_broken_module_of_test.Mine' \(.*syntax"):
        load_class("space", "my_broken_module_of_test.Mine")


def test_module_that_fails_is_an_error_with_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_failing_module_of_test.py").write_text("x = undefined_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SpaceError, match=r"file can be imported, .*NameError: .*undefined_name"):
        load_class("space", "my_failing_module_of_test.Mine")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import no_such_package_of_test", "ModuleNotFoundError: No module named 'no_such_pa.*'"),
        ("from sys import nothing_such", "ImportError: cannot import name 'nothing_such'.*"),
        ("x = None.shape", "AttributeError: 'NoneType' object has no attribute 'shape'"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("raise TypeError", "TypeError"),
        ("__import__('json').loads('{')", "JSONDecodeError: .*"),
    ],
    ids=["module", "name", "attribute", "two lines", "no message", "raised elsewhere"],
)
def test_error_while_its_file_runs_is_told_apart_from_a_wrong_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any, line: str, said: str
) -> None:
    name = f"my_running_module_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(f"import sys\n{line}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        SpaceError,
        match=rf"file can be imported, got '{name}.Mine' \({said} in {name}.py, line 2\). Mend",
    ):
        load_class("space", f"{name}.Mine")


def test_file_that_ends_the_process_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_script_of_test.py").write_text("import sys\n\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        SpaceError, match=r"\(SystemExit: 0 in my_script_of_test.py, line 3\). .*__main__"
    ):
        load_class("space", "my_script_of_test.Mine")


@pytest.mark.parametrize("path", ["json.Mine", "json.mine.Mine", "sys.Mine"])
def test_file_that_another_module_hides_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    name = path.partition(".")[0]
    (tmp_path / f"{name}.py").write_text("class Mine:\n    pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    found = re.escape(json.__file__ if name == "json" else "built into Python")
    with pytest.raises(
        SpaceError,
        match=rf"got '{path}' .* finds is another one, {found}, .*{name}.py. Rename your file",
    ):
        load_class("space", path)


def test_error_is_of_the_class_that_was_asked_for() -> None:
    with pytest.raises(
        SpecError, match=r"block.class_path must name an importable class, got 'x.Y"
    ):
        load_class("block", "x.Y", SpecError)
