"""Trials that are chosen and not yet written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution

from nas.running import Running
from nas.sampling import Ask
from nas.study_store import StartedTrial, StudyStore
from nas.trials import Source, State, TrialRecord, trial_key
from search_spaces.spec import ArchitectureSpec


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A trial of a search as it will be started."""

    number: int
    """The number that it gets unless somebody enqueues meanwhile."""
    spec: ArchitectureSpec
    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    attributes: dict[str, Any]
    excess: Mapping[str, float]
    """How far it is beyond each constraint."""
    ask: Ask | None = None
    """What the sampler proposed; None for a row of the design."""

    @property
    def running(self) -> Running:
        """The trial as it counts until it is written."""
        record = TrialRecord(
            number=self.number,
            state=State.RUNNING,
            source=Source.RANDOMISED if self.ask is None else Source.ADAPTIVE,
            decisions=self.params,
            spec=self.spec,
            spec_id=self.spec.spec_id,
        )
        return Running(trial_id=-1, key=trial_key("trial", self.number), record=record)

    def start(self, store: StudyStore) -> StartedTrial:
        """Create the trial in the storage."""
        return store.start(self.params, self.distributions, self.attributes, self.excess)
