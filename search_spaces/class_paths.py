"""Classes of the user's, named by dotted path in a configuration; no torch here."""

import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from search_spaces.errors import SpaceError, UserError

_LONGEST = 300
"""Characters of another's message that are shown."""


def load_class(key: str, path: str, error: type[UserError] = SpaceError) -> Any:
    """Import what a dotted path names, also from the current folder.

    Args:
        key: Where the path stands in the configuration, such as `space`.
        path: Module and name, such as `my_space.MySpace`.
        error: What is raised.

    Raises:
        UserError: There is no such module or name, or its file fails.
    """
    module, _, name = path.rpartition(".")
    # Commands do not look in the current folder by themselves. Last, so that nothing of ours is
    # hidden by a folder of the same name.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found = import_module(module)
    # A file of the user's can fail in any way, and a script may end the process.
    except (Exception, SystemExit) as problem:
        if not _ran(problem):
            raise error(_not_found(key, path, problem)) from problem
        raise error(_failed(key, path, problem)) from problem
    try:
        return getattr(found, name)
    except AttributeError as problem:
        raise error(_not_found(key, path, problem)) from problem
    # A module may import its names when they are first used.
    except (Exception, SystemExit) as problem:
        raise error(_failed(key, path, problem)) from problem


def in_words(problem: BaseException, module: str) -> str:
    """Return type, message and place of an exception in one line.

    Args:
        problem: What was raised.
        module: Dotted name of a module; the innermost line of its top package or file is named.
    """
    words = " ".join(str(problem).split())[:_LONGEST].rstrip(".")
    said = f"{type(problem).__name__}: {words}" if words else type(problem).__name__
    # The message of a syntax error names its place.
    if isinstance(problem, SyntaxError):
        return said
    lines = _lines(problem)
    top = module.partition(".")[0]
    lines = [line for line in lines if top in Path(line.filename).with_suffix("").parts] or lines
    return f"{said} in {Path(lines[-1].filename).name}, line {lines[-1].lineno}" if lines else said


def _lines(problem: BaseException) -> list[traceback.FrameSummary]:
    """Return the lines that led to an exception, without those of the import itself."""
    return [
        line
        for line in traceback.extract_tb(problem.__traceback__)
        if line.filename not in (__file__, import_module.__code__.co_filename)
        and not line.filename.startswith("<frozen")
    ]


def _ran(problem: BaseException) -> bool:
    """Whether a file was found and failed, rather than none found."""
    return isinstance(problem, SyntaxError) or bool(_lines(problem))


def _failed(key: str, path: str, problem: BaseException) -> str:
    remedy = "Mend the file, or install what it needs."
    if isinstance(problem, SystemExit):
        remedy = "Put what only a script does under `if __name__ == '__main__':`."
    return (
        f"{key}.class_path must name a class whose file can be imported, got {path!r} "
        f"({in_words(problem, path)}). {remedy}"
    )


def _not_found(key: str, path: str, problem: BaseException) -> str:
    rule = f"{key}.class_path must name an importable class, got {path!r} ({problem})"
    top = path.partition(".")[0]
    hidden = _hidden_file(top)
    if hidden is not None:
        found = getattr(sys.modules[top], "__file__", None) or "built into Python"
        return (
            f"{rule}. The module {top!r} that Python finds is another one, {found}, and hides "
            f"yours, {hidden}. Rename your file, and class_path with it."
        )
    return f"{rule}. Check the spelling and that its module is installed or in the current folder."


def _hidden_file(top: str) -> Path | None:
    """Return the file in the current folder that an installed module of its name hides."""
    if top not in sys.modules:
        return None
    found = getattr(sys.modules[top], "__file__", None)
    folder = Path.cwd()
    files = [
        file for file in (folder / f"{top}.py", folder / top / "__init__.py") if file.is_file()
    ]
    if not files or (found is not None and Path(found).resolve() in [f.resolve() for f in files]):
        return None
    return files[0]
