"""A study from the first trial to the export, as its owner runs it."""

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO, cast

from optuna.trial import TrialState

from nas.ablation_plan import AblationPlan
from nas.ablation_text import describe_ablation, describe_rows, estimate_seconds
from nas.callbacks import Callback
from nas.constraints import count_refused, describe_refused
from nas.design_file import DesignFile
from nas.devices import Slot, describe_plan
from nas.display import Answers, Display, DisplaySources
from nas.epoch_log import EpochLog
from nas.errors import ConfigError, ExportError
from nas.export.request import ExportResult
from nas.feed import Feed, Watchers
from nas.groups import describe_groups, plan_groups, speed_factor
from nas.latencies import limits_of
from nas.local_pool import LocalPool
from nas.messages import Ready
from nas.open_study import OpenStudy
from nas.owner import Owner
from nas.phases import Phases
from nas.plan_power import describe_search_power
from nas.pool import WorkerPool
from nas.price import Price, estimate_price, seconds_left
from nas.repeats_feed import not_begun
from nas.rungs import describe_rungs
from nas.running import TrialsInTraining
from nas.search_feed import SearchFeed
from nas.study_store import StudyStore
from nas.timing import TimedFeed, Timing
from nas.trials import Source, State, TrialRecord
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


def make_local_pool(
    study: OpenStudy, slots: list[Slot], num_left: int | None = None
) -> WorkerPool:
    """Make workers on this host.

    Args:
        study: The study.
        slots: Where the workers run.
        num_left: Trainings that are known beforehand; None: those of a search.
    """
    folder, config = study.folder, study.config
    task = None if config.task is None else config.task.model_dump(mode="json")
    is_known = num_left is not None
    if num_left is None:
        done = study.search.trials(TrialState.COMPLETE, TrialState.PRUNED)
        # A finished search may have repeats to train.
        finalists = config.search.finalists * config.search.finalist_seeds
        num_left = max(config.search.trials - len(done), min(finalists, config.search.trials))
    groups = plan_groups(config, study.space, len(slots), num_left, is_known=is_known)
    return LocalPool(slots, config.data, folder.checkpoints, folder.logs, task, groups)


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
        from nas.wandb_runs.watcher import WandbWatcher

        self._study = study
        self._slots = list(slots)
        self._options = options
        self._timing = Timing(study.folder.timing)
        self._wandb = WandbWatcher(study, self._timing)
        self._epoch_log = EpochLog(study.folder.logs / "epochs.jsonl")
        self._price = self._estimate_price()
        self._results = Results(study.folder, study.config)
        self._pool = make_pool(study, self._slots)
        self._board = WorkerBoard(study.folder.workers, self._pool)
        self._knows_groups = False
        self._watches_precision = False
        self._is_precise = False
        self._max_repeats: int | None = None
        self._display = Display(self._display_sources(), options.stream)
        self._search = self._open_search(callbacks)
        self._repeats = self._trials_of(study.repeats, "repeat")
        self._repeats.take_over()
        self._phases = Phases(study, self._search, self._repeats, self._results.winner)
        if study.config.constraints.limits and not self._search.has_design:
            self._expect_no_more_rows()

    def _estimate_price(
        self,
        ended: Sequence[TrialRecord] = (),
        *,
        has_design: bool = True,
        max_repeats: int | None = None,
    ) -> Price:
        return estimate_price(
            self._study.config,
            self._study.space,
            len(self._slots),
            anchors=self._options.with_report,
            finalists=self._options.with_export,
            ended=ended,
            has_design=has_design,
            max_repeats=max_repeats,
        )

    def _price_left(self) -> Price:
        """Estimate what this owner has to train; the phases' feeds are made."""
        ended = [*self._search.trials.ended, *self._repeats.ended]
        has_design = not self._study.config.constraints.limits or self._search.has_design
        to_come = self._phases.num_repeats - len(self._repeats.ended)
        # As long as the search goes on, what it will choose is not known.
        known = to_come if self._search.is_finished else None
        return self._estimate_price(ended, has_design=has_design, max_repeats=known)

    def _num_repeats(self) -> int:
        """Anchors and finalists, done ones included, as far as is known; those of the plan else.

        A phase that is not planned yet expects all its trainings, also those that are done.
        """
        done = len(self._repeats.ended)
        begun = len(self._repeats.begun)
        most = self._phases.num_repeats if self._max_repeats is None else self._max_repeats
        return max(min(self._phases.num_repeats, most), done + begun)

    def _open_search(self, callbacks: tuple[Callback, ...]) -> SearchFeed:
        study = self._study
        return SearchFeed(
            study.config,
            study.space,
            self._trials_of(study.search, "trial"),
            callbacks,
            limits_of(study.config, self._slots[0].device, study.folder.path),
            self._say_given_up,
            DesignFile.of_study(study.folder, study.config),
        )

    def _trials_of(self, store: StudyStore, prefix: str) -> TrialsInTraining:
        settings = self._study.config.search
        return TrialsInTraining(
            store,
            prefix=prefix,
            metric=settings.metric,
            max_attempts=settings.max_attempts,
            checkpoints=FolderCheckpoints(self._study.folder.checkpoints),
            watcher=Watchers(self._epoch_log, self._display, self._wandb),
        )

    def run(self) -> None:
        """Print plan and price, train, write report and export."""
        with self._owned():
            feeds = self._phases.of_study(
                anchors=self._options.with_report, finalists=self._options.with_export
            )
            price = self._price_left()
            self._max_repeats = len(self._repeats.ended) + price.num_anchors + price.num_finalists
            self._print_plan(price)
            ended = self._learn()
            if self._study.config.search.until == "settled":
                self._watches_precision = True
                # Before the first trial too: the same command again has nothing more to do.
                self._count_answers(ended)
            self._train(feeds)
            self._finish()

    def export_trial(self, number: int, folder: Path | None = None) -> ExportResult:
        """Train one search trial on fresh seeds, as a finalist, and export it.

        What a former call or the search has trained of it is not trained again.

        Raises:
            ConfigError: There is no complete search trial of that number.
            ExportError: No fresh training is complete, or the proof failed.
        """
        with self._owned():
            trial = self._complete_trial(number)
            search = self._study.config.search
            self._print(
                f"retrain  trial {number} on {search.finalist_seeds} fresh seeds, and the "
                "full-identity network of its depth"
            )
            self._learn()
            self._price = replace(self._price, num_randomised=0, num_adaptive=0)
            self._train(self._phases.of_trial(trial))
            self._results.load(self._search.ended, self._repeats.ended)
            self._board.write()
            with self._timing.measure("export"):
                result = self._results.write_export(folder, number)
            if result is None:
                raise ExportError(
                    f"An export needs a complete fresh training, got none of trial={number}. Look "
                    "at logs/ for why they failed, or export another --trial."
                )
            self._results.drop_spare_weights()
            return result

    def ablate(self, plan: AblationPlan) -> None:
        """Train a network and its flips in pairs, write the report again and say what it found.

        What a former call has trained is not trained again.
        """
        # Imported here: it needs NumPy and SciPy, which a wrong flag should not wait for.
        from nas.benefit.paired import confirm_rows

        with self._owned():
            config, planned = self._study.config, plan.repeats()
            # What a former owner left unfinished is still to be paid for.
            left = not_begun(planned, self._repeats.ended, config.recipe)
            ended = [*self._search.trials.ended, *self._repeats.ended]
            seconds = estimate_seconds(left, config, ended, len(self._slots))
            self._print(f"study    {config.name} in {self._study.folder.path}")
            for line in describe_ablation(plan, left, seconds, config.recipe.epochs):
                self._print(line)
            self._learn()
            self._price = replace(self._price, num_randomised=0, num_adaptive=0)
            self._train(self._phases.of_ablation(planned))
            self._results.load(self._search.ended, self._repeats.ended)
            self._timing.write(len(self._slots))
            self._board.write()
            with self._timing.measure("report"):
                report = self._results.write_report()
            with self._timing.measure("wandb.summary"):
                self._wandb.summary(self._results)
            names = {base.name for base in plan.bases}
            rows = confirm_rows(self._results.repeats, self._results.context)
            shown = [row for row in rows if row["base"] in names]
            self._print(describe_rows(shown, config.search.metric))
            self._print(f"\nreport   {report.folder / 'report.html'}")

    @contextlib.contextmanager
    def _owned(self) -> Iterator[None]:
        """Close what was opened, and keep the board until nothing more is done."""
        # After Ctrl-C nobody wants to wait for W&B; the next owner writes what is missing.
        patience = _SECONDS_FOR_WANDB_AFTER_AN_INTERRUPT
        try:
            yield
            patience = _SECONDS_FOR_WANDB
        finally:
            self._wandb.close(patience)
            self._epoch_log.close()
            self._timing.write(len(self._slots))
            self._board.remove()

    def _learn(self) -> list[TrialRecord]:
        """Show and log what former owners have ended."""
        ended = [*self._search.trials.ended, *self._repeats.ended]
        self._display.learn(ended)
        self._wandb.catch_up(ended)
        return ended

    def _say_given_up(self, text: str) -> None:
        """Say while trials are in training that the design is given up."""
        self._display.say(text)
        self._expect_no_more_rows()

    def _expect_no_more_rows(self) -> None:
        """Expect adaptive trials, or none, instead of the design rows that are to come."""
        search = self._study.config.search
        trials = self._search.trials
        live = [*trials.ended, *(running.record for running in trials.begun)]
        rows = sum(record.source is Source.RANDOMISED for record in live)
        adaptive = 0 if search.design_share == 1 else max(search.trials - rows, 0)
        self._price = replace(self._price, num_randomised=rows, num_adaptive=adaptive)

    def _train(self, feeds: list[tuple[str, Feed]]) -> None:
        timed = [TimedFeed(feed, name, self._timing) for name, feed in feeds]
        if all(feed.is_finished for feed in timed):
            return
        with self._display:
            Owner(self._pool, timed, self._tick, self._on_ready).run()

    def _tick(self) -> None:
        self._display.tick()
        self._board.tick()

    def _on_ready(self, ready: Ready) -> None:
        """Say once how many candidates train together, and keep what was measured of it."""
        if self._knows_groups:
            return
        self._knows_groups = True
        self._timing.groups = {
            "size": ready.group_size,
            "seconds_per_step": ready.group_seconds,
            "why": ready.group_why,
        }
        if text := describe_groups(ready):
            self._display.say(f"groups   {text}")
        factor = speed_factor(ready)
        if factor is not None:
            self._price = replace(self._price, seconds=self._price.seconds * factor)

    def _complete_trial(self, number: int) -> TrialRecord:
        complete = [
            record
            for record in self._search.trials.ended
            if record.state is State.COMPLETE and record.spec is not None
        ]
        for record in complete:
            if record.number == number:
                return record
        known = _ranges(record.number for record in complete) or "none yet"
        raise ConfigError(
            f"--trial must be a complete search trial, got trial={number}. Complete: {known}."
        )

    def _finish(self) -> None:
        """Write what came out, and say it."""
        self._results.load(self._search.ended, self._repeats.ended)
        self._results.ended_early = self._search.ended_early
        self._timing.write(len(self._slots))
        # The report first: an export that cannot be proven must not cost it.
        if self._options.with_report:
            self._board.write()
            with self._timing.measure("report"):
                self._results.write_report()
        if self._options.with_export:
            self._board.write()
            with self._timing.measure("export"):
                self._results.try_export()
            self._results.drop_spare_weights()
        with self._timing.measure("wandb.summary"):
            self._wandb.summary(self._results)
        if self._watches_precision:
            self._print(self._describe_looks())
        self._print("")
        self._print(self._results.conclusion())
        for line in self._describe_limits():
            self._print(f"limits   {line}")
        if saved := self._describe_saved():
            self._print(f"rungs    {saved}")

    def _describe_saved(self) -> str:
        """Say what rungs have saved; empty without."""
        search, epochs = self._study.config.search, self._study.config.recipe.epochs
        if search.rungs is None:
            return ""
        return describe_rungs(self._search.ended, search.rungs.make(epochs).levels, epochs)

    def _print_plan(self, price: Price) -> None:
        folder = self._study.folder.path
        left = self._study.config.search.trials - self._search.num_counted
        trials = self._search.trials
        resumed = self._search.num_counted + len(trials.retries) + len(trials.paused)
        self._print(f"study    {self._study.config.name} in {folder}")
        self._print(f"devices  {describe_plan(self._slots)}")
        lines = price.describe().splitlines()
        if self._study.config.recipe.ranges:
            self._print(f"recipe   {self._study.config.recipe.describe_ranges()}")
        if limits := self._study.config.constraints.limits:
            said = ", ".join(f"{name} {limit:,.6g}" for name, limit in limits.items())
            self._print(f"limits   {said}{self._describe_missing_design()}")
        self._print(f"price    {lines[0]}")
        for line in lines[1:]:
            self._print(f"         {line}")
        for line in self._describe_power():
            self._print(line)
        problem = self._results.export_problem() if self._options.with_export else None
        if problem is not None:
            # Said now, since it is too late at the end.
            self._print(f"export   none: {problem}")
        if resumed:
            self._print(
                f"resume   {self._search.num_counted} trials are done, "
                f"{len(trials.retries)} go on from their checkpoints, "
                + (f"{len(trials.paused)} are paused, " if trials.paused else "")
                + f"{max(left, 0)} to go"
            )

    def _describe_power(self) -> list[str]:
        """Say what the design can see, where there are rows of it to come."""
        if not (self._study.config.search.design_share and self._search.has_design):
            return []
        study, ended = self._study, self._search.ended
        return describe_search_power(study.config, study.space, ended, len(self._slots))

    def _describe_missing_design(self) -> str:
        """Say where the constraints leave nothing of the design, before anything is trained."""
        if self._search.has_design or not self._study.config.search.design_share:
            return ""
        if self._search.is_design_given_up:
            return "; the design was given up"
        depths = "-".join(map(str, self._study.space.deepest))
        return (
            f"; no network of the design ({depths} blocks per stage) is within, hence no skip map: "
            "all trials are adaptive"
        )

    def _describe_limits(self) -> list[str]:
        """Say what the constraints have kept from being trained."""
        ended = self._search.ended
        has_rows = any(record.source is Source.RANDOMISED for record in ended)
        return describe_refused(
            count_refused(ended),
            # Without any row there is no map to tell of; the conclusion has said why.
            sum(record.rows_left_out for record in ended) if has_rows else 0,
            is_given_up=self._search.is_design_given_up,
        )

    def _display_sources(self) -> DisplaySources:
        search = self._study.config.search

        def left(ended: Sequence[TrialRecord]) -> float:
            paused = self._search.trials.seconds_paused
            number = self._num_repeats()
            return seconds_left(self._price, ended, len(self._slots), number, paused)

        return DisplaySources(
            num_trials=search.trials,
            num_repeats=self._num_repeats,
            num_epochs=self._study.config.recipe.epochs,
            direction=search.direction,
            answers=self._count_answers,
            seconds_left=left,
            metric=search.metric,
            groups=lambda: [cast("list[str]", w["trials"]) for w in self._pool.describe()],
            num_paused=lambda: len(self._search.trials.paused),
        )

    def _count_answers(self, ended: Sequence[TrialRecord]) -> Answers | None:
        with self._timing.measure("answers"):
            answers = self._results.count_answers(ended)
        if answers is not None:
            self._stop_if_precise(answers)
        return answers

    def _stop_if_precise(self, answers: Answers) -> None:
        """End the search once all is known precisely enough; never because something is decided.

        Whoever looks often and stops at the first decision finds effects that are not there.
        """
        if not self._watches_precision or self._is_precise or self._search.is_finished:
            return
        self._timing.add("looks", 0.0)
        if 0 < answers.total == answers.precise:
            self._is_precise = True
            self._search.stop()

    def _describe_looks(self) -> str:
        number = self._timing.counts.get("looks", 0)
        looks = "1 look" if number == 1 else f"{number} looks"
        if self._is_precise:
            return f"until    every answer is precise; stopped after {looks}"
        return f"until    some answers are not precise after {looks} at them"

    def _print(self, text: str) -> None:
        self._options.stream.write(text + "\n")
        self._options.stream.flush()


def _ranges(numbers: Iterable[int]) -> str:
    """Return `0 to 4, 6` for 0, 1, 2, 3, 4 and 6."""
    parts = []
    # Numbers in a row have the same distance from their place in the list.
    for _, group in itertools.groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        row = [number for _, number in group]
        parts.append(str(row[0]) if len(row) == 1 else f"{row[0]} to {row[-1]}")
    return ", ".join(parts)
