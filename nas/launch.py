"""What owns a study while it trains: a search, an ablation, an export that trains again."""

import contextlib
import functools
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from optuna.exceptions import StorageInternalError

from nas.ablation_plan import AblateOptions, plan_ablation
from nas.allowed_rows import check_feasible
from nas.callbacks import make_callbacks
from nas.config import StudyConfig, make_config
from nas.config_file import check_resume, merge, nested
from nas.devices import list_gpus, plan_slots
from nas.errors import RunFolderError, StorageError
from nas.export.request import ExportResult
from nas.garbage import no_collection
from nas.journal import mend_journal
from nas.latencies import limits_of
from nas.open_study import OpenStudy, folder_of, open_study
from nas.own_parts import check_own_parts
from nas.records import to_records
from nas.repeats_feed import not_begun
from nas.run_folder import RunFolder
from nas.storage import (
    check_journal_is_there,
    folder_lock,
    journal_path,
    storage_lock,
    without_password,
)
from nas.study_run import SearchOptions, StudyRun, make_local_pool
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


def ablate(
    path: Path,
    options: AblateOptions,
    *,
    workers: int | str | None = None,
    wandb: str | None = None,
    stream: TextIO = sys.stdout,
) -> RunFolder:
    """Train finalists and anchors with their skips flipped one by one, in pairs on fresh seeds.

    Args:
        path: The run folder.
        options: What is ablated, and on how many seeds.
        workers: Training processes; None: as many as the study has.
        wandb: Mode of W&B; None: the study's.
        stream: Where price, display and result go.

    Returns:
        The run folder, whose report holds the result.

    Raises:
        UserError: What is asked for is not possible, or the folder or the storage cannot be used.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the study is intact, the same call goes on.
    """
    options.check()
    folder = folder_of(path)
    stored = folder.read_config()
    given = {"search.workers": workers, "wandb.mode": wandb}
    data = stored.to_dict()
    for key, value in given.items():
        data = data if value is None else merge(data, nested(key, value))
    config = make_config(data)
    own = WandbSettings() if wandb is None else WandbSettings(mode=config.wandb.mode)
    config = config.model_copy(update={"wandb": resolve_wandb(with_stored(own, stored.wandb))})
    slots = plan_slots(config.search.workers, config.search.devices, list_gpus())
    check_own_parts(config)
    with _own(folder, config) as study:
        # Imported here: it needs NumPy and SciPy, which a wrong flag should not wait for.
        from nas.results import Results

        repeats = to_records(study.repeats.trials())
        ranking = Results(folder, config).ranking(repeats)
        plan = plan_ablation(study.space, config.recipe, ranking, options)
        num_left = max(len(not_begun(plan.repeats(), repeats, config.recipe)), 1)
        make_pool = functools.partial(make_local_pool, num_left=num_left)
        run = StudyRun(study, slots[:num_left], SearchOptions(stream=stream), make_pool=make_pool)
        run.ablate(plan)
    return folder


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
