"""The search: design rows and adaptive trials, asked one at a time until the total is reached."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nas.allowed_rows import AllowedRows
from nas.callbacks import Callback
from nas.config import StudyConfig
from nas.constraints import Limits, broken
from nas.design_queue import DesignQueue
from nas.errors import TrainingError
from nas.known_specs import KnownSpecs
from nas.messages import Work
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

MAX_REPEATED_ASKS = 20
"""How often a sampler may propose known architectures before a random new one is taken."""
MAX_REFUSED_ASKS = 50
"""How often in a row a sampler may propose what is beyond a constraint before a random allowed
network is taken."""
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
    """

    def __init__(
        self,
        config: StudyConfig,
        space: SearchSpace,
        trials: TrialsInTraining,
        callbacks: tuple[Callback, ...] = (),
        limits: Limits | None = None,
    ) -> None:
        self._config = config
        self._space = space
        self._trials = trials
        self._callbacks = callbacks
        self._study = _SearchStudy(trials.store.name, trials.store.storage, self.stop)
        self._limits = limits or Limits(config.constraints)
        self._mirror = SamplerMirror(space, config.search, config.recipe, self._limits)
        self._design = AllowedRows(DesignQueue(space, config.search), self._limits)
        self._known = KnownSpecs(space, self._limits)
        self._refused: Counter[str] = Counter()
        self._asks: dict[str, Ask] = {}
        self._last_reported: dict[str, int] = {}
        self._stopped = False
        self._failures_in_a_row = 0
        self._last_poll = -math.inf
        trials.take_over()
        for frozen in filter(is_ours, trials.store.trials()):
            self._learn(frozen)
        for running in trials.retries:
            self._ask_again(running)

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
    def has_design(self) -> bool:
        """Whether rows of the design are trained, as far as the constraints allow it."""
        return self._config.search.design_share > 0 and not self._design.is_empty

    def stop(self) -> None:
        """Start no further trial; those in training are finished."""
        self._stopped = True

    def next(self) -> Work | None:
        """Return a lost trial, an enqueued one, or a new one."""
        running = self._next_running()
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

    def _next_new(self) -> Running:
        if self._design.is_turn(self._live()):
            return self._begin_row()
        ask = self._ask_unknown()
        values = self._config.recipe.values_in(ask.params)
        more: dict[str, Any] = {"refused": dict(self._refused)} if self._refused else {}
        attributes = self._attributes(ask.spec, Source.ADAPTIVE, values, **more)
        started = self._trials.store.start(ask.params, ask.distributions, attributes, ask.excess)
        self._refused.clear()
        running = self._trials.begin(started, attributes)
        self._asks[running.key] = ask
        return running

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

    def _ask_unknown(self) -> Ask:
        """Ask the sampler until it proposes an architecture that nobody has trained or will.

        One beyond a constraint is told as such and costs no training. With a range in the recipe
        an architecture may come again, to be trained by another recipe.
        """
        ended = self._trials.ended
        num_adaptive = sum(r.source is Source.ADAPTIVE and r.spec is not None for r in ended)
        if num_adaptive + len(self._asks) < self._config.search.startup_trials:
            return self._ask_random()
        busy, may_repeat = self._busy(), self._may_repeat
        num_repeated = 0
        while num_repeated < MAX_REPEATED_ASKS:
            ask = self._ask_allowed()
            if ask is None:
                break
            if may_repeat:
                return ask
            num_repeated += 1
            spec_id = ask.spec.spec_id
            num_trials = self._known.num_trials(spec_id)
            if not num_trials and spec_id not in busy and spec_id not in self._design.planned:
                return ask
            known = self._known.value(spec_id)
            state = TrialState.FAIL if known is None else TrialState.COMPLETE
            self._mirror.tell(ask, state, known)
        return self._ask_random()

    def _ask_random(self) -> Ask:
        """Propose a random new architecture; where there is none left, what the sampler likes."""
        number = len(self._trials.store.trials())
        rng = np.random.default_rng(child_seed(self._config.search.seed, "adaptive", number))
        spec = self._known.sample(rng, self._busy(), self._design.planned)
        if spec is None:
            ask = self._ask_allowed()
            if ask is not None:
                return ask
            spec = self._known.sample_again(rng)
        if spec is None:
            raise TrainingError(
                "A network within the constraints must be found to go on, got none of many random "
                "ones. Finish with what is trained (a smaller --trials), or choose another --name "
                "with higher limits."
            )
        return self._mirror.ask(dict(self._space.decisions(spec)))

    def _ask_allowed(self) -> Ask | None:
        """Ask the sampler until it proposes what is within the constraints; None at last."""
        for _ in range(MAX_REFUSED_ASKS):
            ask = self._mirror.ask()
            name = broken(ask.excess)
            if name is None:
                return ask
            self._refused[name] += 1
            self._mirror.refuse(ask)
        return None

    @property
    def _may_repeat(self) -> bool:
        """Whether an architecture may be trained again without being the same training."""
        return self._config.search.duplicates == "reseed" or bool(self._config.recipe.ranges)

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
        self._known.add(str(record.spec_id), value)

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
