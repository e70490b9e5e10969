"""The arms of H1: each gets a job and an empty folder, and is timed from start to exit."""

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from benchmarks.job import Job
from benchmarks.processes import STUDY, nas_search, run_timed
from nas.devices import list_gpus, num_cores
from nas.timing import read_timing
from nas.wandb_runs.files import finished_ids

ARMS = ("stock", "competent", "nas")


class ArmError(Exception):
    """An arm left out work."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an arm measured of one candidate at the last epoch."""

    log_loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class ArmResult:
    """One run of one arm."""

    seconds: float
    """Wall time from the start of its first process to the exit of the last."""
    seconds_in_trials: float
    """From the start of the first trial to the end of the last."""
    outcomes: dict[str, Outcome]
    """By spec_id; without those whose training failed or has no finite log-loss."""
    num_failed: int
    paths: dict[str, int] = field(default_factory=dict[str, int])
    """Ways in which candidates were trained, and how many each way."""
    timing: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Where the owner's time went, as `logs/timing.json` of a run folder has it."""

    @property
    def per_hour(self) -> float:
        """Trained candidates per hour, those that failed included."""
        return (len(self.outcomes) + self.num_failed) / self.seconds * 3600


def run_arm(
    arm: str,
    job: Job,
    folder: Path,
    flags: Sequence[str] = (),
    cores: set[int] | None = None,
) -> ArmResult:
    """Run one arm in a new folder and read what it left on the disk.

    Args:
        arm: One of `ARMS`.
        job: What it has to do.
        folder: Takes everything that the arm writes.
        flags: Further flags of `nas search`.
        cores: Where it may run; None: anywhere.

    Raises:
        ProcessError: The arm ended with an error.
        ArmError: A candidate or a W&B run is missing.
    """
    folder.mkdir(parents=True)
    seconds = run_timed(_commands(arm, job, folder, flags), folder, cores)
    run_folder = folder / "runs" / STUDY if arm == "nas" else folder
    done, failed = read_trials(arm, run_folder)
    _check_nothing_is_missing(arm, job, len(done) + len(failed), run_folder)
    return ArmResult(
        seconds=seconds,
        seconds_in_trials=seconds_in_trials([*done, *failed]),
        outcomes=dict(_outcome(trial) for trial in done),
        num_failed=len(failed),
        paths=dict(Counter(_path(trial) for trial in done)),
        timing=read_timing(run_folder / "logs" / "timing.json"),
    )


def _commands(arm: str, job: Job, folder: Path, flags: Sequence[str]) -> list[list[str]]:
    if arm == "nas":
        flags = ("--wandb", "offline", "--no-report", "--no-export", *flags)
        return [nas_search(job, flags, {"search.goal": "best"})]
    path = folder / "job.json"
    job.write(path)
    command = [sys.executable, "-m", f"benchmarks.{arm}", str(path), str(folder)]
    if arm == "stock":
        return [command]
    count = num_cores() if job.device == "cpu" else len(list_gpus())
    return [[*command, str(number)] for number in range(min(count, job.trials))]


def read_trials(arm: str, folder: Path) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
    """Return an arm's complete and failed trials, as plain Optuna reads them from the disk."""
    storage: BaseStorage
    if arm == "stock":
        storage = RDBStorage(f"sqlite:///{folder / 'study.db'}")
    else:
        storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    trials = optuna.load_study(study_name=STUDY, storage=storage).trials
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    done = [trial for trial in complete if math.isfinite(trial.values[0])]
    # The competent baseline's workers each end with a trial that they do not train.
    failed = [trial for trial in trials if trial.state is TrialState.FAIL and trial.params]
    return done, [*failed, *(trial for trial in complete if trial not in done)]


def seconds_in_trials(trials: Sequence[FrozenTrial]) -> float:
    """Return the time from the start of the first trial to the end of the last."""
    starts = [trial.datetime_start for trial in trials if trial.datetime_start]
    ends = [trial.datetime_complete for trial in trials if trial.datetime_complete]
    return (max(ends) - min(starts)).total_seconds()


def _outcome(trial: FrozenTrial) -> tuple[str, Outcome]:
    attributes = trial.user_attrs
    result = attributes.get("result")
    accuracy = result["history"][-1]["val_accuracy"] if result else attributes["val_accuracy"]
    return attributes["spec_id"], Outcome(log_loss=trial.values[0], accuracy=accuracy)


def _path(trial: FrozenTrial) -> str:
    return trial.user_attrs.get("result", {}).get("path", "alone")


def _check_nothing_is_missing(arm: str, job: Job, count: int, folder: Path) -> None:
    # The writer of `nas search` marks what it has written to the end; a file alone may be cut off.
    runs = (
        len(finished_ids(folder))
        if arm == "nas"
        else len(list((folder / "wandb").glob("offline-run-*/*.wandb")))
    )
    # `nas search` trains another candidate for each that failed.
    if count < job.trials or runs < count:
        raise ArmError(
            f"Arm {arm!r} must leave {job.trials} ended trials and a W&B run of each, got "
            f"trials={count} and runs={runs}. Look at {folder}."
        )
