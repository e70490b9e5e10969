"""What a report is drawn from."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nas.spans import all_spans_of
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import ArchitectureSpec
from trainer.data import DataFacts

_READ = 50
"""Trials whose spec is read to see whether the space has long skips."""


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """One thing to do that would settle more."""

    command: str = ""
    """As it is typed, such as `nas search --name digits --trials 280`."""
    words: str = ""
    """The whole step in words, where no command does it."""
    settles: str = ""
    """What it is good for, in a few words, such as `the other 4 blocks`."""
    trials: int | None = None
    """Further trials that it trains."""
    minutes: float | None = None
    """Estimated wall time."""


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that a report shows; whatever is missing is left out of the page.

    A report can be drawn from `ReportData(study="name")` alone.
    """

    study: str
    benefit: Mapping[str, Any] = field(default_factory=dict)
    """Content of `skip_benefit.json`."""
    trials: Sequence[TrialRecord] = ()
    """Search trials."""
    repeats: Sequence[TrialRecord] = ()
    """Anchors and finalists."""
    facts: DataFacts | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    reference_spec: ArchitectureSpec | None = None
    """The plain network of the depth at which effects were measured."""
    seconds: float | None = None
    """Wall time of the study."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions and machine, by name."""
    next_steps: Sequence[NextStep] = ()
    """What would settle the rest, most useful first."""
    run: str | None = None
    """The run as commands take it, such as `runs/digits`; None where none is known."""
    claims_page: str | None = None
    """Path of the page of claims, from the report's folder."""
    rows_to_add: Mapping[str, Any] | None = None
    """Rows that would let the data answer: `num_rows`, `path` from the report's folder, and what
    they are good for in words, `settles`."""

    def reference(self) -> ArchitectureSpec | None:
        """Return the network of the skip map, without skips.

        Without a reference it is the deepest network of a trial.
        """
        spec = self.reference_spec
        if spec is None:
            known = [trial.spec for trial in self.trials if trial.spec is not None]
            spec = max(known, key=lambda one: one.num_blocks, default=None)
        if spec is None:
            return None
        return spec.with_skips([])

    def spec_of(self, number: int | None) -> ArchitectureSpec | None:
        """Return the architecture of a search trial, where it is known."""
        return next((t.spec for t in self.trials if t.number == number), None)

    def ranked(self, *, lower_is_better: bool) -> list[TrialRecord]:
        """Return the complete search trials that have a value, best first."""
        if lower_is_better not in self._ranked:
            self._ranked[lower_is_better] = self._rank(lower_is_better=lower_is_better)
        return self._ranked[lower_is_better]

    @cached_property
    def _ranked(self) -> dict[bool, list[TrialRecord]]:
        """What `ranked` returned, by its argument."""
        return {}

    def _rank(self, *, lower_is_better: bool) -> list[TrialRecord]:
        scored = [
            (trial.value if lower_is_better else -trial.value, trial.number, trial)
            for trial in self.trials
            if trial.state is State.COMPLETE
            and trial.value is not None
            and math.isfinite(trial.value)
        ]
        return [trial for _, _, trial in sorted(scored, key=lambda entry: entry[:2])]

    def counts(self) -> dict[Source, int]:
        """Count complete and pruned search trials by source."""
        counts: dict[Source, int] = {}
        for trial in self.trials:
            if trial.state in (State.COMPLETE, State.PRUNED):
                counts[trial.source] = counts.get(trial.source, 0) + 1
        return counts

    def arm(self, stage: int, block: int, kind: str) -> int | None:
        """Count the randomised trials with this kind at this block; None without trials."""
        arms = self._arms
        return None if arms is None else arms[f"skip.stage{stage}.block{block}", kind]

    @cached_property
    def has_long_skips(self) -> bool:
        """Whether a skip of any trial bypasses more than one block."""
        # To read the specs of ten thousand trials takes longer than all else, so that of most
        # only the names of their decisions are looked at.
        first, rest = self.trials[:_READ], self.trials[_READ:]
        read = (*first, *(trial for trial in rest if _may_be_long(trial)))
        every = (spans for trial in read for spans in all_spans_of(trial).values())
        return any(span > 1 for spans in every for span in spans)

    @cached_property
    def _arms(self) -> Counter[tuple[str, str]] | None:
        """Count every decision of the randomised trials; None without trials."""
        rows = [
            trial.decisions
            for trial in self.trials
            if trial.source is Source.RANDOMISED and trial.state in (State.COMPLETE, State.FAILED)
        ]
        found = Counter((name, str(value)) for row in rows for name, value in row.items())
        return found if rows else None


def _may_be_long(trial: TrialRecord) -> bool:
    """Say whether the decisions name spans, or say nothing of skips."""
    names = trial.decisions
    return any(name.startswith("span") for name in names) or not any(
        name.startswith("skip.") for name in names
    )
