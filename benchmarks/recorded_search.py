"""One search on a recorded table, by the parts that `nas search` uses: sampler, pruner, rungs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from benchmarks.recorded_table import CLASSES, RecordedTable
from nas.config import StudyConfig, make_config
from nas.constraints import Constraints, Limits
from nas.errors import ConfigError
from nas.known_specs import KnownSpecs
from nas.proposals import Proposals
from nas.rungs import Rungs
from nas.sampling import Ask, SamplerMirror

_SEEDS_TO_JUDGE = 3
"""One seed of the search, one that picks among its best, and one that judges."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to search."""

    name: str
    search: dict[str, Any]
    """The section `search` of a configuration."""
    rungs: bool = False
    """Whether trials pause at rungs, of epochs 2 and 4."""


def _class_path(path: str, **arguments: Any) -> dict[str, Any]:
    return {"class_path": path, "init_args": arguments}


ARMS = (
    Arm(name="random", search={"sampler": "random"}),
    Arm(name="Optuna's TPE", search={"sampler": _class_path("optuna.samplers.TPESampler")}),
    Arm(name="tpe", search={"sampler": "tpe"}),
    Arm(name="mutation", search={"sampler": "mutation"}),
    Arm(
        name="mutation, no fit",
        search={
            "sampler": _class_path("nas.mutation_sampler.MutationSampler", surrogate=False),
        },
    ),
    Arm(
        name="random + ASHA",
        search={
            "sampler": "random",
            "pruner": _class_path(
                "optuna.pruners.SuccessiveHalvingPruner", min_resource=2, reduction_factor=2
            ),
        },
    ),
    Arm(
        name="Optuna's TPE + Hyperband",
        search={
            "sampler": _class_path("optuna.samplers.TPESampler"),
            "pruner": _class_path(
                "optuna.pruners.HyperbandPruner",
                min_resource=2,
                max_resource=8,
                reduction_factor=2,
            ),
        },
    ),
    Arm(name="random + rungs", search={"sampler": "random"}, rungs=True),
    Arm(name="mutation + rungs", search={"sampler": "mutation"}, rungs=True),
)


@dataclass(kw_only=True)
class _Trial:
    key: str
    ask: Ask
    row: int
    seed: int
    """Which of the recorded seeds it is trained on."""
    epoch: int = 0
    value: float = np.inf
    """Of its last epoch."""


@dataclass(frozen=True, kw_only=True)
class SearchCurve:
    """How good the chosen network was, after so many epochs were trained in all."""

    epochs: list[int] = field(default_factory=list)
    quality: list[float] = field(default_factory=list)
    """Mean log-loss, on the seeds that the search did not see, of the best network so far."""
    finalists: list[float] = field(default_factory=list)
    """The same of the one of the eight best so far that another training picks, on the seeds that
    are left; averaged over the trainings that may pick. Empty for tables of fewer than 3 seeds."""
    num_pruned: int = 0

    def at(self, epochs: Sequence[int], what: str = "quality") -> np.ndarray:
        """Return the quality after each of so many epochs; NaN before the first."""
        if not self.epochs:
            return np.full(len(epochs), np.nan)
        places = np.searchsorted(self.epochs, epochs, side="right") - 1
        values = np.array(getattr(self, what))
        return np.where(places >= 0, values[np.maximum(places, 0)], np.nan)


