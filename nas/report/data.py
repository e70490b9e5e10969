"""What a report is drawn from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nas.trials import Source, State, TrialRecord
from search_spaces.spec import ArchitectureSpec
from trainer.data import DataFacts


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
        name = f"skip.stage{stage}.block{block}"
        rows = [
            trial.decisions.get(name)
            for trial in self.trials
            if trial.source is Source.RANDOMISED and trial.state in (State.COMPLETE, State.FAILED)
        ]
        return rows.count(kind) if rows else None
