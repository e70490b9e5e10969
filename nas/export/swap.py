"""Replace a folder by a draft as a whole; what stops halfway is put right by the next export."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft_beside(folder: Path) -> Iterator[Path]:
    """Give an empty folder on the same file system, removed at the end unless it was swapped in."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.draft")
    draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def swap(draft: Path, folder: Path) -> None:
    """Put `draft` in the place of `folder`; the former one steps aside and comes back on error."""
    former = _former(folder)
    if folder.exists():
        folder.rename(former)
    try:
        draft.rename(folder)
    except OSError:
        if former.exists():
            former.rename(folder)
        raise
    shutil.rmtree(former, ignore_errors=True)


def restore(folder: Path) -> None:
    """Finish what a process killed between the two renames of `swap` left undone."""
    former = _former(folder)
    if former.exists() and not folder.exists():
        former.rename(folder)
    elif former.exists():
        shutil.rmtree(former)


def _former(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.former")
