"""What both baselines tell W&B of a candidate: the same as a trial's run of `nas search`."""

import resource
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.job import Job
from nas.trials import Source, State, TrialRecord
from nas.wandb_runs.content import (
    JOB_TYPES,
    StudyInfo,
    run_name,
    run_tags,
    trial_config,
    trial_evidence,
    trial_history,
    trial_summary,
)
from search_spaces.complexity import complexity
from search_spaces.spec import ArchitectureSpec
from trainer.measurement import EpochMetrics

STUDY = "benchmark"


def describe_candidate(
    job: Job, number: int, spec: ArchitectureSpec, seed: int, decisions: Mapping[str, Any]
) -> TrialRecord:
    """Return what is known of a candidate before it is trained."""
    size, recipe = complexity(spec), job.make_recipe()
    return TrialRecord(
        number=number,
        state=State.RUNNING,
        source=Source.ADAPTIVE,
        decisions=dict(decisions),
        spec=spec,
        spec_id=spec.spec_id,
        seed=seed,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        params=size.params,
        macs=size.macs,
    )


def about_run(job: Job, record: TrialRecord) -> dict[str, Any]:
    """Return the arguments of `wandb.init`: name, group, job type, tags and config."""
    study = StudyInfo(
        name=STUDY,
        uid="benchmark",
        dataset=job.data,
        epochs=job.make_recipe().epochs,
        deepest=job.make_space().deepest,
    )
    return {
        "name": run_name(record),
        "group": STUDY,
        "job_type": JOB_TYPES[record.source],
        "tags": list(run_tags(replace(record, state=State.COMPLETE), study)),
        "config": trial_config(record, study),
    }


def with_results(
    record: TrialRecord,
    history: Sequence[EpochMetrics],
    gradient_norms: Sequence[float],
    seconds: float,
) -> TrialRecord:
    """Return a record with what its training has measured."""
    last = history[-1]
    return replace(
        record,
        state=State.COMPLETE,
        value=last.val_log_loss,
        metrics={
            "train_loss": last.train_loss,
            "val_log_loss": last.val_log_loss,
            "val_accuracy": last.val_accuracy,
        },
        history=tuple(history),
        epochs_done=len(history),
        gradient_norms=tuple(gradient_norms),
        seconds=seconds,
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def history_rows(record: TrialRecord) -> list[dict[str, float]]:
    """Return one row per epoch."""
    return list(trial_history(record))


def evidence_rows(gradient_norms: Sequence[float]) -> list[dict[str, float]]:
    """Return one row per block."""
    record = TrialRecord(
        number=0,
        state=State.COMPLETE,
        source=Source.ADAPTIVE,
        decisions={},
        gradient_norms=tuple(gradient_norms),
    )
    return list(trial_evidence(record))


def summary(record: TrialRecord) -> dict[str, Any]:
    """Return the run's summary."""
    return trial_summary(record)
