"""The whole skip map: `skip_benefit` puts the parts together."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from nas.benefit.about import about, row_counts
from nas.benefit.cautions import Facts, cautions
from nas.benefit.context import BenefitContext, Metric, other_metrics, study_metric
from nas.benefit.effects import Analysis, analyse, can_decide, effect_rows
from nas.benefit.estimates import ALPHA
from nas.benefit.frame import Frame, choices_seen, make_frame
from nas.benefit.incumbent import search_result
from nas.benefit.jsonable import jsonable
from nas.benefit.models import SKIP
from nas.benefit.more_trials import more_trials
from nas.benefit.places import BlockFacts, block_facts
from nas.benefit.profile import best_set, ranking, trend
from nas.benefit.retrainings import anchor_rows, noise, worthwhile
from nas.benefit.sample import (
    Sample,
    depths_of,
    make_sample,
    outcome_of,
    places_of_depths,
    randomised,
    sort_rows,
)
from nas.benefit.settling import count_settled
from nas.trials import State, TrialRecord

SCHEMA = 1
"""Version of the result's layout; it grows only by what older readers pass over."""

_NOT_ESTIMATED: dict[str, Any] = {
    "interactions": [],
    "confirm": [],
    "secondary": dict.fromkeys(("model_based", "fanova", "ped_anova", "shap", "rank_agreement")),
    "signals": [],
    "claims": [],
}
"""Parts of the layout that nothing fills yet."""


def skip_benefit(
    rows: Sequence[TrialRecord], repeats: Sequence[TrialRecord], context: BenefitContext
) -> dict[str, Any]:
    """Estimate where skips help, from the randomised trials alone.

    Args:
        rows: Trials of the search, in any order.
        repeats: Anchors and finalists on fresh seeds.
        context: What the rows do not say.

    Returns:
        JSON-ready data; what the rows do not identify is None. The same rows give the same
        bytes. Effects are in the metric's unit, positive = better.
    """
    rows, repeats = sort_rows(rows), sort_rows(repeats)
    frame, metric = make_frame(rows, context), study_metric(context)
    layers = frame.layers
    limit = worthwhile(repeats, metric, layers, context.sesoi)
    facts = block_facts(frame.places, context, frame.choices)
    analysis = _analyse(frame, metric, limit["value"])
    effects = effect_rows(analysis, facts, frame.plan, layers)
    spread = noise(rows, repeats, metric, layers)
    without = _without_failed(frame, metric, limit["value"], facts)
    found = Facts(rows, frame, analysis, context, spread, effects, without)
    warnings = cautions(found)
    return jsonable(
        {
            "schema": SCHEMA,
            **about(rows, repeats, context, metric, frame),
            **_rules(limit, effects),
            "reference_depth": _reference_depth(frame, analysis),
            "rows": row_counts(frame, metric),
            "noise": spread | {"residual_sd": _residual_sd(analysis)},
            "headline": _headline(effects),
            "effects": effects,
            "without_failed": without,
            "other_depths": _other_depths(frame, metric, limit["value"], context),
            "settled": _settled(rows, analysis, context),
            "metrics": _metrics(frame, repeats, context, facts, layers),
            "interaction_test": _pair_test(analysis),
            "trend": trend(analysis, facts),
            "ranking": ranking(analysis),
            "best_set": best_set(analysis),
            "anchors": anchor_rows(repeats, context),
            "search": search_result(rows, repeats, context),
            "warnings": [warning["code"] for warning in warnings],
            "warning_details": warnings,
            **_NOT_ESTIMATED,
        }
    )