class RecordedSearch:
    """A search with so many candidates in training at once, epoch by epoch in step.

    Args:
        table: What trainings give.
        arm: How to search.
        slots: Candidates in training at once, as workers times group size.
        seed: Of the search, and of which recorded seeds it meets.

    Raises:
        ConfigError: There is no slot, so that nothing would ever be trained.
    """

    def __init__(self, table: RecordedTable, arm: Arm, slots: int, seed: int) -> None:
        if slots < 1:
            raise ConfigError(
                f"RecordedSearch: slots must be at least 1, got slots={slots}. Nothing would ever "
                "be trained; give 1 or more."
            )
        self._table = table
        self._curves = np.nan_to_num(table.log_loss, nan=np.log(CLASSES))
        self._num_epochs = table.log_loss.shape[2]
        space = table.space()
        self._rows = {spec.spec_id: row for row, spec in enumerate(space)}
        self._config = _config(arm, seed)
        limits = Limits(Constraints())
        self._mirror = SamplerMirror(space, self._config.search, limits=limits)
        self._known = KnownSpecs(space, limits)
        self._proposals = Proposals(
            self._config, space, self._mirror, self._known, limits, lambda: ()
        )
        self._rungs = Rungs(self._num_epochs) if arm.rungs else None
        self._slots = slots
        self._rng = np.random.default_rng(seed)
        self._active: list[_Trial] = []
        self._paused: dict[str, _Trial] = {}
        self._ended: list[_Trial] = []
        self._num_begun = 0
        self._spent = 0
        self._num_pruned = 0

    def run(self, budget: int) -> SearchCurve:
        """Search until so many epochs are trained."""
        curve = SearchCurve()
        while self._spent < budget:
            while len(self._active) < self._slots:
                self._active.append(self._next())
            for trial in list(self._active):
                self._train_epoch(trial)
            chosen = self._chosen()
            if chosen:
                curve.epochs.append(self._spent)
                curve.quality.append(self._unseen(chosen[0]))
                if self._curves.shape[1] >= _SEEDS_TO_JUDGE:
                    curve.finalists.append(self._repeated(chosen))
        return SearchCurve(
            epochs=curve.epochs,
            quality=curve.quality,
            finalists=curve.finalists,
            num_pruned=self._num_pruned,
        )

    def _next(self) -> _Trial:
        promoted = self._rungs.next_promotion() if self._rungs else None
        if promoted is not None:
            return self._paused.pop(promoted)
        busy = {trial.ask.spec.spec_id for trial in self._active}
        number = self._num_begun
        if number < self._config.search.startup_trials:
            ask = self._proposals.at_random(number, busy)
        else:
            ask = self._proposals.new(number, busy)
        self._num_begun += 1
        # Known from its start, so that a paused one is not begun again.
        self._known.add(ask.spec.spec_id, None)
        return _Trial(
            key=str(number),
            ask=ask,
            row=self._rows[ask.spec.spec_id],
            seed=int(self._rng.integers(self._curves.shape[1])),
        )

    def _train_epoch(self, trial: _Trial) -> None:
        trial.epoch += 1
        self._spent += 1
        trial.value = float(self._curves[trial.row, trial.seed, trial.epoch - 1])
        if trial.epoch == self._num_epochs:
            self._complete(trial)
        elif self._rungs is not None:
            if self._rungs.reached(trial.key, trial.epoch, trial.value):
                self._active.remove(trial)
                self._paused[trial.key] = trial
                if trial.epoch == self._rungs.levels[0]:
                    # The sampler learns what is known of it; its end is absorbed later.
                    self._mirror.report(trial.ask, trial.epoch, trial.value)
                    self._mirror.tell(trial.ask, TrialState.PRUNED)
        elif self._mirror.report(trial.ask, trial.epoch, trial.value):
            self._mirror.tell(trial.ask, TrialState.PRUNED)
            self._active.remove(trial)
            self._num_pruned += 1

    def _complete(self, trial: _Trial) -> None:
        self._active.remove(trial)
        self._ended.append(trial)
        self._known.add(trial.ask.spec.spec_id, trial.value)
        if self._rungs is None:
            self._mirror.report(trial.ask, trial.epoch, trial.value)
            self._mirror.tell(trial.ask, TrialState.COMPLETE, trial.value)
            return
        self._mirror.absorb(
            optuna.trial.create_trial(
                value=trial.value,
                params=trial.ask.params,
                distributions=trial.ask.distributions,
            )
        )

    def _chosen(self) -> list[_Trial]:
        """Return the eight best complete trials, the best one first."""
        return sorted(self._ended, key=lambda trial: trial.value)[:8]

    def _unseen(self, trial: _Trial) -> float:
        return float(self._others(trial).mean())

    def _repeated(self, chosen: Sequence[_Trial]) -> float:
        others = np.array([self._others(trial) for trial in chosen])
        found = []
        for picks in range(others.shape[1]):
            best = int(others[:, picks].argmin())
            # Never judged by the number that it was picked by.
            found.append(np.delete(others[best], picks).mean())
        return float(np.mean(found))

    def _others(self, trial: _Trial) -> np.ndarray:
        """Return the last values on the seeds that it was not trained on."""
        return np.delete(self._curves[trial.row, :, -1], trial.seed)


def _config(arm: Arm, seed: int) -> StudyConfig:
    search = dict(arm.search)
    sampler = search["sampler"]
    if isinstance(sampler, dict):
        arguments = {**sampler["init_args"], "seed": seed}
        search["sampler"] = {**sampler, "init_args": arguments}
    return make_config({"search": {**search, "seed": seed}})
