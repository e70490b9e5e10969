"""A study as it is kept in Optuna's storage, with few writes: one to start a trial, two to end it."""

import contextlib
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.config_file import shown
from nas.errors import ResumeError
from nas.journal import BatchedJournalStorage
from nas.own_files import check_own_files

FORMAT = 1
"""Version of what we store in a study; another one is refused."""


@dataclass(frozen=True, kw_only=True)
class StartedTrial:
    """A trial that was created, or claimed, and now runs."""

    trial_id: int
    number: int


class StudyStore:
    """One study of a storage; the owner is its only writer, others may enqueue.

    Args:
        storage: Any Optuna storage.
        name: The study's name.
        direction: `minimize` or `maximize`.
        facts: What the study is (unique id, settings, versions), as JSON data; kept at creation,
            and all but the id compared when the study exists.

    Raises:
        ResumeError: The study exists with other facts, or of another version.
    """

    def __init__(
        self, storage: BaseStorage, name: str, direction: str, facts: dict[str, Any]
    ) -> None:
        self.storage = storage
        self.name = name
        self._last_number: int | None = None
        wanted = StudyDirection.MINIMIZE if direction == "minimize" else StudyDirection.MAXIMIZE
        try:
            self.study_id = storage.get_study_id_from_name(name)
        except KeyError:
            self.study_id = storage.create_new_study([wanted], name)
            storage.set_study_user_attr(self.study_id, "nas", {"format": FORMAT, **facts})
        stored = storage.get_study_user_attrs(self.study_id).get("nas")
        if stored is None and not storage.get_all_trials(self.study_id, deepcopy=False):
            # Made by a plain create_study, or by an owner killed between the two writes.
            stored = {"format": FORMAT, **facts}
            storage.set_study_user_attr(self.study_id, "nas", stored)
        self.facts = _check_facts(name, stored, facts)
        if storage.get_study_directions(self.study_id) != [wanted]:
            raise ResumeError(
                f"Study {name!r} has another direction than direction={direction!r}. Choose "
                "another --name."
            )

    @property
    def uid(self) -> str:
        """Random id of the study, part of its W&B run ids."""
        return str(self.facts["uid"])

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return trials in order of number, all or those in `states`."""
        return self.storage.get_all_trials(self.study_id, deepcopy=False, states=states or None)

    def trial(self, number: int) -> FrozenTrial:
        """Return the trial of a number."""
        find = self.storage.get_trial_id_from_study_id_trial_number
        return self.storage.get_trial(find(self.study_id, number))

    @cached_property
    def _first_number(self) -> int:
        """Number of trials when the study was opened."""
        return len(self.trials())

    @property
    def next_number(self) -> int:
        """Number of the trial that is started next, unless somebody enqueues meanwhile."""
        return self._first_number if self._last_number is None else self._last_number + 1

    def batch(self) -> contextlib.AbstractContextManager[None]:
        """Let all writes of a `with` reach the disk together, at its end.

        Reading within it already tells of them, but nothing may be told to anybody before it
        ends. Databases have no need of it: there every write is as before. For one thread.
        """
        if isinstance(self.storage, BatchedJournalStorage):
            return self.storage.batch()
        return contextlib.nullcontext()

    def start(
        self,
        params: dict[str, Any],
        distributions: dict[str, BaseDistribution],
        attributes: dict[str, Any],
        constraints: Mapping[str, float] | None = None,
    ) -> StartedTrial:
        """Create a RUNNING trial with all its parameters and attributes, in one write.

        Constraints are kept as Optuna keeps them, so that its own tools know what was allowed.
        """
        template = optuna.trial.FrozenTrial(
            number=-1,
            trial_id=-1,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=datetime.datetime.now(),  # noqa: DTZ005 - Optuna's own are naive
            datetime_complete=None,
            params=params,
            distributions=distributions,
            user_attrs=attributes,
            system_attrs=_constraint_attributes(constraints or {}),
            intermediate_values={},
        )
        trial_id = self.storage.create_new_trial(self.study_id, template)
        self._last_number = self.storage.get_trial_number_from_id(trial_id)
        return StartedTrial(trial_id=trial_id, number=self._last_number)

    def claim(
        self,
        waiting: FrozenTrial,
        params: dict[str, Any],
        distributions: dict[str, BaseDistribution],
        attributes: dict[str, Any],
        constraints: Mapping[str, float] | None = None,
    ) -> StartedTrial | None:
        """Take up a trial that somebody enqueued; None where another process was quicker."""
        trial_id = waiting._trial_id  # Optuna has no public name for it
        try:
            if not self.storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                return None
        except UpdateFinishedTrialError:
            return None
        self._last_number = max(self.next_number - 1, waiting.number)
        for name, value in params.items():
            internal = distributions[name].to_internal_repr(value)
            self.storage.set_trial_param(trial_id, name, internal, distributions[name])
        for key, value in _constraint_attributes(constraints or {}).items():
            self.storage.set_trial_system_attr(trial_id, key, value)
        self.annotate(trial_id, attributes)
        return StartedTrial(trial_id=trial_id, number=waiting.number)

    def annotate(self, trial_id: int, attributes: dict[str, Any]) -> None:
        """Set user attributes, one write each."""
        for key, value in attributes.items():
            self.storage.set_trial_user_attr(trial_id, key, value)

    def report(self, trial_id: int, step: int, value: float) -> None:
        """Keep an intermediate value."""
        self.storage.set_trial_intermediate_value(trial_id, step, value)

    def finish(
        self,
        trial_id: int,
        state: TrialState,
        values: Sequence[float] | None,
        result: dict[str, Any],
    ) -> None:
        """End a trial: its result as one JSON attribute, then its state."""
        with self.batch():
            self.storage.set_trial_user_attr(trial_id, "result", result)
            self.storage.set_trial_state_values(trial_id, state, values)


def _constraint_attributes(constraints: Mapping[str, float]) -> dict[str, Any]:
    """Return the system attributes in which Optuna keeps constraint values."""
    template = optuna.trial.create_trial(state=TrialState.RUNNING, constraints=dict(constraints))
    return template.system_attrs


def _check_facts(
    name: str, stored: dict[str, Any] | None, facts: dict[str, Any]
) -> dict[str, Any]:
    if stored is None:
        raise ResumeError(
            f"Study {name!r} of this storage was not made by this toolkit. Choose another --name, "
            "or read it with nas report."
        )
    if stored.get("format") != FORMAT:
        raise ResumeError(
            f"Study {name!r} must have format {FORMAT}, got format={stored.get('format')!r}. It "
            "was made by another version of the toolkit; choose another --name."
        )
    for key, value in facts.items():
        if key not in ("uid", "own_files") and stored.get(key) != value:
            where, old, new = _first_difference(key, stored.get(key), value)
            raise ResumeError(
                f"Study {name!r} of this storage has {where}={shown(old)}, got {where}="
                f"{shown(new)}. Choose another --name, or go on with what it was started with."
            )
    check_own_files(name, stored.get("own_files", {}), facts.get("own_files", {}))
    return stored


def _first_difference(key: str, old: Any, new: Any) -> tuple[str, Any, Any]:
    """Say where two values differ, as deep as both are mappings; the first key by name."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return key, old, new
    keys = old.keys() | new.keys()
    inner = min(k for k in keys if k not in old or k not in new or old[k] != new[k])
    return _first_difference(f"{key}.{inner}", old.get(inner), new.get(inner))
