"""A block type of the user's: which files can go into an export, and what is said of the others."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from nas.errors import ExportError
from nas.export import check_exportable
from nas.export.exportable import find_own_block
from search_spaces.spec import BlockClass
from tests.nas.export.networks import OWN_BLOCK, VARIED, own_block_spec

UserFile = Callable[[str, str], Path]


def named(line: str) -> str:
    """Return a module name of its own for a line; modules stay imported from test to test."""
    return re.sub(r"\W+", "_", line)


@pytest.mark.parametrize("name", ["none", "bottleneck", "pre-activation"])
def test_shipped_blocks_can_always_be_exported(name: str) -> None:
    check_exportable(VARIED[name])


def test_block_in_a_file_of_its_own_is_found(user_file: UserFile) -> None:
    file = user_file("gated_alone", OWN_BLOCK)
    check_exportable(own_block_spec("gated_alone.Gated"))
    own = find_own_block(BlockClass(class_path="gated_alone.Gated"))
    assert (own.file, own.class_name) == (file, "Gated")


def test_block_that_another_module_hands_on_is_found_where_it_is_defined(
    user_file: UserFile,
) -> None:
    file = user_file("gated_inside", OWN_BLOCK)
    user_file("gated_outside", "from gated_inside import Gated as Mine")
    own = find_own_block(BlockClass(class_path="gated_outside.Mine"))
    assert (own.file, own.class_name) == (file, "Gated")


@pytest.mark.parametrize(
    "line",
    [
        "import search_spaces.blocks",
        "import search_spaces",
        "from search_spaces import blocks",
        "from search_spaces.blocks import BasicBranch as Base, convolution",
        "import math, os.path",
        "import numpy as np",
    ],
)
def test_blocks_of_the_toolkit_and_installed_packages_may_be_imported(
    user_file: UserFile, line: str
) -> None:
    name = f"allowed_{named(line)}"
    user_file(name, f"{line}\n{OWN_BLOCK}")
    check_exportable(own_block_spec(f"{name}.Gated"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("from search_spaces import SearchSpace", r"of 'search_spaces\.SearchSpace' in line 1"),
        ("from search_spaces.space import Decision", r"of 'search_spaces\.space\.Decision'"),
        ("import trainer.errors", r"an import of 'trainer\.errors' in line 1"),
        ("import search_spaces.space", r"an import of 'search_spaces\.space' in line 1"),
        ("import beside_it", "an import of 'beside_it', a file beside it, in line 1"),
        ("from beside_too import A", "an import of 'beside_too', a file beside it, in line 1"),
    ],
)
def test_file_that_needs_others_is_refused_with_the_line(
    user_file: UserFile, line: str, problem: str
) -> None:
    name = f"needs_{named(line)}"
    user_file("beside_it", "A = 1")
    user_file("beside_too", "A = 1")
    user_file(name, f"{line}\n{OWN_BLOCK}")
    with pytest.raises(ExportError, match=rf"{name}\.py.*{problem}.*a file of its own"):
        check_exportable(own_block_spec(f"{name}.Gated"))


def test_relative_import_is_refused(user_file: UserFile) -> None:
    user_file("pack/__init__", "")
    user_file("pack/sizes", "SIZE = 1")
    user_file("pack/gated", f"from .sizes import SIZE\n{OWN_BLOCK}")
    with pytest.raises(ExportError, match=r"a relative import of '\.sizes\.SIZE' in line 1"):
        check_exportable(own_block_spec("pack.gated.Gated"))


def test_class_that_cannot_be_imported_is_named(user_file: UserFile) -> None:
    with pytest.raises(ExportError, match=r"Export: block\.class_path .*'nowhere\.Gated'"):
        check_exportable(own_block_spec("nowhere.Gated"))


def test_class_that_is_made_by_a_function_is_refused(user_file: UserFile) -> None:
    made = "def make():\n    class Inner(Gated):\n        pass\n    return Inner\n\nMade = make()"
    user_file("gated_made", f"{OWN_BLOCK}\n\n{made}")
    with pytest.raises(ExportError, match=r"top level of a Python file, got .*'gated_made\.Made'"):
        check_exportable(own_block_spec("gated_made.Made"))


def test_class_without_a_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("typed_in")
    exec(compile(OWN_BLOCK, "<input>", "exec"), vars(module))  # noqa: S102
    monkeypatch.setitem(sys.modules, "typed_in", module)
    with pytest.raises(ExportError, match=r"top level of a Python file, got .*'typed_in\.Gated'"):
        check_exportable(own_block_spec("typed_in.Gated"))
