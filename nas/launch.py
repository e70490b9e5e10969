"""What owns a study while it trains: the search, and an export that needs fresh trainings."""

import contextlib
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from optuna.exceptions import StorageInternalError

from nas.allowed_rows import check_feasible
from nas.callbacks import make_callbacks
from nas.config import StudyConfig
from nas.config_file import check_resume
from nas.devices import list_gpus, plan_slots
from nas.errors import RunFolderError, StorageError
from nas.export.request import ExportResult
from nas.garbage import no_collection
from nas.journal import mend_journal
from nas.latencies import limits_of
from nas.open_study import OpenStudy, folder_of, open_study
from nas.own_parts import check_own_parts
from nas.run_folder import RunFolder
from nas.storage import (
    check_journal_is_there,
    folder_lock,
    journal_path,
    storage_lock,
    without_password,
)
from nas.study_run import SearchOptions, StudyRun
from nas.wandb_settings import WandbSettings, resolve_wandb, with_stored


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
    stored = folder.read_config() if folder.config.is_file() else None
    wandb = config.wandb if stored is None else with_stored(config.wandb, stored.wandb)
    config = config.model_copy(update={"wandb": resolve_wandb(wandb)})
    # A worker that would never get a trial only costs its start.
    slots = plan_slots(config.search.workers, config.search.devices, list_gpus())
    slots = slots[: config.search.trials]
    if stored is not None:
        check_resume(stored, _as_stored(config))
    check_own_parts(config)
    if stored is None:
        check_feasible(config, config.make_space(), limits_of(config, slots[0].device))
    with _own(folder, config) as study:
        folder.write_config(config)
        folder.write_environment([slot.label for slot in slots])
        # The former owner's trials stay as long as this one.
        with no_collection(stays=True):
            run = StudyRun(study, slots, options, callbacks)
        run.run()
    return folder


def export_trial(path: Path, number: int, out: Path | None = None) -> ExportResult:
    """Train one search trial on fresh seeds, as the finalists were, and export it.

    Args:
        path: The run folder.
        number: The search trial; it must be complete.
        out: Folder of the export; None: the run folder's.

    Raises:
        UserError: The folder or the storage cannot be used, there is no such trial, or the export
            could not be proven.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the study is intact, the same call goes on.
    """
    folder = folder_of(path)
    config = folder.read_config()
    wandb = resolve_wandb(with_stored(WandbSettings(), config.wandb))
    config = config.model_copy(update={"wandb": wandb})
    slots = plan_slots(config.search.workers, config.search.devices, list_gpus())
    check_own_parts(config)
    with _own(folder, config) as study:
        return StudyRun(study, slots, SearchOptions()).export_trial(number, out)


@contextlib.contextmanager
def _own(folder: RunFolder, config: StudyConfig) -> Iterator[OpenStudy]:
    """Hold the locks of a study that is opened, or made, to be written."""
    folder.check_usable()
    with (
        folder_lock(folder.path),
        storage_lock(config.storage, config.name),
        sigterm_as_interrupt(),
        explain_trouble(folder),
    ):
        journal = journal_path(config.storage, folder.path)
        if journal is not None:
            check_journal_is_there(journal, folder.logs)
            mend_journal(journal)
        study = open_study(folder, config)
        remove_drafts(folder)
        yield study


def remove_drafts(folder: RunFolder) -> None:
    """Remove what was left by a kill while a checkpoint or an export was written."""
    for draft in folder.checkpoints.glob("*.tmp"):
        draft.unlink(missing_ok=True)
    for draft in folder.path.glob(".export.*.draft"):
        shutil.rmtree(draft, ignore_errors=True)


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
