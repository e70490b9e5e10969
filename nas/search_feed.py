"""The search: design rows and adaptive trials, asked one at a time until the total is reached."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from nas.config import StudyConfig
from nas.design import design_rows
from nas.errors import TrainingError
from nas.messages import Work
from nas.records import METRICS, start_attributes
from nas.running import Running, TrialsInTraining
from nas.sampling import Ask, SamplerMirror, parameters_of
from nas.space_kinds import kinds_of
from nas.trials import Source, State, TrialRecord
from search_spaces.errors import SpaceError
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec, Kind, Place
from trainer.measurement import EpochMetrics, Failure, Measurement
from trainer.progress import Verdict
from trainer.seeding import child_seed

RUN_LENGTH = 8
"""Design rows and adaptive trials alternate in runs of this many, so that rows of equal shape
come together."""
MAX_REPEATED_ASKS = 20
"""How often a sampler may propose known architectures before a random new one is taken."""
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
    """

    def __init__(
        self,
        config: StudyConfig,
        space: SearchSpace,
        trials: TrialsInTraining,
        callbacks: tuple[Callable[[optuna.Study, FrozenTrial], None], ...] = (),
    ) -> None:
        self._config = config
        self._space = space
        self._trials = trials
        self._callbacks = callbacks
        self._mirror = SamplerMirror(space, config.search)
        self._asks: dict[str, Ask] = {}
        self._known: dict[str, list[float | None]] = {}
        self._stopped = False
        self._failures_in_a_row = 0
        self._last_poll = -math.inf
        self._design = self._design_rows()
        self._num_design_rows = 0
        trials.take_over()
        for frozen in trials.store.trials():
            self._learn(frozen)

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
            recipe=self._config.recipe.model_dump(mode="json"),
            supervised=self._config.search.pruner is not None and running.key in self._asks,
        )

    def epoch(self, key: str, metrics: EpochMetrics) -> Verdict:
        """Keep the epoch; ask the pruner where there is one and the trial is adaptive."""
        running = self._trials.epoch(key, metrics)
        ask = self._asks.get(key)
        if self._config.search.pruner is None or ask is None:
            return Verdict.CONTINUE
        value = getattr(metrics, METRICS[self._config.search.metric])
        self._trials.store.report(running.trial_id, metrics.epoch, value)
        is_last = metrics.epoch >= self._config.recipe.epochs
        prune = self._mirror.report(ask, metrics.epoch, value)
        return Verdict.STOP if prune and not is_last else Verdict.CONTINUE

    def done(self, key: str, outcome: Measurement | Failure) -> None:
        """Persist the end, teach the sampler, call the callbacks."""
        self._after(key, self._trials.done(key, outcome))

    def lost(self, key: str, message: str) -> None:
        """Try again from the checkpoint, or fail for good."""
        record = self._trials.lost(key, message)
        if record is not None:
            self._after(key, record)

    def _after(self, key: str, record: TrialRecord) -> None:
        ask = self._asks.pop(key, None)
        frozen = self._trials.store.trials()[record.number]
        if ask is not None:
            self._mirror.tell(ask, frozen.state, record.value)
        else:
            self._mirror.absorb(frozen)
        self._known.setdefault(str(record.spec_id), []).append(record.value)
        self._count_failures(record)
        for callback in self._callbacks:
            callback(_StoppableStudy(self._trials.store.study(), self.stop), frozen)

    def _count_failures(self, record: TrialRecord) -> None:
        if record.state is not State.FAILED:
            self._failures_in_a_row = 0
            return
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
            raise TrainingError(
                f"At least one of {MAX_FAILURES_IN_A_ROW} trials in a row must train, got only "
                f"failures, the last one trial {record.number} ({record.reason}): "
                f"{record.message}. Mend the cause (a lower recipe.lr, if they diverged) and "
                "repeat the command, or choose another --name."
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
        fixed = waiting.params or waiting.system_attrs.get("fixed_params", {})
        store = self._trials.store
        try:
            ask = self._mirror.ask(fixed)
        except SpaceError as error:
            started = store.claim(waiting, {}, {}, {})
            if started is not None:
                failed = {"reason": "error", "message": str(error)}
                store.finish(started.trial_id, TrialState.FAIL, None, failed)
            return None
        attributes = self._attributes(ask.spec, Source.ADAPTIVE, enqueued=True)
        new = {name: value for name, value in ask.params.items() if name not in waiting.params}
        started = store.claim(waiting, new, ask.distributions, attributes)
        if started is None:
            self._mirror.tell(ask, TrialState.FAIL)
            return None
        running = self._trials.begin(started, attributes)
        self._asks[running.key] = ask
        return running

    def _next_new(self) -> Running | None:
        if self._is_design_turn():
            spec, row = next(self._design)
            return self._start_row(spec, row)
        ask = self._ask_unknown()
        attributes = self._attributes(ask.spec, Source.ADAPTIVE)
        started = self._trials.store.start(ask.params, ask.distributions, attributes)
        running = self._trials.begin(started, attributes)
        self._asks[running.key] = ask
        return running

    def _start_row(self, spec: ArchitectureSpec, row: int) -> Running:
        params, distributions = parameters_of(self._space, spec)
        attributes = self._attributes(spec, Source.RANDOMISED, design_row=row)
        self._num_design_rows = row + 1
        return self._trials.begin(
            self._trials.store.start(params, distributions, attributes), attributes
        )

    def _is_design_turn(self) -> bool:
        search = self._config.search
        wanted = round(search.design_share * search.trials)
        live = [record for record in self._trials.ended if record.state is not State.FAILED]
        live += [running.record for running in self._trials.in_training.values()]
        num_design = sum(record.source is Source.RANDOMISED for record in live)
        if num_design >= wanted:
            return False
        if len(live) - num_design >= search.trials - wanted:
            return True
        run = len(live) // RUN_LENGTH
        return math.ceil((run + 1) * search.design_share) > math.ceil(run * search.design_share)

    def _design_rows(self) -> Iterator[tuple[ArchitectureSpec, int]]:
        """Yield design rows at the deepest networks, those already used left out."""
        plain = self._space.uniform(self._space.deepest, Kind.NONE)
        kinds = list(kinds_of(self._space))
        rows = design_rows(list(plain.places()), kinds, self._config.search.seed)
        for number, row in enumerate(rows):
            if number >= self._num_design_rows:
                yield plain.with_kinds(row), number

    def _ask_unknown(self) -> Ask:
        """Ask the sampler until it proposes an architecture that is not known yet."""
        num_adaptive = sum(r.source is Source.ADAPTIVE for r in self._trials.ended)
        num_adaptive += len(self._asks)
        rng = np.random.default_rng(
            child_seed(self._config.search.seed, "adaptive", len(self._trials.store.trials()))
        )
        if num_adaptive < self._config.search.startup_trials:
            return self._mirror.ask(dict(self._space.decisions(self._sample_unknown(rng))))
        for _ in range(MAX_REPEATED_ASKS):
            ask = self._mirror.ask()
            values = self._known.get(ask.spec.spec_id)
            in_training = any(
                running.spec.spec_id == ask.spec.spec_id
                for running in self._trials.in_training.values()
            )
            if self._config.search.duplicates == "reseed" or (values is None and not in_training):
                return ask
            known = [value for value in values or () if value is not None]
            if known:
                self._mirror.tell(ask, TrialState.COMPLETE, known[0])
            else:
                self._mirror.tell(ask, TrialState.FAIL)
        return self._mirror.ask(dict(self._space.decisions(self._sample_unknown(rng))))

    def _sample_unknown(self, rng: np.random.Generator) -> ArchitectureSpec:
        """Draw an architecture that was not trained yet, where the space still has one."""
        taken = set(self._known) | {r.spec.spec_id for r in self._trials.in_training.values()}
        spec = self._space.sample(rng)
        for _ in range(1000):
            if spec.spec_id not in taken:
                return spec
            spec = self._space.sample(rng)
        return spec

    def _attributes(self, spec: ArchitectureSpec, source: Source, **more: Any) -> dict[str, Any]:
        replicate = len(self._known.get(spec.spec_id, ())) + sum(
            running.spec.spec_id == spec.spec_id for running in self._trials.in_training.values()
        )
        seed = child_seed(self._config.search.seed, f"trial {spec.spec_id}", replicate)
        wandb_id = self._trials.next_wandb_id()
        return start_attributes(
            spec, source, seed, self._config.recipe.lr, wandb_id=wandb_id, **more
        )

    def _learn(self, frozen: FrozenTrial) -> None:
        """Take up what a former owner's trial says about the design, the sampler and duplicates."""
        row = frozen.user_attrs.get("design_row")
        if row is not None:
            self._num_design_rows = max(self._num_design_rows, row + 1)
        if frozen.state.is_finished():
            self._mirror.absorb(frozen)
            self._known.setdefault(str(frozen.user_attrs.get("spec_id")), []).append(frozen.value)


class _StoppableStudy(optuna.Study):
    """The study as callbacks see it; `stop` ends the search as it ends `study.optimize`."""

    def __init__(self, study: optuna.Study, stop: Callable[[], None]) -> None:
        self.__dict__.update(study.__dict__)
        self._stop_search = stop

    def stop(self) -> None:
        """Start no further trial."""
        self._stop_search()
