"""What can be exported at all, answered before a search begins; torch only when asked.

An export holds the network that a spec describes. A block type of the user's is in one file, which
the export carries.
"""

import ast
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nas.errors import ExportError
from search_spaces.errors import SpecError
from search_spaces.spec import ArchitectureSpec, BlockClass

_TOOLKIT = ("search_spaces", "trainer", "nas")


@dataclass(frozen=True, kw_only=True)
class OwnBlock:
    """Where the user's residual branch is."""

    file: Path
    """Source of the module that defines it."""
    class_name: str


def check_exportable(spec: ArchitectureSpec) -> None:
    """Refuse a network that no export can hold; a user's block is imported, nothing is built.

    Args:
        spec: The architecture, or any of a search space, for they share what is checked.

    Raises:
        ExportError: The user's block needs more than its own file.
    """
    if isinstance(spec.block, BlockClass):
        find_own_block(spec.block)


def find_own_block(block: BlockClass) -> OwnBlock:
    """Return the file that an export has to carry.

    Raises:
        ExportError: The class cannot be imported, has no file, or its file needs other files.
    """
    # Imported here: it needs torch.
    from search_spaces.branches import load_branch_class

    try:
        found = load_branch_class(block)
    except SpecError as error:
        raise ExportError(f"Export: {error}") from error
    file = _source_file(found)
    module = sys.modules[found.__module__]
    if file is None or getattr(module, found.__name__, None) is not found:
        raise ExportError(
            "Export: a block type must be a class at the top level of a Python file, got "
            f"class_path={block.class_path!r}. Write it into a file of its own, under its own "
            "name."
        )
    _check_imports(file)
    return OwnBlock(file=file, class_name=found.__name__)


def _source_file(found: type) -> Path | None:
    try:
        name = inspect.getsourcefile(found)
    except (OSError, TypeError):
        return None
    file = Path(name) if name else None
    return file if file is not None and file.is_file() else None


def _check_imports(file: Path) -> None:
    """Refuse what the copied file could not import: the toolkit's other parts, and its siblings.

    Only what is imported at the top level; the rest shows when the export is proven.
    """
    for line, module, name in _imports(file):
        what = ".".join(part for part in (module, name) if part)
        root = module.split(".")[0]
        if module.startswith("."):
            problem = f"a relative import of {what!r}"
        elif root in _TOOLKIT and not _is_of_blocks(module, name):
            problem = f"an import of {what!r}"
        elif root not in _TOOLKIT and _is_sibling(root, file):
            problem = f"an import of {root!r}, a file beside it,"
        else:
            continue
        raise ExportError(
            f"Export: {file.name}, which defines a block type, may import installed packages and "
            f"search_spaces.blocks, got {problem} in line {line}. Put all that the block needs "
            "into a file of its own."
        )


def _imports(file: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, module (with leading dots where relative) and name of top-level imports."""
    for node in ast.parse(file.read_bytes()).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, "." * node.level + (node.module or ""), alias.name


def _is_of_blocks(module: str, name: str) -> bool:
    """Whether the copy of `search_spaces.blocks` can stand in for what is imported."""
    from search_spaces import blocks

    if module in ("search_spaces.blocks", "search_spaces"):
        return name in ("", "blocks") or hasattr(blocks, name)
    return False


def _is_sibling(root: str, file: Path) -> bool:
    """Whether a module is a file or a package in the folder of `file`, and not installed."""
    if file.parent.name in ("site-packages", "dist-packages"):
        return False
    try:
        found = importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return False
    if found is None or found.origin is None:
        return False
    origin = Path(found.origin)
    home = origin.parent.parent if origin.name == "__init__.py" else origin.parent
    return home == file.parent and origin != file
