"""What the map is about: study, data, training, and the rows that it uses."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from nas.benefit.context import BenefitContext, Metric
from nas.benefit.distribution import reference_distribution
from nas.benefit.frame import Frame
from nas.benefit.reading import failure_of, outcome_of
from nas.trials import State, TrialRecord


def about(
    rows: Sequence[TrialRecord],
    repeats: Sequence[TrialRecord],
    context: BenefitContext,
    metric: Metric,
    frame: Frame,
) -> dict[str, Any]:
    """Return the part of the map that comes from its inputs alone.

    Args:
        rows: Trials of the search.
        repeats: Anchors and finalists.
        context: The study and its data.
        metric: Its outcome.
        frame: The design rows.
    """
    ended = [row.ended_utc for row in (*rows, *repeats) if row.ended_utc]
    return {
        "last_trial_utc": max(ended, default=None),
        "tool_version": context.tool_version,
        "study": _study(rows, repeats, context),
        "data": {
            "dataset": context.dataset,
            "split_seed": context.split_seed,
            "n_train": context.num_train,
            "n_val": context.num_val,
            "n_test": context.num_test,
            "num_classes": context.num_classes,
            "metric": context.metric,
            "direction": context.direction,
            "unit": metric.unit,
        },
        "training": _training(context, frame),
        **_constraints(context, frame),
        "recipe": dict(context.recipe),
        "environment": dict(context.environment),
        "unused_rows": list(context.unused),
        # Of rows that others trained nobody knows how kinds were drawn.
        "reference_distribution": reference_distribution(frame) if context.recipe else None,
    }


def _study(
    rows: Sequence[TrialRecord], repeats: Sequence[TrialRecord], context: BenefitContext
) -> dict[str, Any]:
    seconds = [row.seconds for row in (*rows, *repeats) if row.seconds is not None]
    return {
        "name": context.study_name,
        "n_trials": len(rows),
        "n_repeats": len(repeats),
        "by_source": _count(row.source.value for row in rows),
        "by_status": _count(row.state.value for row in rows),
        "cost_s": sum(seconds) if seconds else None,
    }


def _training(context: BenefitContext, frame: Frame) -> dict[str, Any]:
    """Return how the design rows were trained; adaptive ones may have rates of their own."""
    recipe = context.recipe
    specs = (row.spec for row in frame.reference_rows)
    # The plain reference knows no zero_init.
    spec = next((own for own in specs if own is not None and own.skips), context.reference_spec)
    if not recipe:
        # Networks that others trained are not known.
        spec = None
    rates = {row.lr for row in frame.rows if row.lr is not None} or {recipe.get("lr")}
    return {
        "epochs": recipe.get("epochs"),
        "lr_grid": sorted(rate for rate in rates if rate is not None),
        "schedule": recipe.get("schedule"),
        "warmup": recipe.get("warmup_epochs"),
        "batch": recipe.get("batch_size"),
        "norm": None if spec is None else spec.norm,
        "init": None
        if spec is None
        else f"he_normal_fan_out{', zero_init' if spec.zero_init else ''}",
        "precision": recipe.get("precision"),
        "device": context.device,
    }


def _constraints(context: BenefitContext, frame: Frame) -> dict[str, Any]:
    """Return the limits, where there are any, and how many rows of the design they cost."""
    if not context.limits:
        return {}
    left_out = frame.rows_left_out
    return {"constraints": {"limits": dict(context.limits), "rows_left_out": left_out}}


def row_counts(frame: Frame, metric: Metric) -> dict[str, Any]:
    """Count the design rows at the reference: used, counted at chance, left out and why.

    Diverged rows are `at_chance`, or `at_worst` where neither that nor their own value is known:
    these count as `worst`, the worst value of a complete row.
    """
    rows = frame.reference_rows
    outcomes = [outcome_of(row, metric) for row in rows]
    left_out = [row for row, value in zip(rows, outcomes, strict=True) if value is None]
    failures = Counter(failure_of(row, metric)[1] for row in rows if row.state is State.FAILED)
    return {
        "randomised": len(rows),
        "used": len(rows) - len(left_out),
        "at_chance": failures["chance"] + failures["last"],
        "at_worst": failures["worst"],
        "worst": metric.worst if failures["worst"] else None,
        "complete": sum(row.state is State.COMPLETE for row in rows),
        "failed": _count(row.reason or "unknown" for row in rows if row.state is State.FAILED),
        "left_out": _count(row.reason or row.state.value for row in left_out),
        "at_other_depths": len(frame.rows) - len(rows),
    }


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
