"""What the owner shows while it searches: one live display, or plain lines without a terminal."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from nas.ended import EndedTrials
from nas.trials import Source, State, TrialRecord, trial_key
from trainer.measurement import EpochMetrics

_REDRAW_SECONDS = 0.5
_ANSWERS_SECONDS = 3.0
_ANSWERS_SHARE = 0.005
"""So much of the time may go into counting answers; with thousands of rows a count takes seconds,
in which no worker gets work."""
_PLAIN_SECONDS = 15.0
_MAX_SAID = 5
"""So many failures are said one by one; all are in the report."""
_GAPS = 6
"""Characters between the four columns of a row."""

_Shown = tuple[TrialRecord, EpochMetrics | None]
"""A trial in training and its last epoch."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """How many answers of the skip map are settled."""

    settled: int
    """Decided, or precise."""
    precise: int
    """Known to within the smallest effect of interest, decided or not."""
    total: int


@dataclass(frozen=True, kw_only=True)
class DisplaySources:
    """What the display asks for when it draws."""

    num_trials: int
    """Total of complete and pruned trials."""
    num_repeats: Callable[[], int]
    """Total of anchor and finalist trainings, as far as it is known."""
    num_epochs: int
    direction: str
    answers: Callable[[Sequence[TrialRecord]], Answers | None]
    """Counts the settled answers from the trials so far."""
    seconds_left: Callable[[Sequence[TrialRecord]], float]
    """Estimates the wall time to the end."""
    metric: str = "val/log_loss"
    """What the study optimises."""
    groups: Callable[[], Sequence[Sequence[str]]] = list
    """Returns the keys of the trials that each worker trains together."""
    num_paused: Callable[[], int] = lambda: 0
    """Counts the trials that wait at a rung."""


class Display:
    """A watcher that draws progress, candidates in training, best so far, answers, time left.

    Args:
        sources: What is asked for when drawing.
        stream: Where it goes; a live display on a terminal, else a line every quarter minute.
    """

    def __init__(self, sources: DisplaySources, stream: TextIO | None = None) -> None:
        self._sources = sources
        self._stream = stream or sys.stdout
        self._training: dict[str, tuple[TrialRecord, EpochMetrics | None]] = {}
        self._ended = EndedTrials()
        self._answers: Answers | None = None
        self._counting = [0.0]
        """Seconds of the last two counts."""
        self._num_counted = 0
        self._num_said = 0
        self._start = time.monotonic()
        self._last = {"draw": 0.0, "answers": 0.0}
        self._is_gone = False
        self._live: Any = None
        if self._stream.isatty():
            # Imported here: rich is needed on terminals only.
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                console=Console(file=self._stream), auto_refresh=False, transient=True
            )

    def __enter__(self) -> "Display":
        """Begin to draw."""
        if self._live is not None:
            self._draw(self._live.start)
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop drawing and leave one last line."""
        if self._live is not None:
            self._draw(self._live.stop)
        self._print(self.line())

    @property
    def answers(self) -> Answers | None:
        """The last count of settled answers; None before the first."""
        return self._answers

    def learn(self, records: Sequence[TrialRecord]) -> None:
        """Take trials that a former owner has ended."""
        self._ended.extend(records)

    def started(self, record: TrialRecord) -> None:
        """Note a start."""
        self._training[_key(record)] = (record, None)

    def epoch(self, record: TrialRecord, metrics: EpochMetrics) -> None:
        """Note an epoch."""
        self._training[_key(record)] = (record, metrics)

    def paused(self, record: TrialRecord, epoch: int) -> None:
        """Note that a trial waits at a rung, in no worker."""
        self._training.pop(_key(record), None)

    def ended(self, record: TrialRecord) -> None:
        """Note an end; say at once why a trial failed, the first few times."""
        self._training.pop(_key(record), None)
        self._ended.append(record)
        if record.state is State.FAILED and self._num_said < _MAX_SAID:
            self._num_said += 1
            why = " ".join((record.message or "no message").split())
            self.say(f"trial {record.number} failed ({record.reason}): {why}")

    def tick(self) -> None:
        """Count the answers and draw, each where it is time to."""
        now = time.monotonic()
        has_new = len(self._ended) != self._num_counted
        if has_new and now - self._last["answers"] >= self._answers_pause:
            self._last["answers"] = now
            self._num_counted = len(self._ended)
            self._answers = self._sources.answers(self._ended)
            self._counting = [*self._counting[-1:], time.monotonic() - now]
        pause = _REDRAW_SECONDS if self._live is not None else _PLAIN_SECONDS
        if now - self._last["draw"] < pause:
            return
        self._last["draw"] = now
        if self._live is None:
            self._print(self.line())
        else:
            table = self._table()
            self._draw(lambda: self._live.update(table, refresh=True))

    @property
    def _answers_pause(self) -> float:
        """Seconds between two counts, the more the longer a count takes.

        The quicker of the last two, since the first one also imports what it needs.
        """
        return max(_ANSWERS_SECONDS, min(self._counting) / _ANSWERS_SHARE)

    def say(self, text: str) -> None:
        """Print a line that stays, above the live display where there is one."""
        if self._live is None:
            self._print(text)
        else:
            self._draw(lambda: self._live.console.print(text, markup=False, highlight=False))

    def line(self) -> str:
        """Return the state of the study in one line."""
        done = f"{self._ended.num_counted}/{self._sources.num_trials}"
        parts = [f"{_clock(time.monotonic() - self._start)}  {done} trials"]
        if paused := self._sources.num_paused():
            parts.append(f"{paused} paused")
        if failed := self._ended.num_failed:
            parts.append(f"{failed} failed")
        if repeats := self._ended.num_repeats:
            parts.append(f"{repeats}/{self._sources.num_repeats()} repeats")
        best = self._ended.best(self._sources.direction)
        if best is not None:
            layers = f", {best.layers} layers" if best.layers is not None else ""
            parts.append(f"best {_score(best)} (trial {best.number}{layers})")
        if self._answers is not None:
            parts.append(f"{self._answers.settled} of {self._answers.total} answers settled")
        left = self._sources.seconds_left(self._ended)
        parts.append(f"about {_clock(left)} left")
        return "; ".join(parts)

    def _table(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        repeats, counted = self._ended.num_repeats, self._ended.num_counted
        bars = Table.grid(padding=(0, 1))
        bars.add_row(
            "search ",
            ProgressBar(total=self._sources.num_trials, completed=counted, width=32),
            f"{counted}/{self._sources.num_trials}",
        )
        if num_repeats := self._sources.num_repeats():
            bars.add_row(
                "repeats",
                ProgressBar(total=num_repeats, completed=repeats, width=32),
                f"{repeats}/{num_repeats}",
            )
        training = Table.grid(padding=(0, 2))
        # Where the terminal is narrow, the network's name gives way.
        rows = [self._row(group) for group in self._groups()]
        taken = _GAPS + sum(max(len(row[i]) for row in rows) for i in (0, 1, 3)) if rows else 0
        room = max(self._live.console.width - taken, 8)
        for number, source, network, epoch in rows:
            name = Text(network, no_wrap=True)
            name.truncate(room, overflow="ellipsis")
            training.add_row(number, Text(source, style="dim"), name, Text(epoch, no_wrap=True))
        return Group(bars, training, Text(self.line(), style="bold", overflow="fold"))

    def _groups(self) -> list[list[_Shown]]:
        """Return what is in training by worker, each where its first trial began."""
        left = dict(self._training)
        group_of = {key: group for group in self._sources.groups() for key in group}
        found: list[list[_Shown]] = []
        for key in self._training:
            keys = [k for k in group_of.get(key, [key]) if k in left]
            if keys:
                found.append([left.pop(k) for k in keys])
        return found

    def _row(self, group: list[_Shown]) -> tuple[str, str, str, str]:
        """Return number, source, network and epoch of one worker's trials."""
        records = [record for record, _ in group]
        first = records[0]
        if len(group) == 1:
            network = first.spec.code if first.spec else first.name or ""
            return f"{first.number:>5}", first.source.value, network, self._epoch_text(group[0][1])
        numbers = sorted(record.number for record in records)
        sources = sorted({record.source.value for record in records})
        layers = sorted(record.spec.layers for record in records if record.spec)
        network = f"best of {len(group)}"
        if layers:
            depth = f"{layers[0]}" if layers[0] == layers[-1] else f"{layers[0]} to {layers[-1]}"
            network += f", {depth} layers"
        told = [metrics for _, metrics in group if metrics is not None]
        # Of those that are as far as the others, the one that does best.
        last = max((m.epoch for m in told), default=0)
        best = min((m for m in told if m.epoch == last), key=_log_loss, default=None)
        return (
            f"{numbers[0]:>5} to {numbers[-1]}",
            sources[0] if len(sources) == 1 else "mixed",
            network,
            self._epoch_text(best),
        )

    def _epoch_text(self, metrics: EpochMetrics | None) -> str:
        if metrics is None:
            return "starting"
        name = self._sources.metric.removeprefix("val/")
        # A metric of the task's stands before the two that every study has.
        own = f"{name} {metrics.more[name]:.3f}  " if name in metrics.more else ""
        return (
            f"epoch {metrics.epoch}/{self._sources.num_epochs}  {own}"
            f"log-loss {metrics.val_log_loss:.3f}  {metrics.val_accuracy:6.1%}"
        )

    def _print(self, text: str) -> None:
        def write() -> None:
            self._stream.write(text + "\n")
            self._stream.flush()

        self._draw(write)

    def _draw(self, draw: Callable[[], object]) -> None:
        """Draw, unless nobody can see it any more: a closed pipe must not end a study."""
        if self._is_gone:
            return
        try:
            draw()
        except (OSError, ValueError):
            self._is_gone = True


def _key(record: TrialRecord) -> str:
    in_search = record.source in (Source.RANDOMISED, Source.ADAPTIVE)
    return trial_key("trial" if in_search else "repeat", record.number)


def _log_loss(metrics: EpochMetrics) -> float:
    return metrics.val_log_loss


def _score(record: TrialRecord) -> str:
    accuracy = record.metrics.get("val_accuracy")
    text = f"{record.value:.4f}"
    return f"{text} at accuracy {accuracy:.1%}" if accuracy is not None else text


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
