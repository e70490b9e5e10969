"""The whole skip map: `skip_benefit` puts the parts together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nas.benefit.about import about, row_counts
from nas.benefit.aligned import aligned_effects
from nas.benefit.all_trials import all_trials
from nas.benefit.by_rate import analyses_by_rate, rate_rows, sign_changes
from nas.benefit.cautions import Facts, cautions
from nas.benefit.context import BenefitContext, Metric, study_metric
from nas.benefit.depths import all_depths, depth_rows, other_depths
from nas.benefit.effects import Analysis, mostly_known
from nas.benefit.estimates import ALPHA
from nas.benefit.failing import fail_rows, not_trained
from nas.benefit.fit_check import lack_of_fit
from nas.benefit.frame import make_frame
from nas.benefit.incumbent import search_result
from nas.benefit.interactions import interaction_rows
from nas.benefit.jsonable import jsonable
from nas.benefit.more_trials import more_trials
from nas.benefit.outcomes import metric_effects, sensitivity, without_failed
from nas.benefit.paired import confirm_rows, seed_correlation
from nas.benefit.prediction import prediction
from nas.benefit.profile import best_set, ranking, trend
from nas.benefit.reading import with_worst
from nas.benefit.reference import Reference, headline_of
from nas.benefit.retrainings import anchor_rows, noise, worthwhile
from nas.benefit.sample import randomised, sort_rows, values_of
from nas.benefit.secondary import secondary
from nas.benefit.settling import count_settled
from nas.benefit.sight import sight
from nas.benefit.signals import signal_rows
from nas.trials import State, TrialRecord

SCHEMA = 1
"""Version of the result's layout; it grows only by what older readers pass over."""


@dataclass(frozen=True)
class _Inputs:
    """What every part is made from."""

    rows: Sequence[TrialRecord]
    repeats: Sequence[TrialRecord]
    context: BenefitContext
    reference: Reference
    metric: Metric
    values: np.ndarray
    """The study's metric of the rows at the reference, positive = better."""
    limit: dict[str, Any]
    """Smallest effect of interest."""


def skip_benefit(
    rows: Sequence[TrialRecord], repeats: Sequence[TrialRecord], context: BenefitContext
) -> dict[str, Any]:
    """Estimate where skips help, from the randomised trials alone.

    Args:
        rows: Trials of the search, in any order.
        repeats: Anchors, finalists and paired retrainings on fresh seeds.
        context: What the rows do not say.

    Returns:
        JSON-ready data; what the rows do not identify is None. The same rows give the same
        bytes. Effects are in the metric's unit, positive = better.
    """
    rows, repeats = sort_rows(rows), sort_rows(repeats)
    reference = Reference(make_frame(rows, context), context)
    metric = with_worst(study_metric(context), reference.rows)
    inputs = _Inputs(
        rows=rows,
        repeats=repeats,
        context=context,
        reference=reference,
        metric=metric,
        values=values_of(reference.rows, metric),
        limit=worthwhile(repeats, study_metric(context), reference.frame.layers, context.sesoi),
    )
    may_decide = mostly_known(int(np.isfinite(inputs.values).sum()), len(inputs.values))
    analysis = reference.analyse(inputs.values, inputs.limit["value"], may_decide=may_decide)
    return jsonable(_parts(inputs, analysis))


