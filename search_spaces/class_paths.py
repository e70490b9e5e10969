"""Classes of the user's, named by dotted path in a configuration; no torch here."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from search_spaces.errors import SpaceError, UserError


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
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError) as problem:
        raise error(
            f"{key}.class_path must name an importable class, got {path!r} ({problem}). Check the "
            "spelling and that its module is installed or in the current folder."
        ) from problem
    # A file of the user's can fail in any way.
    except Exception as problem:
        raise error(
            f"{key}.class_path must name a class whose file can be imported, got {path!r} "
            f"({type(problem).__name__}: {problem}). Mend the file."
        ) from problem
