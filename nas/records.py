"""Between Optuna's frozen trials and our records: what is stored when a trial starts and ends."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from nas.lazy import Later
from nas.searched_recipe import PREFIX
from nas.trials import Source, State, TrialRecord
from search_spaces.complexity import complexity
from search_spaces.space import Value
from search_spaces.spec import ArchitectureSpec
from trainer.measurement import EpochMetrics, Failure, Measurement

_STATES = {
    TrialState.WAITING: State.WAITING,
    TrialState.RUNNING: State.RUNNING,
    TrialState.COMPLETE: State.COMPLETE,
    TrialState.PRUNED: State.PRUNED,
    TrialState.FAIL: State.FAILED,
}
PAUSED = "paused"
"""Attribute of a trial that has come to a rung: its result so far."""
PROMOTED_FROM = "promoted_from"
"""Attribute of a trial that went on from a rung: the epochs of the last one."""
METRICS = {"val/log_loss": "val_log_loss", "val/accuracy": "val_accuracy"}
"""Metrics that every study measures -> their names in records."""
_FOREIGN = {
    "source": str,
    "decisions": Mapping,
    "seed": int,
    "lr": int | float,
    "weight_decay": int | float,
    "reason": str,
    "rows_left_out": int,
}
"""What is believed of a trial that was not started by us, and of which type."""
_DECISION = re.compile(r"(?:depth|skip\d*|span\d*)\.")
"""How decisions are named in the shipped spaces."""


def start_attributes(
    spec: ArchitectureSpec, source: Source, seed: int, lr: float, **more: Any
) -> dict[str, Any]:
    """Return what a trial carries from its first moment, as JSON data."""
    cost = complexity(spec)
    return {
        "source": source.value,
        "spec_id": spec.spec_id,
        "spec": spec.to_dict(),
        "seed": seed,
        "lr": lr,
        "layers": spec.layers,
        "params": cost.params,
        "macs": cost.macs,
        **more,
    }


def result_attribute(outcome: Measurement | Failure, seconds_before: float) -> dict[str, Any]:
    """Return what a trial carries at its end: curves, evidence and reason, as JSON data.

    Args:
        outcome: What the worker sent.
        seconds_before: Training time of earlier attempts, s.
    """
    data = outcome.to_dict()
    data["seconds"] = outcome.seconds + seconds_before
    for name in ("key", "spec_id", "seed"):
        del data[name]
    return data


def to_record(trial: FrozenTrial) -> TrialRecord:
    """Read one trial; of a trial made elsewhere, parameters, state and value alone."""
    attributes = _own_attributes(trial)
    result: Mapping[str, Any] = attributes.get("result") or {}
    history = result.get("history", ())
    spec = attributes.get("spec")
    return TrialRecord(
        number=trial.number,
        state=_STATES[trial.state],
        source=_source(attributes.get("source")),
        decisions=_decisions(trial.params, is_ours=bool(spec))
        or attributes.get("decisions")
        or {},
        value=trial.value if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
        # Read when they are needed: a study may have thousands of trials.
        spec=Later(ArchitectureSpec.from_dict, spec) if spec else None,
        spec_id=attributes.get("spec_id"),
        seed=attributes.get("seed"),
        lr=attributes.get("lr"),
        weight_decay=attributes.get("weight_decay"),
        name=attributes.get("name"),
        of_trial=attributes.get("of_trial"),
        replicate=attributes.get("replicate", 0),
        base=attributes.get("base"),
        flip=attributes.get("flip"),
        reason=result.get("reason") or attributes.get("reason"),
        message=result.get("message"),
        paused_after=paused_after(trial),
        metrics=_metrics(history, result),
        history=Later(_read_history, history),
        epochs_done=len(history),
        seconds=result.get("seconds"),
        peak_memory_bytes=result.get("peak_memory_bytes"),
        params=attributes.get("params"),
        macs=attributes.get("macs"),
        gradient_norms=tuple(result.get("gradient_norms", ())),
        evidence={name: tuple(own) for name, own in (result.get("evidence") or {}).items()},
        ended_utc=_utc(trial.datetime_complete),
        device=result.get("device"),
        attempts=attributes.get("attempts", 1),
        refused=dict(attributes.get("refused") or {}),
        rows_left_out=int(attributes.get("rows_left_out") or 0),
        wandb_id=attributes.get("wandb_id"),
    )


def paused_after(trial: FrozenTrial) -> int | None:
    """Return the epochs after which a trial waits at a rung; None where it does not."""
    paused = trial.user_attrs.get(PAUSED)
    if trial.state is not TrialState.RUNNING or not isinstance(paused, Mapping):
        return None
    epochs = len(paused.get("history") or ())
    return None if trial.user_attrs.get(PROMOTED_FROM) == epochs else epochs


def to_records(trials: Iterable[FrozenTrial]) -> list[TrialRecord]:
    """Read trials in order of number."""
    return [to_record(trial) for trial in sorted(trials, key=lambda trial: trial.number)]


def best_record(records: Iterable[TrialRecord], direction: str) -> TrialRecord | None:
    """Return the complete trial with the best value; None before the first."""
    complete = [(r.value, r) for r in records if r.state is State.COMPLETE and r.value is not None]
    sign = 1 if direction == "minimize" else -1
    best = min(complete, key=lambda pair: (sign * pair[0], pair[1].number), default=None)
    return best[1] if best is not None else None


def record_name(metric: str) -> str:
    """Return the name of an optimised metric in records.

    >>> record_name("val/macro_f1")
    'val_macro_f1'
    """
    return metric.replace("/", "_")


def measured(epoch: EpochMetrics, metric: str) -> float | None:
    """Return what an epoch measured of an optimised metric, such as `val/log_loss`.

    None where it was not measured or was not finite.
    """
    return epoch.validation.get(metric.removeprefix("val/"))


def _own_attributes(trial: FrozenTrial) -> Mapping[str, Any]:
    """Return what we have stored; other people's attributes may have the same names."""
    attributes = trial.user_attrs
    if isinstance(attributes.get("spec"), Mapping) and "spec_id" in attributes:
        return attributes
    kept = {
        k: attributes[k] for k, kind in _FOREIGN.items() if isinstance(attributes.get(k), kind)
    }
    # A trial that was refused before it had a spec says why.
    result = attributes.get("result")
    if isinstance(result, Mapping) and isinstance(result.get("reason"), str):
        kept["result"] = {key: result.get(key) for key in ("reason", "message")}
    return kept


