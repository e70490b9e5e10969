"""Ended trials with what is asked of them all the time, counted as they come."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import overload

from nas.trials import Source, State, TrialRecord

SEARCH = (Source.RANDOMISED, Source.ADAPTIVE)
"""Sources of the search itself; the others are repeats."""
_DONE = (State.COMPLETE, State.PRUNED)


class EndedTrials(Sequence[TrialRecord]):
    """Ended trials, which only become more; their counts cost the same however many they are.

    Args:
        records: The first ones.
    """

    def __init__(self, records: Iterable[TrialRecord] = ()) -> None:
        self._records: list[TrialRecord] = []
        self._states: Counter[tuple[Source, State]] = Counter()
        self._num_built = 0
        self._best: dict[str, TrialRecord] = {}
        self.num_timed: Counter[Source] = Counter()
        """Trainings by source whose seconds are known."""
        self.seconds: Counter[Source] = Counter()
        """Their seconds by source, s."""
        self.epochs: Counter[Source] = Counter()
        """Their epochs by source."""
        self.extend(records)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> TrialRecord: ...

    @overload
    def __getitem__(self, index: slice) -> list[TrialRecord]: ...

    def __getitem__(self, index: int | slice) -> TrialRecord | list[TrialRecord]:
        """Return one, or those of a slice, in the order in which they were added."""
        return self._records[index]

    def append(self, record: TrialRecord) -> None:
        """Add a trial."""
        self._records.append(record)
        self._states[record.source, record.state] += 1
        self._num_built += record.source is Source.ADAPTIVE and record.spec_id is not None
        if record.seconds is not None:
            self.num_timed[record.source] += 1
            self.epochs[record.source] += record.epochs_done
            # A counter adds whatever numbers there are.
            self.seconds[record.source] += record.seconds  # type: ignore[assignment]
        if record.source in SEARCH and record.state is State.COMPLETE:
            self._rank(record)

    def extend(self, records: Iterable[TrialRecord]) -> None:
        """Add trials."""
        for record in records:
            self.append(record)

    @property
    def num_counted(self) -> int:
        """Complete and pruned trials of the search."""
        return self._sum(SEARCH, _DONE)

    @property
    def num_failed(self) -> int:
        """Failed trials of the search."""
        return self._sum(SEARCH, (State.FAILED,))

    @property
    def num_rows(self) -> int:
        """Rows of the design that did not fail."""
        return self._sum((Source.RANDOMISED,), _DONE)

    @property
    def num_built(self) -> int:
        """Adaptive trials that had an architecture, failed ones included."""
        return self._num_built

    @property
    def num_repeats(self) -> int:
        """Anchors, finalists and the like."""
        return len(self) - self._sum(SEARCH, tuple(State))

    def best(self, direction: str) -> TrialRecord | None:
        """Return the complete trial of the search with the best value; None before the first."""
        return self._best.get(direction)

    def _sum(self, sources: Iterable[Source], states: tuple[State, ...]) -> int:
        return sum(self._states[source, state] for source in sources for state in states)

    def _rank(self, record: TrialRecord) -> None:
        for direction, sign in (("minimize", 1), ("maximize", -1)):
            rivals = [rival for rival in (self._best.get(direction), record) if rival is not None]
            ranked = [(sign * r.value, r.number, r) for r in rivals if r.value is not None]
            if ranked:
                self._best[direction] = min(ranked, key=lambda found: found[:2])[2]
