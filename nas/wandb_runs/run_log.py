"""The owner's hand on the W&B writer: finished trials go in, nothing ever waits; no wandb here.

A thread passes them on to one child process (`nas.wandb_runs.writer`), so that neither the owner nor a
training waits for W&B, and a W&B that fails costs a warning and never a study.
"""

import json
import queue
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.trials import TrialRecord
from nas.trials_json import record_to_json
from nas.wandb_runs.content import JOB_TYPES, StudyInfo, record_run_id
from nas.wandb_runs.files import finished_ids
from nas.wandb_runs.writer_process import WRITER_LOG, WriterProcess
from nas.wandb_settings import WandbSettings

_MAX_STARTS = 2


@dataclass(frozen=True, kw_only=True)
class RunLogResult:
    """What became of the runs."""

    num_written: int
    """Runs written, those that were there already included."""
    failures: tuple[str, ...]
    """What went wrong, one sentence each; for the user, as warnings."""


@dataclass(frozen=True, kw_only=True)
class _Request:
    ticket: int
    label: str
    what: dict[str, Any]
    """JSON data, except that trial records are still records: they are converted off the owner's
    thread."""

    def line(self) -> str:
        """Return the line to send; TypeError where it is no JSON data."""
        return json.dumps({"ticket": self.ticket, **self.what}, default=record_to_json) + "\n"


@dataclass(frozen=True, kw_only=True)
class _Line:
    label: str
    text: str


class RunLog:
    """Logs a study's trials to W&B from a process of its own.

    Args:
        folder: The run folder; all of W&B's files stay inside.
        settings: Resolved settings; with mode `disabled` nothing is ever started.
        study: What all runs share.
    """

    def __init__(self, folder: Path, settings: WandbSettings, study: StudyInfo) -> None:
        self._folder = folder.resolve()
        self._settings = settings
        self._study = study
        self._queue: queue.SimpleQueue[_Request | WriterProcess | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pending: dict[int, _Line] = {}
        self._num_tickets = 0
        self._num_written = 0
        self._num_failed = 0
        self._failures: list[str] = []
        self._writer: WriterProcess | None = None
        self._num_starts = 0
        self._thread: threading.Thread | None = None

    @property
    def num_pending(self) -> int:
        """Runs handed over and not yet written."""
        return self._num_tickets - self._num_written - self._num_failed

    def trial_done(self, record: TrialRecord, job_type: str | None = None) -> None:
        """Hand over a finished trial; returns at once.

        Args:
            record: The trial; nothing is logged where `wandb.runs` leaves it out.
            job_type: W&B's job type; by default it follows from the trial's source.
        """
        job = job_type or JOB_TYPES[record.source]
        if self._wants(job):
            run_id = record_run_id(record, self._study)
            self._put(run_id, {"what": "trial", "record": record, "job_type": job})

    def summary(
        self,
        *,
        headline: str,
        benefit: Mapping[str, Any],
        trials: Sequence[TrialRecord],
        repeats: Sequence[TrialRecord] = (),
        pictures: Mapping[str, Path | str] | None = None,
        best: Path | None = None,
        benefit_file: Path | None = None,
    ) -> None:
        """Hand over the summary run, which replaces an earlier one; returns at once.

        Args:
            headline: The answer in a sentence.
            benefit: Content of `skip_benefit.json`.
            trials: All trials of the study.
            repeats: All trials of its `.repeats`.
            pictures: By name: the path of an .svg or .html file, or SVG or HTML text.
            best: The export folder, which becomes the artifact `<study>-best`.
            benefit_file: `skip_benefit.json`, which becomes `<study>-skip-benefit`.
        """
        if self._settings.mode == "disabled":
            return
        content = {
            "headline": headline,
            "benefit": benefit,
            "trials": list(trials),
            "repeats": list(repeats),
            "pictures": {name: _absolute(value) for name, value in (pictures or {}).items()},
            "best": None if best is None else _absolute(best),
            "benefit_file": None if benefit_file is None else _absolute(benefit_file),
        }
        self._put("summary", {"what": "summary", "content": content})

    def missing(self, records: Iterable[TrialRecord]) -> list[TrialRecord]:
        """Return the finished trials that should have a run but have none."""
        there = finished_ids(self._folder)
        return [
            record
            for record in records
            if record.state.is_finished
            and self._wants(JOB_TYPES[record.source])
            and record_run_id(record, self._study) not in there
        ]

    def close(self, timeout_s: float = 60.0) -> RunLogResult:
        """Wait until all is written, or the time is up, and end the writer.

        What could not be written is found by `missing` when the study is next opened.
        """
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                # What is then left is told by the thread, when the writer's pipe ends.
                self._num_starts = _MAX_STARTS
                self._failures.append(f"W&B: the writer was ended after {timeout_s:g} s.")
                if self._writer is not None:
                    self._writer.kill()
                self._thread.join(5.0)
            self._num_starts = 0
            self._thread = None
        return RunLogResult(num_written=self._num_written, failures=tuple(self._failures))

    def _wants(self, job_type: str) -> bool:
        if self._settings.mode == "disabled" or self._settings.runs == "none":
            return False
        return self._settings.runs == "all" or job_type == "finalist"

    def _put(self, label: str, what: dict[str, Any]) -> None:
        self._num_tickets += 1
        self._queue.put(_Request(ticket=self._num_tickets, label=label, what=what))
        if self._thread is None:
            self._thread = threading.Thread(target=self._pass_on, name="wandb", daemon=True)
            self._thread.start()

    def _pass_on(self) -> None:
        """Send each request as it comes; the pipe then holds it even if the owner is killed."""
        while (item := self._queue.get()) is not None:
            if isinstance(item, _Request):
                self._send(item)
            elif item is self._writer:
                item.finish()
                self._writer = None
                self._restart()
        while self._writer is not None:
            self._writer.finish()
            self._writer = None
            self._restart()

    def _send(self, request: _Request) -> None:
        try:
            text = request.line()
        except (TypeError, ValueError, AttributeError) as error:
            self._failed(request.label, _one_line(error))
            return
        with self._lock:
            self._pending[request.ticket] = _Line(label=request.label, text=text)
        if self._writer is None:
            self._restart()
        else:
            self._writer.send(text)

    def _restart(self) -> None:
        """Start a writer for what is pending; after two, what is pending is given up."""
        with self._lock:
            pending = list(self._pending.values())
        if not pending:
            return
        problem = "the writer ended twice"
        if self._num_starts < _MAX_STARTS:
            self._num_starts += 1
            try:
                self._writer = WriterProcess(self._folder, self._settings, self._study)
            except OSError as error:
                problem = _one_line(error)
            else:
                self._writer.listen(self._take, self._queue.put)
                self._writer.send("".join(line.text for line in pending))
                return
        with self._lock:
            self._pending.clear()
            self._num_failed += len(pending)
        self._failures.append(
            f"W&B: {len(pending)} runs were not written: {problem}, see logs/{WRITER_LOG}. "
            "Repeat the command to write them."
        )

    def _take(self, answer: Mapping[str, Any]) -> None:
        with self._lock:
            line = self._pending.pop(answer["ticket"])
        if answer["error"] is None:
            self._num_written += 1
        else:
            self._failed(line.label, answer["error"])
        self._failures += answer["notices"]

    def _failed(self, label: str, problem: str) -> None:
        with self._lock:
            self._num_failed += 1
        self._failures.append(f"W&B: run {label} was not written: {problem}.")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _absolute(content: Path | str) -> str:
    return str(content.resolve()) if isinstance(content, Path) else content
