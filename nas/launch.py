"""The search: prepare the folder, own the study, train until the total, report and export."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from optuna.exceptions import StorageInternalError

from nas.config import StudyConfig
from nas.config_file import check_resume
from nas.devices import Slot, describe_plan, list_gpus, plan_slots
from nas.display import Answers, Display, DisplaySources
from nas.epoch_log import EpochLog
from nas.errors import RunFolderError, StorageError
from nas.feed import Watchers
from nas.finalists import choose_finalists
from nas.local_pool import LocalPool
from nas.open_study import OpenStudy, open_study
from nas.owner import Owner
from nas.price import Price, estimate_price, seconds_left
from nas.repeats_feed import (
    Repeat,
    RepeatsFeed,
    plan_anchors,
    plan_equal_depth,
    plan_finalists,
)
from nas.run_folder import RunFolder
from nas.running import TrialsInTraining
from nas.sampling import load_class
from nas.search_feed import SearchFeed
from nas.storage import folder_lock, journal_path, mend_journal, storage_lock
from nas.timing import TimedFeed, Timing
from nas.trials import TrialRecord
from nas.wandb_settings import resolve_wandb
from nas.worker_board import WorkerBoard
from trainer.checkpoints import FolderCheckpoints


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What a search does besides searching."""

    with_report: bool = True
    """Whether anchors are trained and the report is written."""
    with_export: bool = True
    """Whether finalists are trained and the best network is exported."""
    stream: TextIO = sys.stdout
    """Where the plan, the display and the result go."""


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
    config = config.model_copy(update={"wandb": resolve_wandb(config.wandb)})
    slots = plan_slots(config.search.workers, config.search.devices, list_gpus())
    if folder.config.is_file():
        check_resume(folder.read_config(), _as_stored(config))
    folder.check_usable()
    with (
        folder_lock(folder.path),
        storage_lock(config.storage, config.name),
        _sigterm_as_interrupt(),
        _storage_trouble(folder),
    ):
        journal = journal_path(config.storage, folder.path)
        if journal is not None:
            mend_journal(journal)
        study = open_study(folder, config)
        folder.write_config(config)
        folder.write_environment([slot.label for slot in slots])
        _Session(study, slots, options).run()
    return folder


