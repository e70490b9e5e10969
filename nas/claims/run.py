"""Trains what the claims need through the worker pool and writes verdicts; resumable."""

import contextlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from nas.claims.catalogue import CLAIMS, choose_claims
from nas.claims.describe import (
    describe_claims,
    describe_price,
    estimated_seconds,
    measuring_seconds,
    summary,
)
from nas.claims.feed import ClaimsFeed, seconds_left
from nas.claims.jobs import OWN_SEED, Job, Measuring, Training
from nas.claims.page import render_claims
from nas.claims.record import describe_claim
from nas.claims.results import ClaimTest, Results
from nas.claims.setup import ClaimsSetup
from nas.claims.store import JobStore
from nas.config import StudyConfig
from nas.devices import Slot, describe_plan, list_gpus, plan_slots
from nas.errors import ConfigError, TrainingError
from nas.groups import GroupPlan, describe_groups, plan_groups, speed_factor
from nas.launch import explain_trouble, sigterm_as_interrupt
from nas.local_pool import LocalPool
from nas.messages import Ready
from nas.own_parts import check_own_parts
from nas.owner import Owner
from nas.pool import WorkerPool
from nas.run_folder import RunFolder, tool_version, write_whole
from nas.storage import folder_lock
from trainer.checkpoints import FolderCheckpoints
from trainer.datasets import ImageData, load_data

_SAY_SECONDS = 15.0
_SHOW_SECONDS = 0.5
_FEWEST_SEEDS = 2

MakePool = Callable[[StudyConfig, Sequence[Slot], Path, GroupPlan], WorkerPool]


@dataclass(frozen=True, kw_only=True)
class ClaimsOptions:
    """What is tested, and where it is said."""

    only: tuple[str, ...] = ()
    """Claims by id; empty for all."""
    seeds: int | None = None
    """Seeds of every training; None: as many as each test asks for."""
    stream: TextIO = sys.stdout


@dataclass(frozen=True, kw_only=True)
class ClaimsResult:
    """What came out."""

    folder: Path
    """Holds `claims.json`, `claims.html` and `trainings.jsonl`."""
    claims: list[dict[str, Any]]
    """The records of `claims.json`."""


def make_claims_pool(
    config: StudyConfig, slots: Sequence[Slot], folder: Path, groups: GroupPlan
) -> WorkerPool:
    """Make workers on this host."""
    task = None if config.task is None else config.task.model_dump(mode="json")
    return LocalPool(slots, config.data, folder / "checkpoints", folder / "logs", task, groups)


def run_claims(
    config: StudyConfig,
    root: Path,
    options: ClaimsOptions,
    make_pool: MakePool = make_claims_pool,
) -> ClaimsResult:
    """Test the founding claims on a study's data and write the verdicts.

    What an earlier call has trained is not trained again, whichever claims it was for.

    Args:
        config: The study; its data, space, recipe, workers and devices are used.
        root: Folder of all runs; claims are in `root/<name>/claims`.
        options: Which claims, how many seeds.
        make_pool: Makes the workers.

    Raises:
        UserError: A claim is unknown, or the configuration or the folder cannot be used.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the same call goes on.
    """
    chosen = choose_claims(options.only)
    if options.seeds is not None and not _FEWEST_SEEDS <= options.seeds <= OWN_SEED:
        raise ConfigError(
            f"--seeds must be from {_FEWEST_SEEDS} to {OWN_SEED}, since one seed has no interval, "
            f"got seeds={options.seeds}. Leave it out for the number that each test asks for."
        )
    if config.facts().is_recorded:
        raise ConfigError(
            f"nas claims trains networks of its own, which a table of trainings does not hold, got "
            f"data={config.data!r}. Take other data, such as digits."
        )
    slots = plan_slots(config.search.workers, config.search.devices, list_gpus())
    check_own_parts(config)
    study = RunFolder(root / config.name)
    study.check_usable()
    folder = study.path / "claims"
    folder.mkdir(exist_ok=True)
    with folder_lock(folder), sigterm_as_interrupt(), explain_trouble(study):
        run = _ClaimsRun(config, folder, chosen, slots, options, make_pool)
        return run.run()


