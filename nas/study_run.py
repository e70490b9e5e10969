"""A study from the first trial to the export, as its owner runs it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from nas.callbacks import Callback
from nas.devices import Slot, describe_plan
from nas.display import Answers, Display, DisplaySources
from nas.epoch_log import EpochLog
from nas.feed import Feed, Watchers
from nas.finalists import choose_finalists
from nas.local_pool import LocalPool
from nas.open_study import OpenStudy
from nas.owner import Owner
from nas.pool import WorkerPool
from nas.price import estimate_price, seconds_left
from nas.repeats_feed import (
    Repeat,
    RepeatsFeed,
    plan_anchors,
    plan_equal_depth,
    plan_finalists,
)
from nas.running import TrialsInTraining
from nas.search_feed import SearchFeed
from nas.timing import TimedFeed, Timing
from nas.trials import Source, TrialRecord
from nas.worker_board import WorkerBoard
from trainer.checkpoints import FolderCheckpoints

_SECONDS_FOR_WANDB = 120.0
_SECONDS_FOR_WANDB_AFTER_AN_INTERRUPT = 10.0


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What a search does besides searching."""

    with_report: bool = True
    """Whether anchors are trained and the report is written."""
    with_export: bool = True
    """Whether finalists are trained and the best network is exported."""
    stream: TextIO = sys.stdout
    """Where the plan, the display and the result go."""


MakePool = Callable[[OpenStudy, list[Slot]], WorkerPool]


def make_local_pool(study: OpenStudy, slots: list[Slot]) -> WorkerPool:
    """Make workers on this host."""
    folder = study.folder
    return LocalPool(slots, study.config.data, folder.checkpoints, folder.logs)


class StudyRun:
    """One owner's life: from the plan to the export.

    Args:
        study: The study; the caller holds its lock.
        slots: Where the workers run.
        options: Report, export and output.
        callbacks: Called after each ended trial of the search.
        make_pool: Makes the workers.
    """

    def __init__(
        self,
        study: OpenStudy,
        slots: Sequence[Slot],
        options: SearchOptions,
        callbacks: tuple[Callback, ...] = (),
        make_pool: MakePool = make_local_pool,
    ) -> None:
        # Imported here: they need NumPy and SciPy, which a wrong flag should not wait for.
        from nas.results import Results
        from nas.wandb_watcher import WandbWatcher

        self._study = study
        self._slots = list(slots)
        self._make_pool = make_pool
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
            study.config, study.space, trials_of(study.search, "trial"), callbacks
        )
        self._repeats = trials_of(study.repeats, "repeat")
        self._repeats.take_over()

    def run(self) -> None:
        """Print plan and price, train, write report and export."""
        # After Ctrl-C nobody wants to wait for W&B; the next owner writes what is missing.
        patience = _SECONDS_FOR_WANDB_AFTER_AN_INTERRUPT
        try:
            self._print_plan()
            ended = [*self._search.trials.ended, *self._repeats.ended]
            self._display.learn(ended)
            self._wandb.catch_up(ended)
            self._train()
            self._finish()
            patience = _SECONDS_FOR_WANDB
        finally:
            self._wandb.close(patience)
            self._epoch_log.close()
            self._timing.write(len(self._slots))

    def _train(self) -> None:
        # Before the first trial too: the same command again has nothing more to do.
        if self._study.config.search.until == "settled":
            ended = [*self._search.trials.ended, *self._repeats.ended]
            self._stop_if_settled(self._count_answers(ended))
        feeds: dict[str, Feed] = {"search": self._search}
        if self._options.with_report:
            anchors = plan_anchors(self._study.space, self._study.config.search.anchor_seeds)
            feeds["anchors"] = self._repeats_feed(Source.ANCHOR, lambda: anchors)
        if self._options.with_export:
            finalists = self._repeats_feed(Source.FINALIST, self._plan_finalists)
            feeds["finalists"] = finalists
            feeds["equal_depth"] = self._repeats_feed(
                Source.ANCHOR, lambda: self._plan_equal_depth(finalists)
            )
        timed = [TimedFeed(feed, name, self._timing) for name, feed in feeds.items()]
        if all(feed.is_finished for feed in timed):
            return
        pool = self._make_pool(self._study, self._slots)
        board = WorkerBoard(self._study.folder.workers, pool)
        try:
            with self._display:
                Owner(pool, timed, lambda: self._tick(board)).run()
        finally:
            board.remove()

    def _tick(self, board: WorkerBoard) -> None:
        self._display.tick()
        board.tick()
        self._stop_if_settled(self._display.answers)

    def _stop_if_settled(self, answers: Answers | None) -> None:
        if self._study.config.search.until != "settled" or answers is None:
            return
        if 0 < answers.total == answers.settled:
            self._search.stop()

    def _repeats_feed(
        self, source: Source, plan: Callable[[], Sequence[Repeat] | None]
    ) -> RepeatsFeed:
        return RepeatsFeed(self._study.config, self._study.space, self._repeats, source, plan)

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
            self._results.drop_spare_weights()
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

    def _print(self, text: str) -> None:
        self._options.stream.write(text + "\n")
        self._options.stream.flush()
