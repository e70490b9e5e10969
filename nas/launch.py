"""The search: prepare the folder, own the study, train until the total, report and export."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from optuna.exceptions import StorageInternalError

from nas.callbacks import make_callbacks
from nas.config import StudyConfig
from nas.config_file import check_resume
from nas.devices import list_gpus, plan_slots
from nas.errors import RunFolderError, StorageError
from nas.open_study import open_study
from nas.run_folder import RunFolder
from nas.storage import (
    folder_lock,
    journal_path,
    mend_journal,
    storage_lock,
    without_password,
)
from nas.study_run import SearchOptions, StudyRun
from nas.wandb_settings import resolve_wandb


def run_search(config: StudyConfig, root: Path, options: SearchOptions) -> RunFolder:
    """Launch or resume a study and bring it to its end.

    Args:
        config: The study; on resume only what `RESUMABLE` names may differ.
        root: Folder of all runs; the study is in `root/<name>`.
        options: Report, export and output.

    Returns:
        The run folder.

    Raises:
        UserError: The configuration, the folder or the storage cannot be used.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the study is intact, the same call goes on.
    """
    folder = RunFolder(root / config.name)
    callbacks = make_callbacks(config)
    config = config.model_copy(update={"wandb": resolve_wandb(config.wandb)})
    slots = plan_slots(config.search.workers, config.search.devices, list_gpus())
    if folder.config.is_file():
        check_resume(folder.read_config(), _as_stored(config))
    folder.check_usable()
    with (
        folder_lock(folder.path),
        storage_lock(config.storage, config.name),
        sigterm_as_interrupt(),
        explain_trouble(folder),
    ):
        journal = journal_path(config.storage, folder.path)
        if journal is not None:
            mend_journal(journal)
        study = open_study(folder, config)
        folder.write_config(config)
        folder.write_environment([slot.label for slot in slots])
        remove_drafts(folder.checkpoints)
        StudyRun(study, slots, options, callbacks).run()
    return folder


def remove_drafts(checkpoints: Path) -> None:
    """Remove what a worker left that was killed while it wrote a checkpoint."""
    for draft in checkpoints.glob("*.tmp"):
        draft.unlink(missing_ok=True)


def _as_stored(config: StudyConfig) -> StudyConfig:
    """Return the configuration as `config.yaml` holds it: the storage without its password."""
    return config.model_copy(update={"storage": without_password(config.storage)})


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end a search the way Ctrl-C does; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


@contextlib.contextmanager
def explain_trouble(folder: RunFolder) -> Iterator[None]:
    """Turn a disk that fills up or a server that goes away into an error that says what to do."""
    try:
        yield
    except StorageInternalError as error:
        reason = " ".join(str(error.__cause__ or error).split())[:300]
        raise StorageError(
            f"The storage failed during the study: {reason}. Nothing that it had confirmed is "
            "lost; repeat the command when it is back."
        ) from None
    except BrokenPipeError:
        # Whoever read our output has gone; the folder is well.
        raise
    except OSError as error:
        raise RunFolderError(
            f"The run folder {str(folder.path)!r} failed during the study: "
            f"{error.strerror or error}. Nothing already written is lost; free some space or mend "
            "the disk, then repeat the command."
        ) from error