class _ClaimsRun:
    """One call: from the price to the verdicts."""

    def __init__(
        self,
        config: StudyConfig,
        folder: Path,
        chosen: Sequence[ClaimTest],
        slots: Sequence[Slot],
        options: ClaimsOptions,
        make_pool: MakePool,
    ) -> None:
        self._config = config
        self._folder = folder
        self._chosen = chosen
        self._slots = slots
        self._stream = options.stream
        self._make_pool = make_pool
        self._setup = ClaimsSetup.from_config(config, options.seeds)
        self._store = JobStore(folder / "trainings.jsonl")
        self._data: ImageData | None = None
        self._feed: ClaimsFeed | None = None
        self._seconds = 0.0
        self._started = 0.0
        self._last_said = 0.0
        self._knows_groups = False

    def run(self) -> ClaimsResult:
        """Do what is left, decide and write."""
        jobs = {job.key: job for claim in self._chosen for job in claim.plan(self._setup)}
        left = [job for job in jobs.values() if not self._results.has(job)]
        trainings = [job for job in left if isinstance(job, Training)]
        measurings = [job for job in left if isinstance(job, Measuring)]
        self._say_plan(list(jobs.values()), trainings, measurings)
        for job in measurings:
            self._measure(job)
        if trainings:
            self._train(trainings)
        return self._finish()

    @property
    def _results(self) -> Results:
        return Results(self._setup, self._store.outcomes, self._store.measured)

    def _say_plan(
        self,
        jobs: Sequence[Job],
        trainings: Sequence[Training],
        measurings: Sequence[Measuring],
    ) -> None:
        names = ", ".join(claim.id for claim in self._chosen)
        self._print(f"claims   {names} on {self._config.data}, in {self._folder}")
        self._print(f"devices  {describe_plan(list(self._slots))}")
        self._seconds = estimated_seconds(self._setup, trainings, len(self._slots))
        seconds = self._seconds + measuring_seconds(measurings)
        self._print(f"price    {describe_price(trainings, measurings, seconds)}")
        done = len(jobs) - len(trainings) - len(measurings)
        if done:
            self._print(f"resume   {done} of {len(jobs)} trainings and measurements are done")

    def _measure(self, job: Measuring) -> None:
        # Imported here: torch takes seconds, which a wrong flag should not wait for.
        from nas.claims.inside import measure

        with _one_thread():
            self._store.add_measured(job, measure(job, self._loaded()))

    def _loaded(self) -> ImageData:
        if self._data is None:
            self._data = load_data(self._config.data)
        return self._data

    def _look_inside(self, training: Training, weights: bytes) -> dict[str, Any]:
        from nas.claims.inside import look_inside

        with _one_thread():
            return look_inside(training, weights, self._loaded())

    def _train(self, trainings: Sequence[Training]) -> None:
        feed = self._feed = ClaimsFeed(
            trainings,
            self._store,
            FolderCheckpoints(self._folder / "checkpoints"),
            self._look_inside,
            self._config.search.max_attempts,
            lambda training: estimated_seconds(self._setup, [training], 1),
        )
        pool = self._make_pool(
            self._config, self._slots, self._folder, self._group_plan(len(trainings))
        )
        self._started = self._last_said = time.monotonic()
        try:
            Owner(pool, [feed], self._tick, self._on_ready).run()
        finally:
            self._end_line()
        for problem in feed.problems[:5]:
            self._print(f"failed   {problem}")
        if len(feed.problems) == len(trainings):
            raise TrainingError(
                f"Claims need trainings that end, got {len(trainings)} that all failed. The first: "
                f"{feed.problems[0]}. Look into {self._folder / 'logs'}."
            )

    def _group_plan(self, number: int) -> GroupPlan:
        """Decide on groups as a study does whose networks are all known before."""
        search = self._config.search.model_copy(update={"mode": "effects"})
        config = self._config.model_copy(update={"search": search})
        return plan_groups(config, self._config.make_space(), len(self._slots), number)

    def _on_ready(self, ready: Ready) -> None:
        if self._knows_groups:
            return
        self._knows_groups = True
        self._started = time.monotonic()
        if text := describe_groups(ready):
            self._print(f"groups   {text}")
        factor = speed_factor(ready)
        if factor is not None:
            self._seconds *= factor

    def _tick(self) -> None:
        feed, now = self._feed, time.monotonic()
        is_live = self._stream.isatty()
        pause = _SHOW_SECONDS if is_live else _SAY_SECONDS
        if feed is None or now - self._last_said < pause:
            return
        self._last_said = now
        minutes = seconds_left(feed, now - self._started, self._seconds) / 60
        text = f"training {feed.num_done} of {feed.num_all}, about {minutes:.1f} min left"
        if is_live:
            self._stream.write(f"\r\x1b[2K{text}")
            self._stream.flush()
        else:
            self._print(text)

    def _end_line(self) -> None:
        if self._stream.isatty():
            self._stream.write("\r\x1b[2K")
            self._stream.flush()

    def _finish(self) -> ClaimsResult:
        results = self._results
        records = [
            describe_claim(claim, self._setup, results, is_chosen=claim in self._chosen)
            for claim in CLAIMS
        ]
        write_whole(self._folder / "claims.json", json.dumps(records, indent=1) + "\n")
        page = render_claims(records, study=self._config.name, tool_version=tool_version())
        write_whole(self._folder / "claims.html", page)
        # Empty when nothing was lost; what is left is taken up by the next call.
        with contextlib.suppress(OSError):
            (self._folder / "checkpoints").rmdir()
        width = shutil.get_terminal_size((100, 24)).columns
        self._print("")
        self._print(describe_claims(records, width))
        self._print("")
        self._print(f"verdicts {summary(records)}")
        self._print(f"page     {self._folder / 'claims.html'}")
        return ClaimsResult(folder=self._folder, claims=records)

    def _print(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


@contextlib.contextmanager
def _one_thread() -> Any:
    """Leave the other cores to the workers."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
