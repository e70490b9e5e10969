"""The search: design rows and adaptive trials, asked one at a time until the total is reached."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nas.allowed_rows import AllowedRows
from nas.callbacks import Callback
from nas.config import StudyConfig
from nas.constraints import Limits, OutOfTimeError, broken
from nas.design_queue import DesignQueue
from nas.errors import TrainingError
from nas.given_up import keep_given_up, read_given_up, with_rows_left_out
from nas.known_specs import KnownSpecs
from nas.messages import Work
from nas.proposals import Proposals
from nas.records import measured, start_attributes, to_record
from nas.running import Running, TrialsInTraining, is_ours
from nas.sampling import Ask, SamplerMirror, parameters_of
from nas.trials import Source, State, TrialRecord
from search_spaces.errors import SpaceError
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec
from trainer.measurement import EpochMetrics, Failure, Measurement
from trainer.progress import Verdict
from trainer.seeding import child_seed

MAX_FAILURES_IN_A_ROW = 10
"""After so many failed trials without a finished one between, the study is given up."""
POLL_SECONDS = 1.0
"""How often the storage is asked for trials that others have enqueued."""


class SearchFeed:
    """Work for the study itself.

    Args:
        config: The study's configuration.
        space: Its search space.
        trials: Its trials in training; what a former owner left is taken over here.
        callbacks: Called with (study, trial) after each ended trial.
        limits: What a network must not exceed to be trained; None: the configuration's, without
            a measured latency.
        say: Told in words when the design is given up.
    """

    def __init__(
        self,
        config: StudyConfig,
        space: SearchSpace,
        trials: TrialsInTraining,
        callbacks: tuple[Callback, ...] = (),
        limits: Limits | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._config = config
        self._space = space
        self._trials = trials
        self._callbacks = callbacks
        self._say = say
        self._study = _SearchStudy(trials.store.name, trials.store.storage, self.stop)
        self._limits = limits or Limits(config.constraints)
        self._mirror = SamplerMirror(space, config.search, config.recipe, self._limits)
        self._design = AllowedRows(DesignQueue(space, config.search), self._limits)
        self._known = KnownSpecs(space, self._limits)
        self._proposals = Proposals(
            config, space, self._mirror, self._known, self._limits, lambda: self._design.planned
        )
        self._asks: dict[str, Ask] = {}
        self._last_reported: dict[str, int] = {}
        self._stopped = False
        self._rows_given_up: int | None = None
        self._failures_in_a_row = 0
        self._last_poll = -math.inf
        trials.take_over()
        for frozen in filter(is_ours, trials.store.trials()):
            self._learn(frozen)
        for running in trials.retries:
            self._ask_again(running)
        given_up = read_given_up(trials.store.storage, trials.store.study_id)
        if given_up is not None:
            self._leave_design(given_up)

    @property
    def trials(self) -> TrialsInTraining:
        """Trials of the study: ended, in training, to be retried."""
        return self._trials

    @property
    def num_counted(self) -> int:
        """Complete and pruned trials, which `search.trials` is the total of."""
        states = (State.COMPLETE, State.PRUNED)
        return sum(record.state in states for record in self._trials.ended)

    @property
    def is_finished(self) -> bool:
        """Whether the total is reached, or the search was stopped, and nothing is in training."""
        if self._trials.in_training or self._trials.retries:
            return False
        return self._stopped or self.num_counted >= self._config.search.trials

    @property
    def ended(self) -> list[TrialRecord]:
        """Ended trials, which count all rows of the design that were left out."""
        return with_rows_left_out(self._trials.ended, self._rows_given_up)

    @property
    def has_design(self) -> bool:
        """Whether rows of the design are trained, as far as the constraints allow it.

        Where it takes long to measure that, rows are hoped for.
        """
        self._limits.start_turn()
        try:
            return self._config.search.design_share > 0 and not self._design.is_empty
        except OutOfTimeError:
            return True

    @property
    def is_design_given_up(self) -> bool:
        """Whether no further design row is looked for, since too many were beyond the limits."""
        return self._rows_given_up is not None

    @property
    def ended_early(self) -> str | None:
        """Why the search ends before its total, where it may train design rows only."""
        if not (self.is_design_given_up and self._config.search.design_share == 1):
            return None
        if self.num_counted >= self._config.search.trials:
            return None
        return (
            f"only design rows may be trained, and {self._rows_given_up} of them in a row are "
            "beyond the constraints. For adaptive trials too choose another --name with goal=both "
            "(and mode=search), for more rows one with a higher limit"
        )

    def stop(self) -> None:
        """Start no further trial; those in training are finished."""
        self._stopped = True

    def next(self) -> Work | None:
        """Return a lost trial, an enqueued one, or a new one.

        None also where more latencies have to be measured than there is time for in one turn: the
        owner looks after its workers and asks again.
        """
        self._limits.start_turn()
        try:
            running = self._next_running()
        except OutOfTimeError:
            return None
        if running is None:
            return None
        self._trials.submit(running)
        return Work(
            candidates=[running.candidate],
            recipe=self._config.recipe.resolve(running.record.recipe).model_dump(mode="json"),
            supervised=self._config.search.pruner is not None and running.key in self._asks,
        )

    def epoch(self, key: str, metrics: EpochMetrics) -> Verdict:
        """Keep the epoch; ask the pruner where there is one and the trial is adaptive."""
        running = self._trials.epoch(key, metrics)
        ask = self._asks.get(key)
        # An attempt without its checkpoint tells epochs again; Optuna takes each once.
        is_new = metrics.epoch > self._last_reported.get(key, 0)
        if self._config.search.pruner is None or ask is None or not is_new:
            return Verdict.CONTINUE
        self._last_reported[key] = metrics.epoch
        value = measured(metrics, self._config.search.metric)
        if value is None:
            return Verdict.CONTINUE
        self._trials.report(running, metrics.epoch, value)
        is_last = metrics.epoch >= self._config.recipe.epochs
        prune = self._mirror.report(ask, metrics.epoch, value)
        return Verdict.STOP if prune and not is_last else Verdict.CONTINUE

    def done(self, key: str, outcome: Measurement | Failure) -> None:
        """Persist the end, teach the sampler, call the callbacks."""
        trial_id = self._trials.in_training[key].trial_id
        self._after(key, trial_id, self._trials.done(key, outcome))

    def lost(self, key: str, message: str) -> None:
        """Try again from the checkpoint, or fail for good."""
        trial_id = self._trials.in_training[key].trial_id
        record = self._trials.lost(key, message)
        if record is not None:
            self._after(key, trial_id, record)

    def _after(self, key: str, trial_id: int, record: TrialRecord) -> None:
        ask = self._asks.pop(key, None)
        self._last_reported.pop(key, None)
        frozen = self._trials.store.storage.get_trial(trial_id)
        if ask is not None:
            self._mirror.tell(ask, frozen.state, record.value)
        else:
            self._mirror.absorb(frozen)
        self._remember(record)
        for callback in self._callbacks:
            callback(self._study, frozen)
        self._count_failures(record)

    def _count_failures(self, record: TrialRecord) -> None:
        if record.state is not State.FAILED:
            self._failures_in_a_row = 0
            return
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
            raise TrainingError(
                f"At least one of {MAX_FAILURES_IN_A_ROW} trials in a row must train, got only "
                f"failures, the last one trial {record.number} ({record.reason}): "
                f"{(record.message or '').rstrip('.')}. If they diverged, choose another --name "
                "with a lower recipe.lr; else mend the cause and repeat the command."
            )

    def _next_running(self) -> Running | None:
        if self._trials.retries:
            return self._trials.retries.pop(0)
        if self._stopped:
            return None
        in_training = len(self._trials.in_training)
        if self.num_counted + in_training >= self._config.search.trials:
            return None
        return self._next_enqueued() or self._next_new()

    def _next_enqueued(self) -> Running | None:
        if time.monotonic() - self._last_poll < POLL_SECONDS:
            return None
        self._last_poll = time.monotonic()
        for waiting in self._trials.store.trials(TrialState.WAITING):
            running = self._take_up(waiting)
            if running is not None:
                # There may be more of them: look again when the next worker is idle.
                self._last_poll = -math.inf
                return running
        return None

    def _take_up(self, waiting: FrozenTrial) -> Running | None:
        """Start a trial that somebody enqueued; one outside the space fails with its reason."""
        fixed = {**waiting.system_attrs.get("fixed_params", {}), **waiting.params}
        try:
            ask = self._mirror.ask(fixed)
        except SpaceError as error:
            self._trials.refuse(waiting, str(error))
            return None
        if broken(ask.excess):
            self._mirror.refuse(ask)
            self._trials.refuse(waiting, f"{self._limits.explain(ask.spec)}.")
            return None
        attributes = self._attributes(
            ask.spec, Source.ADAPTIVE, self._config.recipe.values_in(ask.params), waiting.number
        )
        new = {name: value for name, value in ask.params.items() if name not in waiting.params}
        started = self._trials.claim(waiting, new, ask.distributions, attributes, ask.excess)
        if started is None:
            self._mirror.tell(ask, TrialState.FAIL)
            return None
        running = self._trials.begin(started, attributes)
        self._asks[running.key] = ask
        return running

    def _next_new(self) -> Running | None:
        if self._design.is_turn(self._live()):
            return self._begin_row()
        if self._design.is_given_up and not self.is_design_given_up:
            self._give_up_design()
        if self._stopped:
            return None
        ask = self._ask()
        values = self._config.recipe.values_in(ask.params)
        refused = self._proposals.refused
        more: dict[str, Any] = {"refused": dict(refused)} if refused else {}
        attributes = self._attributes(ask.spec, Source.ADAPTIVE, values, **more)
        started = self._trials.store.start(ask.params, ask.distributions, attributes, ask.excess)
        refused.clear()
        running = self._trials.begin(started, attributes)
        self._asks[running.key] = ask
        return running

    def _give_up_design(self) -> None:
        """Keep that no further row is looked for, and say it."""
        number = self._design.num_left_out
        keep_given_up(self._trials.store.storage, self._trials.store.study_id, number)
        self._leave_design(number)
        then = "the search ends with what is trained" if self._stopped else "the rest is adaptive"
        rows = sum(record.source is Source.RANDOMISED for record in self._live())
        self._say(
            f"The design is given up after {rows} of its rows: the next {number} are beyond the "
            f"constraints; {then}."
        )

    def _leave_design(self, rows_left_out: int) -> None:
        self._rows_given_up = rows_left_out
        self._design.give_up()
        if self._config.search.design_share == 1:
            self.stop()

    def _begin_row(self) -> Running:
        spec, row, left_out = self._design.next()
        more = {"rows_left_out": left_out} if left_out else {}
        params, distributions = parameters_of(self._space, spec)
        attributes = self._attributes(spec, Source.RANDOMISED, {}, design_row=row, **more)
        excess = self._limits.excess(spec)
        started = self._trials.store.start(params, distributions, attributes, excess)
        return self._trials.begin(started, attributes)

    def _live(self) -> list[TrialRecord]:
        """Trials that count, or will if they do not fail."""
        ended = [record for record in self._trials.ended if record.state is not State.FAILED]
        return ended + [running.record for running in self._trials.in_training.values()]

    def _ask(self) -> Ask:
        """Ask for a new architecture; the first ones are random."""
        ended, number = self._trials.ended, len(self._trials.store.trials())
        num_adaptive = sum(r.source is Source.ADAPTIVE and r.spec is not None for r in ended)
        if num_adaptive + len(self._asks) < self._config.search.startup_trials:
            return self._proposals.at_random(number, self._busy())
        return self._proposals.new(number, self._busy())

    def _busy(self) -> set[str]:
        return {running.spec.spec_id for running in self._trials.in_training.values()}

    def _attributes(
        self,
        spec: ArchitectureSpec,
        source: Source,
        values: Mapping[str, float],
        number: int | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Return what a new trial carries; the W&B id comes last, see `is_ours`."""
        in_training = self._trials.in_training.values()
        replicate = self._known.num_trials(spec.spec_id)
        replicate += sum(running.spec.spec_id == spec.spec_id for running in in_training)
        seed = child_seed(self._config.search.seed, f"trial {spec.spec_id}", replicate)
        known = number is not None
        wandb_id = self._trials.wandb_id(number) if known else self._trials.next_wandb_id()
        recipe = self._config.recipe.resolve(values)
        more |= {"weight_decay": recipe.weight_decay, "wandb_id": wandb_id}
        return start_attributes(spec, source, seed, recipe.lr, **more)

    def _remember(self, record: TrialRecord) -> None:
        """Know the architecture from now on; only a complete trial has a value to tell."""
        value = record.value if record.state is State.COMPLETE else None
        self._known.add(str(record.spec_id), value, record.spec)

    def _learn(self, frozen: FrozenTrial) -> None:
        """Take up what a former owner's trial says about the design, the sampler and duplicates."""
        self._design.learn(frozen.user_attrs.get("design_row"))
        if frozen.state.is_finished():
            self._mirror.absorb(frozen)
            self._remember(to_record(frozen))

    def _ask_again(self, running: Running) -> None:
        """Show sampler and pruner an adaptive trial that a former owner began."""
        if running.record.source is not Source.ADAPTIVE:
            return
        frozen = self._trials.store.storage.get_trial(running.trial_id)
        ask = self._mirror.ask(frozen.params)
        for epoch, value in sorted(frozen.intermediate_values.items()):
            self._mirror.report(ask, epoch, value)
            self._last_reported[running.key] = epoch
        self._asks[running.key] = ask


class _SearchStudy(optuna.Study):
    """The study as callbacks see it: `stop` ends the search, as it ends `study.optimize`."""

    def __init__(self, name: str, storage: BaseStorage, stop: Callable[[], None]) -> None:
        super().__init__(name, storage)
        self._stop_search = stop

    def stop(self) -> None:
        """Start no further trial."""
        self._stop_search()