def _parts(inputs: _Inputs, analysis: Analysis) -> dict[str, Any]:
    reference, metric, context = inputs.reference, inputs.metric, inputs.context
    repeats, values, limit = inputs.repeats, inputs.values, inputs.limit["value"]
    effects = reference.effects(analysis)
    failed = not_trained(reference.rows, context)
    spread = _noise(inputs, analysis)
    without = without_failed(reference, values, limit)
    others = other_depths(reference, metric, limit)
    aligned = aligned_effects(all_depths(reference, analysis, others))
    rates = analyses_by_rate(reference, values, limit)
    changes = sign_changes(reference, rates)
    every = all_trials(reference, analysis, inputs.rows, metric)
    anchors = anchor_rows(repeats, context)
    confirm = confirm_rows(repeats, context, layers=reference.frame.layers)
    warnings = cautions(
        Facts(
            inputs.rows, reference.frame, analysis, context, spread, effects, without,
            sign_changes=changes, aligned=aligned, all_trials=every, confirm=confirm,
            anchors=anchors, metric=metric,
        )
    )  # fmt: skip
    fails = fail_rows(
        reference.table, failed, analysis.questions, reference.facts, reference.depth
    )
    return {
        "schema": SCHEMA,
        **about(inputs.rows, repeats, context, metric, reference.frame),
        **_rules(inputs.limit, effects),
        "reference_depth": _reference_depth(reference, analysis),
        "rows": row_counts(reference.frame, metric),
        "noise": spread,
        "headline": headline_of(effects),
        "effects": effects + fails,
        "without_failed": without,
        "sensitivity": sensitivity(reference, values, failed, metric),
        "other_depths": depth_rows(others),
        "aligned": aligned,
        "by_lr": rate_rows(reference, rates),
        "lr_sign_changes": changes,
        "settled": _settled(inputs, analysis),
        "metrics": metric_effects(reference, repeats, metric),
        "interaction_test": _pair_test(analysis),
        "interactions": interaction_rows(analysis),
        "trend": trend(analysis, reference.facts),
        "ranking": ranking(analysis),
        "best_set": best_set(analysis),
        "prediction": prediction(analysis, reference.facts),
        "sight": sight(analysis, unit=metric.unit),
        "anchors": anchors,
        "confirm": confirm,
        "search": search_result(inputs.rows, repeats, context),
        "secondary": secondary(reference, analysis, every, context.importances),
        "signals": signal_rows(repeats, analysis, reference.facts),
        "warnings": [warning["code"] for warning in warnings],
        "warning_details": warnings,
        "claims": list(context.claims),
    }


def _noise(inputs: _Inputs, analysis: Analysis) -> dict[str, Any]:
    """Return the spread over seeds and architectures, and how well the model fits."""
    layers = inputs.reference.frame.layers
    spread = noise(inputs.rows, inputs.repeats, inputs.metric, layers)
    spread |= lack_of_fit(analysis, spread)
    spread["seed_corr"] = seed_correlation(inputs.repeats, inputs.context)
    return spread | {"residual_sd": _residual_sd(analysis)}


def _rules(limit: dict[str, Any], effects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return by what effects are decided."""
    return {
        "sesoi": limit["value"],
        "sesoi_source": limit["source"],
        "alpha": ALPHA,
        "multiplicity": "max-t wild bootstrap per level; gatekeeping network, stages, blocks",
        "family_size": sum(row["estimand"] == "AMCE" for row in effects),
    }


def _reference_depth(reference: Reference, analysis: Analysis) -> dict[str, Any]:
    frame = reference.frame
    return {
        "depth": frame.layers,
        "depth_plan": frame.plan,
        "n_rows": analysis.sample.num_rows,
        "is_pooled": frame.is_pooled,
    }


def _settled(inputs: _Inputs, analysis: Analysis) -> dict[str, Any]:
    answers = count_settled(analysis)
    return {
        "num_settled": answers.num_settled,
        "num_answers": answers.num_answers,
        "trials_to_rest": answers.trials_to_rest,
        "num_precise": answers.num_precise,
        "can_decide": analysis.can_decide,
        "next": _next(inputs, analysis),
    }


def _next(inputs: _Inputs, analysis: Analysis) -> dict[str, Any] | None:
    """Return the step that settles more; the total is for studies that a command goes on with."""
    answers = count_settled(analysis)
    step = more_trials(inputs.rows, analysis, inputs.context)
    design = randomised(inputs.rows)
    num_failed = sum(row.state is State.FAILED for row in design)
    # More of the same would fail as well.
    most_failed = not analysis.can_decide and 2 * num_failed > len(design)
    if step is None or most_failed or answers.num_settled == answers.num_answers:
        return None
    return asdict(step) | ({"total": None} if inputs.context.run_folder is None else {})


def _residual_sd(analysis: Analysis) -> float | None:
    models = analysis.models
    fits = (models.blocks, models.stages, models.network)
    return next((fit.residual_sd for fit in fits if fit is not None), None)


def _pair_test(analysis: Analysis) -> dict[str, Any] | None:
    test = analysis.models.pair_test
    if test is None:
        return None
    return {
        "num_pairs": test.num_pairs,
        "df": test.df,
        "share_of_residual": test.statistic,
        "p": test.p,
        "in_model": analysis.models.block_design.with_pairs,
    }
