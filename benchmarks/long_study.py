"""A study of thousands of ended trials in a real run folder, which nobody had to train."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from optuna.trial import TrialState

from nas.config import make_config
from nas.design_file import DesignFile
from nas.design_queue import DesignQueue
from nas.open_study import OpenStudy, open_study
from nas.records import result_attribute, start_attributes
from nas.run_folder import RunFolder
from nas.sampling import parameters_of
from nas.trials import Source
from nas.wandb_runs.content import run_id
from search_spaces.spec import ArchitectureSpec
from trainer.measurement import Candidate, EpochMetrics, Measurement

_BATCH = 200
"""Trials per write."""
SPARE = 1000
"""Trials that are left to be asked for."""


def make_long_study(runs: Path, num_trials: int, **changes: Any) -> RunFolder:
    """Write a study as an owner would have: half design rows, half random architectures.

    Args:
        runs: Folder of all runs.
        num_trials: Ended trials.
        changes: Keys of the configuration beside `search`, which has the default values.

    Returns:
        The run folder, closed.
    """
    search = {"trials": num_trials + SPARE}
    data = {"name": f"long-{num_trials}", "wandb": {"mode": "disabled"}} | changes
    config = make_config(data | {"search": search | changes.get("search", {})})
    folder = RunFolder(runs / config.name)
    folder.check_usable()
    study = open_study(folder, config)
    folder.write_config(config)
    folder.write_environment(["cpu", "cpu"])
    rng = np.random.default_rng(0)
    design = DesignQueue(study.space, config.search, DesignFile.of_study(folder, config))
    # As the owner does at its first adaptive ask.
    _ = design.planned
    for first in range(0, num_trials, _BATCH):
        with study.search.batch():
            for number in range(first, min(first + _BATCH, num_trials)):
                _add(study, design, rng, number)
    return folder


def made_measurement(candidate: Candidate, num_epochs: int, value: float) -> Measurement:
    """Return what a worker would send of a candidate whose log-loss ends at `value`."""
    history = tuple(
        EpochMetrics(
            epoch=epoch,
            train_loss=value * (1.5 + (num_epochs - epoch) / num_epochs),
            val_log_loss=value * (1 + (num_epochs - epoch) / num_epochs),
            val_accuracy=math.exp(-value),
            lr=0.1 * (1 - epoch / num_epochs),
            seconds=0.123456789,
        )
        for epoch in range(1, num_epochs + 1)
    )
    return Measurement(
        key=candidate.key,
        spec_id=candidate.spec.spec_id,
        seed=candidate.seed,
        stopped=False,
        history=history,
        resumed_from_epoch=0,
        seconds=num_epochs * 0.123456789,
        setup_seconds=0.05,
        peak_memory_bytes=2**29,
        params=12345,
        macs=1234567,
        gradient_norms=tuple(value / (1 + n) for n in range(candidate.spec.num_blocks)),
        device="cpu",
        path="group of 8",
    )


def made_value(spec: ArchitectureSpec, rng: np.random.Generator) -> float:
    """Return a made-up log-loss: skips help, and every training has its luck."""
    share = len(spec.skips) / spec.num_blocks
    return 0.3 - 0.15 * share + 0.01 * spec.num_blocks / 15 + 0.02 * float(rng.standard_normal())


def _add(study: OpenStudy, design: DesignQueue, rng: np.random.Generator, number: int) -> None:
    is_row = number // 8 % 2 == 0
    more: dict[str, Any] = {}
    if is_row:
        spec, more["design_row"] = design.next()
    else:
        spec = study.space.sample(rng)
    params, distributions = parameters_of(study.space, spec)
    recipe = study.config.recipe.reference()
    more |= {
        "weight_decay": recipe.weight_decay,
        "wandb_id": run_id(study.search.uid, number),
    }
    source = Source.RANDOMISED if is_row else Source.ADAPTIVE
    attributes = start_attributes(spec, source, number, recipe.lr, **more)
    started = study.search.start(params, distributions, attributes)
    value = made_value(spec, rng)
    candidate = Candidate(key=f"trial-{number:04d}", spec=spec, seed=number)
    result = result_attribute(made_measurement(candidate, recipe.epochs, value), 0.0)
    study.search.finish(started.trial_id, TrialState.COMPLETE, [value], result)
