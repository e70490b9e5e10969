"""Studies on disk that nobody had to train, for the tests of what reads them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import TrialState

from nas.config import make_config
from nas.open_study import OpenStudy, open_study
from nas.records import result_attribute, start_attributes
from nas.run_folder import RunFolder
from nas.sampling import parameters_of
from nas.trials import Source
from search_spaces.spec import ArchitectureSpec, Kind
from trainer.measurement import EpochMetrics, Failure, Measurement, Reason

SMALL: dict[str, Any] = {
    "name": "made",
    "space": {"stages": 2, "max_blocks": 2, "width": 4},
    "recipe": {"epochs": 2},
    "search": {"trials": 6, "anchor_seeds": 2, "finalist_seeds": 2},
}


def make_metrics(epoch: int, loss: float) -> EpochMetrics:
    """An epoch with this validation loss."""
    return EpochMetrics(
        epoch=epoch,
        train_loss=loss + 0.1,
        val_log_loss=loss,
        val_accuracy=round(math.exp(-loss), 4),
        lr=0.1,
        seconds=0.5,
    )


def make_measurement(spec: ArchitectureSpec, *losses: float, **changes: Any) -> Measurement:
    """What a worker sends after epochs with these validation losses."""
    known: dict[str, Any] = {
        "key": "trial-0000",
        "spec_id": spec.spec_id,
        "seed": 7,
        "stopped": False,
        "history": tuple(make_metrics(n, loss) for n, loss in enumerate(losses, start=1)),
        "resumed_from_epoch": 0,
        "seconds": 0.5 * len(losses),
        "setup_seconds": 0.1,
        "peak_memory_bytes": 2**28,
        "params": 1000,
        "macs": 10_000,
        "gradient_norms": (0.5,) * spec.num_blocks,
        "device": "cpu",
        "path": "alone",
    }
    return Measurement(**known | changes)


def make_failure(spec: ArchitectureSpec, **changes: Any) -> Failure:
    """What a worker sends when the training diverged in its second epoch."""
    known: dict[str, Any] = {
        "key": "trial-0000",
        "spec_id": spec.spec_id,
        "seed": 7,
        "reason": Reason.DIVERGED,
        "message": "the loss is nan",
        "traceback": "Traceback ...",
        "history": (make_metrics(1, 2.5),),
        "seconds": 0.7,
    }
    return Failure(**known | changes)


def make_study(runs: Path, losses: Sequence[float | None] = (), **changes: Any) -> OpenStudy:
    """Make a run folder with a design trial for each loss; None leaves the trial running.

    Args:
        runs: Folder of all runs.
        losses: Validation loss of each trial at its last epoch.
        changes: Keys of the configuration, beside those of `SMALL`.
    """
    config = make_config({**SMALL, **changes})
    folder = RunFolder(runs / config.name)
    folder.check_usable()
    study = open_study(folder, config)
    folder.write_config(config)
    folder.write_environment(["cpu", "cpu"])
    rng = np.random.default_rng(0)
    places = list(study.space.uniform(study.space.deepest, Kind.NONE).places())
    for loss in losses:
        kinds = {place: list(Kind)[int(rng.integers(3))] for place in places}
        spec = study.space.uniform(study.space.deepest, Kind.NONE).with_kinds(kinds)
        add_trial(study, spec, Source.RANDOMISED, loss)
    return study


def add_trial(
    study: OpenStudy, spec: ArchitectureSpec, source: Source, loss: float | None, **more: Any
) -> int:
    """Add a trial of the search, or a repeat, and return its number."""
    in_search = source in (Source.RANDOMISED, Source.ADAPTIVE)
    store = study.search if in_search else study.repeats
    params, distributions = parameters_of(study.space, spec) if in_search else ({}, {})
    attributes = start_attributes(spec, source, 7, 0.1, **more)
    started = store.start(params, distributions, attributes)
    if loss is not None:
        outcome = make_measurement(spec, loss + 1, loss)
        store.finish(started.trial_id, TrialState.COMPLETE, [loss], result_attribute(outcome, 0.0))
    return started.number
