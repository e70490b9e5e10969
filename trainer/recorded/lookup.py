"""Looks trainings up in the table instead of doing them, as `trainer.train.train` would answer.

Which of the recorded seeds a candidate meets follows from its own seed: candidates of equal seeds
meet the same one, whatever their network, as they would share it in training. No torch here.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

from search_spaces.complexity import Complexity, complexity
from trainer.checkpoints import CheckpointStore
from trainer.measurement import Candidate, EpochMetrics, Failure, Measurement, Reason
from trainer.progress import Progress, Unattended, Verdict
from trainer.recipe import Recipe
from trainer.recorded.skipbench import (
    BLOCKS_PER_GROUP,
    NAME,
    RECIPE,
    load_skipbench,
    pattern_number,
    trained_network,
)
from trainer.seeding import child_seed

PATH_TAKEN = "looked up"
"""`path` of a measurement that comes from the table."""

Outcome = Measurement | Failure


def look_up(
    candidates: Sequence[Candidate],
    recipe: Recipe,
    progress: Progress | None = None,
    *,
    checkpoints: CheckpointStore | None = None,
    test: bool = False,
    pause_after: int | None = None,
    ended: Callable[[Sequence[Outcome]], None] | None = None,
) -> list[Outcome]:
    """Look candidates up and return their outcomes, in order.

    Seconds are those of the look-up; what a training took when it was recorded is in the table.

    Args:
        candidates: Networks of the space `trainer.recorded.skipbench.SPACE`; another one fails.
        recipe: Must be the recorded one; with another one all candidates fail.
        progress: Told of each epoch, says whether to go on.
        checkpoints: Keeps how far a candidate has come that pauses.
        test: Whether the test split was asked for.
        pause_after: Epochs in all after which candidates pause; None: the last.
        ended: Called once, with all outcomes.
    """
    watcher = progress or Unattended()
    outcomes = [
        _outcome(candidate, recipe, watcher, checkpoints, test=test, pause_after=pause_after)
        for candidate in candidates
    ]
    if ended is not None:
        ended(outcomes)
    return outcomes


def seed_number(seed: int) -> int:
    """Return which recorded seed a candidate of this seed meets."""
    return child_seed(seed, "recorded") % load_skipbench().num_seeds


def _outcome(
    candidate: Candidate,
    recipe: Recipe,
    progress: Progress,
    checkpoints: CheckpointStore | None,
    *,
    test: bool,
    pause_after: int | None,
) -> Outcome:
    started = time.perf_counter()
    number = pattern_number(candidate.spec)
    if number is None:
        return _unknown(candidate, f"only its 64 networks are known, got {candidate.spec.code}")
    if others := _differences(recipe.model_copy(update=dict(candidate.recipe_values))):
        return _unknown(candidate, f"only its own recipe is known, got {others}")
    whole = _history(number, seed_number(candidate.seed))
    resumed = _resumed_from(candidate.key, checkpoints)
    end = recipe.epochs if pause_after is None else max(pause_after, resumed)
    history = _told(candidate.key, whole[:end], resumed, progress)
    if len(history) == len(whole) < recipe.epochs:
        return _failure(candidate, Reason.DIVERGED, "DivergedError: the loss is not finite", whole)
    stopped = len(history) < recipe.epochs
    if len(history) == end and stopped and checkpoints is not None:
        checkpoints.save(candidate.key, json.dumps({"epochs": end}).encode())
    table, seed = load_skipbench(), seed_number(candidate.seed)
    is_tested = test and not stopped
    return Measurement(
        key=candidate.key,
        spec_id=candidate.spec.spec_id,
        seed=candidate.seed,
        stopped=stopped,
        history=history,
        resumed_from_epoch=resumed,
        seconds=time.perf_counter() - started,
        setup_seconds=0.0,
        peak_memory_bytes=0,
        params=_cost().params,
        macs=_cost().macs,
        gradient_norms=_group_norms(table.gradient_norms[number, seed].tolist()),
        device="cpu",
        path=PATH_TAKEN,
        test_log_loss=float(table.test_log_loss[number, seed]) if is_tested else None,
        test_accuracy=float(table.test_accuracy[number, seed]) if is_tested else None,
    )


def _told(
    key: str, epochs: Sequence[EpochMetrics], resumed: int, progress: Progress
) -> tuple[EpochMetrics, ...]:
    """Tell the epochs that no checkpoint holds; return all up to the one that was stopped at."""
    for metrics in epochs[resumed:]:
        if progress.epoch_done(key, metrics) is Verdict.STOP:
            return tuple(epochs[: metrics.epoch])
    return tuple(epochs)


def _history(pattern: int, seed: int) -> tuple[EpochMetrics, ...]:
    """Return the epochs that one training has finished, up to where it diverged."""
    table = load_skipbench()
    curves = zip(
        table.train_loss[pattern, seed].tolist(),
        table.log_loss[pattern, seed].tolist(),
        table.accuracy[pattern, seed].tolist(),
        table.lr.tolist(),
        strict=True,
    )
    epochs: list[EpochMetrics] = []
    for epoch, (train_loss, log_loss, accuracy, lr) in enumerate(curves, start=1):
        if not (math.isfinite(train_loss) and math.isfinite(log_loss)):
            break
        metrics = EpochMetrics(
            epoch=epoch,
            train_loss=train_loss,
            val_log_loss=log_loss,
            val_accuracy=accuracy,
            lr=lr,
            seconds=0.0,
        )
        epochs.append(metrics)
    return tuple(epochs)


@lru_cache(maxsize=1)
def _cost() -> Complexity:
    """Count one network for all: identities have no parameters."""
    return complexity(trained_network([False] * load_skipbench().num_groups))


def _group_norms(norms: Sequence[float]) -> tuple[float, ...]:
    """Return the norm of each group's gradient from those of its blocks."""
    starts = range(0, len(norms), BLOCKS_PER_GROUP)
    return tuple(math.hypot(*norms[start : start + BLOCKS_PER_GROUP]) for start in starts)


def _resumed_from(key: str, checkpoints: CheckpointStore | None) -> int:
    """Return after how many epochs a candidate has paused; 0 for a new one."""
    data = checkpoints.load(key) if checkpoints is not None else None
    try:
        return int(json.loads(data)["epochs"]) if data else 0
    except (ValueError, KeyError, TypeError):
        # Not one of ours, or damaged: the same numbers are told again.
        return 0


def _differences(recipe: Recipe) -> str:
    """Say in which fields a recipe is another one than the recorded one."""
    recorded, given = Recipe(**RECIPE).model_dump(), recipe.model_dump()
    return ", ".join(f"{k}={given[k]!r}" for k in recorded if given[k] != recorded[k])


def _unknown(candidate: Candidate, why: str) -> Failure:
    message = f"{NAME}: trainings are looked up and {why}. Use data=digits to train others."
    return _failure(candidate, Reason.ERROR, message, ())


def _failure(
    candidate: Candidate, reason: Reason, message: str, history: tuple[EpochMetrics, ...]
) -> Failure:
    return Failure(
        key=candidate.key,
        spec_id=candidate.spec.spec_id,
        seed=candidate.seed,
        reason=reason,
        message=message,
        traceback="",
        history=history,
        seconds=0.0,
    )