def _utc(moment: datetime | None) -> str | None:
    """Optuna keeps local time without a zone, which `astimezone` takes as such."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds")


def _source(word: str | None) -> Source:
    """A trial that says nothing was chosen by some sampler."""
    return Source(word) if word in set(Source) else Source.ADAPTIVE


def _decisions(params: Mapping[str, Any], *, is_ours: bool) -> dict[str, Value]:
    """Return the architecture's decisions; a space may call them as it likes.

    In a study made elsewhere, only those named as ours are known to be about the architecture.
    """
    return {
        name: value
        for name, value in params.items()
        if (not name.startswith(PREFIX) if is_ours else _DECISION.match(name))
    }


def _read_history(epochs: Sequence[Mapping[str, Any]]) -> tuple[EpochMetrics, ...]:
    return tuple(EpochMetrics(**epoch) for epoch in epochs)


def _metrics(history: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float | None] = {
        "test_log_loss": result.get("test_log_loss"),
        "test_accuracy": result.get("test_accuracy"),
        **{f"test_{name}": value for name, value in (result.get("test_more") or {}).items()},
    }
    if history:
        last = EpochMetrics(**history[-1])
        found |= {
            "val_log_loss": last.val_log_loss,
            "val_accuracy": last.val_accuracy,
            "train_loss": last.train_loss,
            **{f"val_{name}": value for name, value in last.more.items()},
        }
    return {name: value for name, value in found.items() if value is not None}
