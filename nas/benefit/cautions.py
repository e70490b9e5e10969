"""Warnings: what limits the map, and what would mend it, most important first."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.benefit.coding import effect_coding
from nas.benefit.context import BenefitContext
from nas.benefit.effects import Analysis
from nas.benefit.frame import Frame
from nas.benefit.models import SKIP
from nas.benefit.more_trials import more_trials
from nas.benefit.sample import KINDS
from nas.benefit.settling import is_answer
from nas.trials import State, TrialRecord
from search_spaces.spec import Kind

_MAX_VIF = 5.0
_FEW_CLUSTERS = 30
_MANY_FAILURES = 0.1
_LONGEST_NAME = 100
_LIMITS = ("max_params", "max_macs", "max_layers", "max_latency_ms")


@dataclass(frozen=True)
class Facts:
    """What the warnings look at."""

    rows: Sequence[TrialRecord]
    frame: Frame
    analysis: Analysis
    context: BenefitContext
    noise: dict[str, Any]
    effects: Sequence[dict[str, Any]]
    without_failed: dict[str, Any] | None = None
    """The effects from complete rows alone."""


def cautions(facts: Facts) -> list[dict[str, str]]:
    """Return the warnings that hold, as code, text and remedy."""
    checks = (
        _tpe_only,
        _many_failures,
        _pruned_rows,
        _constrained,
        _pool_depth,
        _aliased,
        _underpowered,
        _noise_dominates,
        _interaction,
        _few_clusters,
        _lr_untuned,
        _param_confound,
        _few_failures,
        _single_split,
    )
    found = (check(facts) for check in checks)
    return [
        dict(zip(("code", "text", "remedy"), entry, strict=True))
        for entry in found
        if entry is not None
    ]


_Entry = tuple[str, str, str] | None


def _constrained(facts: Facts) -> _Entry:
    left_out = facts.frame.rows_left_out
    if not left_out or not facts.frame.rows:
        return None
    rows = "1 row" if left_out == 1 else f"{left_out} rows"
    return (
        "W_CONSTRAINED",
        f"{rows} of the design exceeded the study's constraints and were left out: effects are "
        "averages over the networks within them, not over all, and rest on a model in which the "
        "effects of the blocks add up.",
        _new_study(
            facts,
            f"--mode effects{_without_limits(facts.context.limits or _LIMITS)}",
            "unconstrained",
            "Read the map as one of allowed networks, or repeat the design without constraints.",
        ),
    )


def _without_limits(limits: Iterable[str]) -> str:
    return "".join(f" --set constraints.{key}=null" for key in limits)


def _new_study(facts: Facts, flags: str, ending: str, words: str) -> str:
    """Return the command of a study like this one with other settings, or else the words."""
    if facts.context.run_folder is None:
        return words
    folder, name = shlex.quote(facts.context.run_folder), facts.context.study_name
    new = shlex.quote(_new_name(name, ending))
    return f"nas search {folder}/config.yaml {flags} --name {new}"


def _new_name(name: str, ending: str) -> str:
    """Return a name that studies may have: letters, digits and ._- and at most 100 of them."""
    ending = re.sub(r"[^A-Za-z0-9._-]", "", ending)
    return f"{name[: _LONGEST_NAME - len(ending) - 1]}-{ending}"


def _more_trials(facts: Facts) -> str:
    """Say how to get the design rows that would settle more."""
    step = more_trials(facts.rows, facts.analysis, facts.context)
    if step is None:
        return "Train design rows."
    if facts.context.run_folder is None:
        first = ", as a first step" if step.is_first_step else ""
        return f"Train about {step.design_rows} more design rows{first}."
    command = f"nas search --name {shlex.quote(facts.context.study_name)} --trials {step.total}"
    return f"A first step: {command}" if step.is_first_step else command


def _tpe_only(facts: Facts) -> _Entry:
    if facts.frame.rows:
        return None
    return (
        "W_TPE_ONLY",
        f"{_no_design(facts)} Trials that a sampler chose give biased effects, so the map is "
        "empty.",
        _new_study(
            facts,
            # Networks of the design may all be beyond the limits: they have the most blocks.
            f"--mode effects{_without_limits(facts.context.limits)}",
            "effects",
            "Train networks whose kinds are drawn at random, whatever did well before.",
        ),
    )


def _no_design(facts: Facts) -> str:
    if facts.frame.rows_left_out:
        return "The study's constraints leave no network of the design."
    return "No trial comes from the random design."


def _failure_share(facts: Facts) -> tuple[int, int]:
    failed = sum(row.state is State.FAILED for row in facts.frame.rows)
    return failed, len(facts.frame.rows)


def _failures(facts: Facts, failed: int, total: int) -> tuple[str, str, str]:
    rate = float(facts.context.recipe.get("lr") or 0.1) / 3
    scored = sum(
        row.state is State.FAILED and row.reason == "diverged" for row in facts.frame.rows
    )
    return (
        "W_FAILURES",
        f"{failed} of {total} design rows failed; {scored} diverged and count as a network that "
        f"guesses where its value is known, {failed - scored} are left out.{_both_ways(facts)}",
        _new_study(
            facts,
            f"--set recipe.lr={rate:.2g}",
            f"lr{rate:.2g}",
            "Train the design again with a lower learning rate.",
        ),
    )


def _both_ways(facts: Facts) -> str:
    """Say what all skips do with and without the failed rows."""
    alone = (facts.without_failed or {}).get("headline") or {}
    counted = next(
        (row for row in facts.effects if row["estimand"] == "AMCE_ALL" and row["kind"] == SKIP), {}
    )
    values = [row.get("estimate") for row in (alone, counted)]
    if None in values:
        return ""
    return (
        f" Without them any skip is worth {values[0]:.2g} on average, with them {values[1]:.2g}."
    )


def _many_failures(facts: Facts) -> _Entry:
    failed, total = _failure_share(facts)
    return _failures(facts, failed, total) if failed > _MANY_FAILURES * total else None


def _few_failures(facts: Facts) -> _Entry:
    failed, total = _failure_share(facts)
    few = 0 < failed <= _MANY_FAILURES * total
    return _failures(facts, failed, total) if few else None


def _pruned_rows(facts: Facts) -> _Entry:
    pruned = sum(row.state is State.PRUNED for row in facts.frame.rows)
    if not pruned:
        return None
    return (
        "W_PRUNED_ROWS",
        f"{pruned} design rows were pruned and are left out. Pruning removes bad networks, so "
        "effects look smaller than they are.",
        _new_study(
            facts, "--mode effects", "effects", "Train the design rows to the end, unpruned."
        ),
    )


def _pool_depth(facts: Facts) -> _Entry:
    if not facts.frame.is_pooled:
        return None
    return (
        "W_POOL_DEPTH",
        f"The design rows have {len(facts.frame.other_plans)} depth plans; effects are averages "
        "over them, blocks aligned from the start of their stage.",
        _new_study(
            facts,
            f"--mode effects{_without_limits(facts.context.limits)}",
            "effects",
            "Train design rows of one depth plan.",
        ),
    )


def _aliased(facts: Facts) -> _Entry:
    fit = facts.analysis.models.blocks
    if fit is None:
        return None
    columns = fit.matrix.shape[1]
    few = fit.num_clusters < 2 * columns
    unanswered = any(
        question.position is not None
        and question not in facts.analysis.answers
        and {question.kind, question.reference_kind} <= _levels(facts, question.position)
        for question in facts.analysis.questions
    )
    vif = _largest_vif(facts)
    if not few and not unanswered and vif <= _MAX_VIF:
        return None
    cause = (
        f"{fit.num_clusters} different networks for {columns} coefficients"
        if few
        else f"variance inflated {vif:.1f} times"
        if vif > _MAX_VIF
        else "some blocks change together"
    )
    return (
        "W_ALIASED",
        f"Effects of single blocks are hard to tell apart ({cause}). Read them as screening.",
        _more_trials(facts),
    )


def _levels(facts: Facts, position: int) -> set[str]:
    levels = facts.analysis.models.block_design.levels[position]
    return {KINDS[code].value for code in levels}


def _largest_vif(facts: Facts) -> float:
    """Return the largest variance inflation of a block's contrasts over that of the block alone.

    With L the block's columns, it is the largest eigenvalue of cov(L | others) / cov(L).
    """
    design, fit = facts.analysis.models.block_design, facts.analysis.models.blocks
    if fit is None:
        return 1.0
    inverse = fit.pseudo_inverse @ fit.pseudo_inverse.T
    start, largest = design.base.shape[1], 1.0
    for levels, group in zip(design.levels, design.groups, strict=True):
        width = effect_coding(len(levels)).shape[1] if levels else 0
        if width:
            centred = group - group.mean(axis=0)
            joint = inverse[start : start + width, start : start + width]
            ratio = np.linalg.eigvals(joint @ (centred.T @ centred)).real.max()
            largest = max(largest, float(ratio))
        start += width
    return largest


def _underpowered(facts: Facts) -> _Entry:
    limit = facts.analysis.worthwhile
    asked = [
        row
        for question, row in zip(facts.analysis.questions, facts.effects, strict=True)
        if question.position is not None and is_answer(facts.analysis, question)
    ]
    weak = [
        row
        for row in asked
        if row["decision"] == "inconclusive"
        and (row["mde"] is None or limit is None or row["mde"] > limit)
    ]
    if not weak or not facts.frame.rows:
        return None
    mdes = [row["mde"] for row in weak if row["mde"] is not None]
    found = (
        f" At these blocks {facts.analysis.sample.num_rows} design rows find effects from "
        f"{float(np.median(mdes)):.2g} up."
        if mdes
        else " There are too few design rows for single blocks."
    )
    return (
        "W_UNDERPOWERED",
        f"{len(weak)} of {len(asked)} answers about single blocks cannot be told yet.{found}",
        _more_trials(facts),
    )


def _noise_dominates(facts: Facts) -> _Entry:
    ratio = facts.noise["ratio"]
    if ratio is None or ratio >= 1:
        return None
    epochs = 2 * int(facts.context.recipe.get("epochs", 8))
    return (
        "W_NOISE_DOMINATES",
        f"Networks differ less from each other than one network does over its seeds (ratio "
        f"{ratio:.2f}), so single trials cannot rank them.",
        _new_study(
            facts,
            f"--set recipe.epochs={epochs}",
            "long",
            "Train every network for more epochs, or more than once.",
        ),
    )


def _interaction(facts: Facts) -> _Entry:
    test = facts.analysis.models.pair_test
    if test is None or test.p >= 0.05:
        return None
    return (
        "W_INTERACTION",
        f"Neighbouring skips change each other's effect (p = {test.p:.3f}); the map averages over "
        "the neighbours.",
        "Read neighbour_conditional of each effect in skip_benefit.json."
        if facts.analysis.models.block_design.with_pairs
        else _more_trials(facts),
    )


def _few_clusters(facts: Facts) -> _Entry:
    number = facts.analysis.sample.num_clusters
    if not 0 < number < _FEW_CLUSTERS:
        return None
    return (
        "W_FEW_CLUSTERS",
        f"Only {number} different design networks were trained; below {_FEW_CLUSTERS} intervals "
        "are wide and approximate.",
        _more_trials(facts),
    )


def _lr_untuned(facts: Facts) -> _Entry:
    rates = {row.lr for row in facts.frame.rows if row.lr is not None}
    declared = facts.context.recipe.get("lr")
    rates = rates or ({declared} if declared is not None else set())
    if len(rates) != 1:
        return None
    rate = float(next(iter(rates)))
    return (
        "W_LR_UNTUNED",
        f"All design networks were trained with one learning rate ({rate:g}); plain networks often want "
        "a lower one, and then a skip's benefit is smaller.",
        _new_study(
            facts,
            f"--mode effects --set recipe.lr={rate / 3:.2g}",
            f"lr{rate / 3:.2g}",
            f"Train the design again with a learning rate of {rate / 3:.2g} and compare.",
        ),
    )


def _param_confound(facts: Facts) -> _Entry:
    deltas = [
        row["delta_params"]
        for row in facts.effects
        if row["estimand"] == "AMCE"
        and row["kind"] == Kind.PROJECTION.value
        and row["delta_params"] is not None
    ]
    decided = any(
        row["decision"] in ("benefit", "harm")
        for row in facts.effects
        if row["kind"] == Kind.PROJECTION.value
    )
    if not deltas or not decided:
        return None
    return (
        "W_PARAM_CONFOUND",
        f"A projection also adds parameters ({min(deltas):,.0f} to {max(deltas):,.0f} per block); "
        "its effect is that of both.",
        "Read delta_params and delta_macs beside its effects in skip_benefit.json.",
    )


def _single_split(facts: Facts) -> _Entry:
    if not facts.frame.rows:
        return None
    return (
        "W_SINGLE_SPLIT",
        "All networks saw one split of the data; how far effects depend on it is not known.",
        "Repeat the study on another split of the data and compare the two maps.",
    )