class _Session:
    """One owner's life: from the plan to the export."""

    def __init__(self, study: OpenStudy, slots: Sequence[Slot], options: SearchOptions) -> None:
        # Imported here: they need NumPy and SciPy, which a wrong flag should not wait for.
        from nas.results import Results
        from nas.wandb_watcher import WandbWatcher

        self._study = study
        self._slots = list(slots)
        self._options = options
        self._timing = Timing(study.folder.timing)
        self._wandb = WandbWatcher(study, self._timing)
        self._epoch_log = EpochLog(study.folder.logs / "epochs.jsonl")
        self._price = estimate_price(
            study.config,
            study.space,
            len(slots),
            anchors=options.with_report,
            finalists=options.with_export,
        )
        self._results = Results(study.folder, study.config)
        self._display = Display(self._display_sources(), options.stream)
        watcher = Watchers(self._epoch_log, self._display, self._wandb)
        checkpoints = FolderCheckpoints(study.folder.checkpoints)

        def trials_of(store: Any, prefix: str) -> TrialsInTraining:
            return TrialsInTraining(
                store,
                prefix=prefix,
                metric=study.config.search.metric,
                max_attempts=study.config.search.max_attempts,
                checkpoints=checkpoints,
                watcher=watcher,
            )

        self._search = SearchFeed(
            study.config, study.space, trials_of(study.search, "trial"), self._callbacks()
        )
        self._repeats = trials_of(study.repeats, "repeat")
        self._repeats.take_over()

    def run(self) -> None:
        """Print plan and price, train, write report and export."""
        self._print_plan()
        ended = [*self._search.trials.ended, *self._repeats.ended]
        self._display.learn(ended)
        self._wandb.catch_up(ended)
        try:
            self._train()
            self._finish()
        finally:
            self._wandb.close()
            self._epoch_log.close()
            self._timing.write(len(self._slots))

    def _train(self) -> None:
        feeds = {"search": self._search}
        if self._options.with_report:
            anchors = plan_anchors(self._study.space, self._study.config.search.anchor_seeds)
            feeds["anchors"] = self._repeats_feed(lambda: anchors)
        if self._options.with_export:
            finalists = self._repeats_feed(self._plan_finalists)
            feeds["finalists"] = finalists
            feeds["equal_depth"] = self._repeats_feed(lambda: self._plan_equal_depth(finalists))
        timed = [TimedFeed(feed, name, self._timing) for name, feed in feeds.items()]
        if all(feed.is_finished for feed in timed):
            return
        folder = self._study.folder
        pool = LocalPool(self._slots, self._study.config.data, folder.checkpoints, folder.logs)
        board = WorkerBoard(folder.workers, pool)
        try:
            with self._display:
                Owner(pool, timed, lambda: self._tick(board)).run()
        finally:
            board.remove()

    def _tick(self, board: WorkerBoard) -> None:
        self._display.tick()
        board.tick()
        if self._study.config.search.until == "settled":
            answers = self._display.answers
            if answers is not None and answers.settled == answers.total:
                self._search.stop()

    def _repeats_feed(self, plan: Callable[[], Sequence[Repeat] | None]) -> RepeatsFeed:
        return RepeatsFeed(self._study.config, self._study.space, self._repeats, plan)

    def _plan_finalists(self) -> list[Repeat] | None:
        if not self._search.is_finished:
            return None
        search = self._study.config.search
        chosen = choose_finalists(self._search.trials.ended, search.finalists, search.direction)
        return plan_finalists(chosen, search.finalist_seeds)

    def _plan_equal_depth(self, finalists: RepeatsFeed) -> list[Repeat] | None:
        if not finalists.is_finished:
            return None
        winner = self._results.winner(self._repeats.ended)
        if winner is None or winner.spec is None:
            return []
        num_seeds = self._study.config.search.anchor_seeds
        return plan_equal_depth(self._study.space, winner.spec, num_seeds)

    def _finish(self) -> None:
        """Write what came out, and say it."""
        self._results.load(self._search.trials.ended, self._repeats.ended)
        self._timing.write(len(self._slots))
        # The report first: an export that cannot be proven must not cost it.
        if self._options.with_report:
            with self._timing.measure("report"):
                self._results.write_report()
        if self._options.with_export:
            with self._timing.measure("export"):
                self._results.write_export()
            self._results.drop_losers()
        with self._timing.measure("wandb.summary"):
            self._wandb.summary(self._results)
        self._print("")
        self._print(self._results.conclusion())

    def _print_plan(self) -> None:
        folder = self._study.folder.path
        left = self._study.config.search.trials - self._search.num_counted
        resumed = self._search.num_counted + len(self._search.trials.retries)
        self._print(f"study    {self._study.config.name} in {folder}")
        self._print(f"devices  {describe_plan(self._slots)}")
        lines = self._price.describe().splitlines()
        self._print(f"price    {lines[0]}")
        for line in lines[1:]:
            self._print(f"         {line}")
        if resumed:
            self._print(
                f"resume   {self._search.num_counted} trials are done, "
                f"{len(self._search.trials.retries)} go on from their checkpoints, "
                f"{max(left, 0)} to go"
            )

    def _display_sources(self) -> DisplaySources:
        search = self._study.config.search

        def left(ended: Sequence[TrialRecord]) -> float:
            return seconds_left(self._price, ended, len(self._slots))

        return DisplaySources(
            num_trials=search.trials,
            num_repeats=self._price.num_anchors + self._price.num_finalists,
            num_epochs=self._study.config.recipe.epochs,
            direction=search.direction,
            answers=self._count_answers,
            seconds_left=left,
        )

    def _count_answers(self, ended: Sequence[TrialRecord]) -> Answers | None:
        with self._timing.measure("answers"):
            return self._results.count_answers(ended)

    def _callbacks(self) -> tuple[Callable[..., None], ...]:
        configured = self._study.config.search.callbacks
        return tuple(
            load_class("search.callbacks", callback.class_path)(**callback.init_args)
            for callback in configured
        )

    def _print(self, text: str) -> None:
        self._options.stream.write(text + "\n")
        self._options.stream.flush()


def _as_stored(config: StudyConfig) -> StudyConfig:
    """Return the configuration as `config.yaml` holds it: the storage without its password."""
    from nas.storage import without_password

    return config.model_copy(update={"storage": without_password(config.storage)})


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
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
def _storage_trouble(folder: RunFolder) -> Iterator[None]:
    """Turn a disk that fills up or a server that goes away into an error that says what to do."""
    try:
        yield
    except StorageInternalError as error:
        reason = " ".join(str(error.__cause__ or error).split())[:300]
        raise StorageError(
            f"The storage failed during the study: {reason}. Nothing that it had confirmed is "
            "lost; repeat the command when it is back."
        ) from None
    except OSError as error:
        raise RunFolderError(
            f"The run folder {str(folder.path)!r} failed during the study: "
            f"{error.strerror or error}. Nothing already written is lost; free some space or mend "
            "the disk, then repeat the command."
        ) from error