def _rules(limit: dict[str, Any], effects: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return by what effects are decided."""
    return {
        "sesoi": limit["value"],
        "sesoi_source": limit["source"],
        "alpha": ALPHA,
        "multiplicity": "max-t wild bootstrap per level; gatekeeping network, stages, blocks",
        "family_size": sum(row["estimand"] == "AMCE" for row in effects),
    }


def _reference_depth(frame: Frame, analysis: Analysis) -> dict[str, Any]:
    return {
        "depth": frame.layers,
        "depth_plan": frame.plan,
        "n_rows": analysis.sample.num_rows,
        "is_pooled": frame.is_pooled,
    }


def _settled(
    rows: Sequence[TrialRecord], analysis: Analysis, context: BenefitContext
) -> dict[str, Any]:
    answers = count_settled(analysis)
    return {
        "num_settled": answers.num_settled,
        "num_answers": answers.num_answers,
        "trials_to_rest": answers.trials_to_rest,
        "num_precise": answers.num_precise,
        "can_decide": analysis.can_decide,
        "next": _next(rows, analysis, context),
    }


def _analyse(frame: Frame, metric: Metric, limit: float | None) -> Analysis:
    return analyse(_sample(frame, frame.reference_rows, metric), frame.kinds, limit)


def _sample(frame: Frame, rows: Sequence[TrialRecord], metric: Metric) -> Sample:
    return make_sample(
        rows, frame.places, metric, frame.choices, is_conditional=frame.is_conditional
    )


def _headline(effects: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    found = (row for row in effects if row["estimand"] == "AMCE_ALL" and row["kind"] == SKIP)
    return next(found, None)


def _without_failed(
    frame: Frame, metric: Metric, limit: float | None, facts: Sequence[BlockFacts]
) -> dict[str, Any] | None:
    """Return the effects from complete rows alone, where failed ones are counted as outcomes."""
    scored = [row for row in frame.reference_rows if outcome_of(row, metric) is not None]
    complete = [row for row in scored if row.state is not State.FAILED]
    if len(complete) == len(scored):
        return None
    # The few that survive are a selection, and decide no more than all rows together.
    analysis = analyse(
        _sample(frame, complete, metric),
        frame.kinds,
        limit,
        may_decide=can_decide(_sample(frame, scored, metric)),
    )
    effects = effect_rows(analysis, facts, frame.plan, frame.layers)
    return {
        "n_left_out": len(scored) - len(complete),
        "headline": _headline(effects),
        "effects": effects,
    }


def _next(
    rows: Sequence[TrialRecord], analysis: Analysis, context: BenefitContext
) -> dict[str, Any] | None:
    """Return the step that settles more; the total is for studies that a command goes on with."""
    answers = count_settled(analysis)
    step = more_trials(rows, analysis, context)
    design = randomised(rows)
    num_failed = sum(row.state is State.FAILED for row in design)
    # More of the same would fail as well.
    most_failed = not analysis.can_decide and 2 * num_failed > len(design)
    if step is None or most_failed or answers.num_settled == answers.num_answers:
        return None
    return asdict(step) | ({"total": None} if context.run_folder is None else {})


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


def _other_depths(
    frame: Frame, metric: Metric, limit: float | None, context: BenefitContext
) -> list[dict[str, Any]]:
    """Return the effects at each other depth plan that has enough rows for any."""
    if frame.is_pooled:
        limit = None
    found = []
    for plan in frame.other_plans:
        places = places_of_depths(plan)
        rows = [row for row in frame.rows if depths_of(row) == plan]
        is_conditional = frame.is_conditional
        choices = choices_seen(rows, places, frame.kinds, is_conditional=is_conditional)
        sample = make_sample(rows, places, metric, choices, is_conditional=is_conditional)
        analysis = analyse(sample, frame.kinds, limit)
        if analysis.answers:
            facts, layers = block_facts(places, context, choices), frame.layers_of(plan)
            effects = effect_rows(analysis, facts, plan, layers)
            found.append({"depth_plan": list(plan), "effects": effects})
    return found


def _metrics(
    frame: Frame,
    repeats: Sequence[TrialRecord],
    context: BenefitContext,
    facts: Sequence[BlockFacts],
    layers: int | None,
) -> dict[str, Any]:
    """Return the effects on the outcomes beside the study's metric, where they were measured."""
    found = {}
    for metric in other_metrics(context):
        complete = [row for row in frame.reference_rows if row.state is State.COMPLETE]
        if not any(metric.name in row.metrics for row in complete):
            continue
        limit = worthwhile(repeats, metric, layers, None)
        analysis = _analyse(frame, metric, limit["value"])
        effects = effect_rows(analysis, facts, frame.plan, layers)
        found[metric.name] = {
            "direction": "maximize" if metric.sign > 0 else "minimize",
            "unit": metric.unit,
            "sesoi": limit["value"],
            "sesoi_source": limit["source"],
            "headline": _headline(effects),
            "effects": effects,
        }
    return found
