"""The search: design rows and adaptive trials, in groups, until the total is reached."""

import contextlib
import math
import time
from collections import ChainMap, Counter
from collections.abc import Callable, Container, Hashable, Mapping, Sequence
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nas.allowed_rows import AllowedRows
from nas.callbacks import Callback
from nas.config import StudyConfig
from nas.constraints import Limits, OutOfTimeError, broken
from nas.design_file import DesignFile
from nas.design_queue import DesignQueue
from nas.drafts import Draft
from nas.errors import TrainingError
from nas.given_up import keep_given_up, read_given_up, with_rows_left_out
from nas.groups import take_group
from nas.known_specs import KnownSpecs
from nas.messages import Work
from nas.promotions import Promotions
from nas.proposals import Proposals
from nas.records import measured, start_attributes
from nas.running import Running, TrialsInTraining, is_ours
from nas.sampling import Ask, SamplerMirror, parameters_of
from nas.trials import Source, State, TrialRecord
from search_spaces.errors import SpaceError
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec
from trainer.measurement import EpochMetrics, Failure, Measurement
from trainer.population.fusing import fuse_key
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
        design: Where the rows of the design are kept for the next owner; nowhere by default.
    """

    def __init__(
        self,
        config: StudyConfig,
        space: SearchSpace,
        trials: TrialsInTraining,
        callbacks: tuple[Callback, ...] = (),
        limits: Limits | None = None,
        say: Callable[[str], None] = lambda text: None,
        design: DesignFile | None = None,
    ) -> None:
        self._config = config
        self._space = space
        self._trials = trials
        self._callbacks = callbacks
        self._say = say
        self._study = _SearchStudy(trials.store.name, trials.store.storage, self.stop)
        self._limits = limits or Limits(config.constraints)
        self._mirror = SamplerMirror(space, config.search, config.recipe, self._limits)
        queue = DesignQueue(space, config.search, design, config.design)
        self._design = AllowedRows(queue, self._limits)
        self._known = KnownSpecs(space, self._limits)
        self._proposals = Proposals(
            config, space, self._mirror, self._known, self._limits, lambda: self._design.planned
        )
        self._promotions = Promotions(config, trials, self._mirror)
        self._asks: dict[str, Ask] = {}
        self._drafts: list[Draft] = []
        """Chosen trials that are not written yet; they count as begun."""
        self._last_reported: dict[str, int] = {}
        self._stopped = False
        self._rows_given_up: int | None = None
        self._failures_in_a_row = 0
        self._last_poll = -math.inf
        trials.take_over()
        for frozen in filter(is_ours, trials.store.trials()):
            self._learn(frozen)
        for record in trials.ended:
            if record.spec_id is not None:
                self._known.learn(record, tells_value=self._is_comparable(record.lr))
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
        return self._trials.ended.num_counted

    @property
    def is_finished(self) -> bool:
        """Whether the total is reached, or the search was stopped, and nothing is in training."""
        if self._trials.in_training or self._trials.retries or self._trials.paused:
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

    @property
    def num_ready(self) -> int:
        """Trials that no worker has yet, those that are still to be begun included."""
        waiting = len(self._trials.retries)
        if self._stopped:
            return waiting
        return waiting + self._promotions.num_deserving + self._num_to_begin

    @property
    def _num_to_begin(self) -> int:
        trials = self._trials
        begun = len(self._active) + len(trials.paused)
        return max(self._config.search.trials - self.num_counted - begun, 0)

    @property
    def _active(self) -> list[Running]:
        """Trials that workers have or that wait for one, those not written yet last."""
        return [*self._trials.active, *(draft.running for draft in self._drafts)]

    @property
    def _next_number(self) -> int:
        return self._trials.store.next_number + len(self._drafts)

    def next(self, most: int = 1) -> Work | None:
        """Return lost trials, promoted, enqueued or new ones, which can be trained together.

        None, or fewer, also where more latencies have to be measured than there is time for in one
        turn: the owner looks after its workers and asks again.
        """
        self._limits.start_turn()
        if not (self._stopped or self._trials.retries):
            for record in self._promotions.promote(most):
                self._after(record)
        with contextlib.suppress(OutOfTimeError):
            self._begin(most)
        group = take_group(list(self._trials.retries), most, self._group_key)
        if not group:
            self._end_paused()
            return None
        self._trials.submit(group)
        own = self._config.own_recipe_fields
        has_pruner = self._config.search.pruner is not None
        return Work(
            candidates=[running.candidate(own) for running in group],
            recipe=self._config.recipe.reference().model_dump(mode="json"),
            supervised=[r.key for r in group if has_pruner and r.key in self._asks],
            pause_after=self._promotions.pause_after(group[0]),
        )

    def _end_paused(self) -> None:
        """End what is paused, once nothing is left that could let it go on."""
        if self._trials.in_training or not (self._stopped or self._num_to_begin == 0):
            return
        for record in self._promotions.end_all():
            self._after(record)

    def _group_key(self, running: Running) -> Hashable | None:
        """Return what candidates that are trained together have in common; None: alone."""
        key = None if self._trials.is_last_attempt(running) else fuse_key(running.spec)
        return None if key is None else (key, self._promotions.stage(running))

    def _wants_more(self, most: int) -> bool:
        """Whether one more trial is to be begun before a worker gets its group.

        In a space of several width plans those that do not fit wait for the next worker, up to as
        many as a group has.
        """
        if self._stopped or not self._num_to_begin:
            return False
        waiting = [*self._trials.retries, *(draft.running for draft in self._drafts)]
        if not waiting:
            return True
        if waiting[0].num_kept:
            # A new one cannot be together with one that goes on from a rung.
            return False
        key = self._group_key(waiting[0])
        num_fitting = sum(self._group_key(running) == key for running in waiting)
        is_wanted = key is not None and num_fitting < most
        return is_wanted and len(waiting) - num_fitting < most

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

    def done(self, outcomes: Sequence[Measurement | Failure]) -> None:
        """Persist pauses and ends, teach the sampler, call the callbacks."""
        paused = {o.key: o for o in outcomes if self._promotions.pauses(o)}
        ended = self._promotions.pause([o for o in paused.values() if isinstance(o, Measurement)])
        for key in paused.keys() & self._trials.paused.keys():
            self._tell_paused(self._trials.paused[key])
        others = [outcome for outcome in outcomes if outcome.key not in paused]
        for record in [*ended, *self._trials.done(others)]:
            self._after(record)

    def _tell_paused(self, running: Running) -> None:
        """Tell the sampler what a trial has come to when it first pauses."""
        ask = self._asks.pop(running.key, None)
        value = measured(running.history[-1], self._config.search.metric)
        if ask is not None and value is not None:
            self._mirror.report(ask, len(running.history), value)
            self._mirror.tell(ask, TrialState.PRUNED)
            self._promotions.tell(running.key)

    def lost(self, keys: Sequence[str], message: str) -> None:
        """Try again from the checkpoints, or fail for good."""
        for record in self._trials.lost(keys, message):
            self._after(record)

    def _after(self, record: TrialRecord) -> None:
        key = self._trials.key_of(record)
        ask = self._asks.pop(key, None)
        self._last_reported.pop(key, None)
        frozen = self._trials.store.trial(record.number)
        if ask is not None:
            self._mirror.tell(ask, frozen.state, record.value)
        elif record.state is State.COMPLETE or not self._promotions.has_told(key):
            self._absorb(frozen)
        self._promotions.leave(key)
        self._known.learn(record, tells_value=self._is_comparable(record.lr))
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

    def _begin(self, most: int) -> None:
        """Begin trials until a group waits, or none is left to begin."""
        while self._wants_more(most) and self._begin_enqueued():
            pass
        # Samplers may take long, and whoever holds the journal's lock for seconds is taken for
        # dead: all are chosen first, then written at once. What an error interrupts is kept too.
        try:
            while self._wants_more(most) and self._draft_new():
                pass
        finally:
            self._start_drafts()

    def _start_drafts(self) -> None:
        """Write what was chosen, in one write; it then waits for a worker."""
        drafts, self._drafts = self._drafts, []
        with self._trials.store.batch():
            for draft in drafts:
                running = self._trials.begin(draft.start(self._trials.store), draft.attributes)
                if draft.ask is not None:
                    self._asks[running.key] = draft.ask

    def _begin_enqueued(self) -> bool:
        """Begin a trial that somebody enqueued; False where there is none."""
        if time.monotonic() - self._last_poll < POLL_SECONDS:
            return False
        self._last_poll = time.monotonic()
        for waiting in self._trials.store.trials(TrialState.WAITING):
            if self._take_up(waiting):
                # There may be more of them: look again when the next trial is to be begun.
                self._last_poll = -math.inf
                return True
        return False

    def _take_up(self, waiting: FrozenTrial) -> bool:
        """Start a trial that somebody enqueued; one outside the space fails with its reason."""
        fixed = {**waiting.system_attrs.get("fixed_params", {}), **waiting.params}
        try:
            ask = self._mirror.ask(fixed)
        except SpaceError as error:
            self._trials.refuse(waiting, str(error))
            return False
        if broken(ask.excess):
            self._mirror.refuse(ask)
            self._trials.refuse(waiting, f"{self._limits.explain(ask.spec)}.")
            return False
        attributes = self._attributes(
            ask.spec, Source.ADAPTIVE, self._config.recipe.values_in(ask.params), waiting.number
        )
        new = {name: value for name, value in ask.params.items() if name not in waiting.params}
        started = self._trials.claim(waiting, new, ask.distributions, attributes, ask.excess)
        if started is None:
            self._mirror.tell(ask, TrialState.FAIL)
            return False
        running = self._trials.begin(started, attributes)
        self._asks[running.key] = ask
        return True

    def _draft_new(self) -> bool:
        """Choose a design row or an adaptive trial; False where the search is at its end."""
        if self._design.is_turn(*self._count_live()):
            self._drafts.append(self._draft_row())
            return True
        if self._design.is_given_up and not self.is_design_given_up:
            self._give_up_design()
        if self._stopped:
            return False
        self._drafts.append(self._draft_adaptive())
        return True

    def _draft_adaptive(self) -> Draft:
        ask = self._ask()
        values = self._config.recipe.values_in(ask.params)
        refused = self._proposals.refused
        more: dict[str, Any] = {"refused": dict(refused)} if refused else {}
        attributes = self._attributes(ask.spec, Source.ADAPTIVE, values, **more)
        refused.clear()
        return Draft(
            number=self._next_number,
            spec=ask.spec,
            params=ask.params,
            distributions=ask.distributions,
            attributes=attributes,
            excess=ask.excess,
            ask=ask,
        )

    def _give_up_design(self) -> None:
        """Keep that no further row is looked for, after those that were found, and say it."""
        self._start_drafts()
        number = self._design.num_left_out
        keep_given_up(self._trials.store.storage, self._trials.store.study_id, number)
        self._leave_design(number)
        then = "the search ends with what is trained" if self._stopped else "the rest is adaptive"
        _, rows = self._count_live()
        self._say(
            f"The design is given up after {rows} of its rows: the next {number} are beyond the "
            f"constraints; {then}."
        )

    def _leave_design(self, rows_left_out: int) -> None:
        self._rows_given_up = rows_left_out
        self._design.give_up()
        if self._config.search.design_share == 1:
            self.stop()

    def _draft_row(self) -> Draft:
        spec, row, left_out = self._design.next()
        more = {"rows_left_out": left_out} if left_out else {}
        rate = self._config.recipe.reference().lr * self._design.lr_factor(row)
        params, distributions = parameters_of(self._space, spec)
        return Draft(
            number=self._next_number,
            spec=spec,
            params=params,
            distributions=distributions,
            attributes=self._attributes(
                spec, Source.RANDOMISED, {"lr": rate}, design_row=row, **more
            ),
            excess=self._limits.excess(spec),
        )

    def _count_live(self) -> tuple[int, int]:
        """Count the trials that count, or will if they do not fail, and design rows among them."""
        active, ended = self._active, self._trials.ended
        rows = sum(running.record.source is Source.RANDOMISED for running in active)
        num_begun = len(active) + len(self._trials.paused)
        return ended.num_counted + num_begun, ended.num_rows + rows

    def _ask(self) -> Ask:
        """Ask for a new architecture; the first ones are random."""
        number = self._next_number
        num_asked = self._trials.ended.num_built + len(self._asks) + self._promotions.num_told
        num_asked += sum(draft.ask is not None for draft in self._drafts)
        if num_asked < self._config.search.startup_trials:
            return self._proposals.at_random(number, self._busy())
        return self._proposals.new(number, self._busy())

    def _busy(self) -> Container[str]:
        active = Counter(running.spec.spec_id for running in self._active)
        return ChainMap(active, self._promotions.specs)

    def _attributes(
        self,
        spec: ArchitectureSpec,
        source: Source,
        values: Mapping[str, float],
        number: int | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Return what a new trial carries; the W&B id comes last, see `is_ours`."""
        replicate = self._known.num_trials(spec.spec_id)
        replicate += sum(r.spec.spec_id == spec.spec_id for r in self._active)
        replicate += self._promotions.specs.get(spec.spec_id, 0)
        seed = child_seed(self._config.search.seed, f"trial {spec.spec_id}", replicate)
        wandb_id = self._trials.wandb_id(self._next_number if number is None else number)
        recipe = self._config.recipe.resolve(values)
        more |= {"weight_decay": recipe.weight_decay, "wandb_id": wandb_id}
        return start_attributes(spec, source, seed, recipe.lr, **more)

    def _learn(self, frozen: FrozenTrial) -> None:
        """Take up what a former owner's trial says about the design and to the sampler."""
        self._design.learn(frozen.user_attrs.get("design_row"))
        self._promotions.learn(frozen)
        if frozen.state.is_finished():
            self._absorb(frozen)

    def _absorb(self, frozen: FrozenTrial) -> None:
        """Tell the sampler of a trial that was chosen elsewhere."""
        if self._is_comparable(frozen.user_attrs.get("lr")):
            self._mirror.absorb(frozen)

    def _is_comparable(self, rate: float | None) -> bool:
        """Say whether a trial was trained as the sampler's are: a design row may have another rate."""
        recipe = self._config.recipe
        return "lr" in recipe.ranges or rate in (None, recipe.reference().lr)

    def _ask_again(self, running: Running) -> None:
        """Show sampler and pruner an adaptive trial that a former owner began."""
        if running.record.source is not Source.ADAPTIVE or self._promotions.has_told(running.key):
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
