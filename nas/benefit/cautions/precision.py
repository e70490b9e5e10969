"""Warnings about what the rows cannot tell."""

import math

import numpy as np

from nas.benefit.cautions.facts import Caution, Facts, ablation, more_rows, new_study
from nas.benefit.coding import effect_coding
from nas.benefit.effects import INCONCLUSIVE
from nas.benefit.estimates import ALPHA
from nas.benefit.sample import KINDS
from nas.benefit.settling import is_answer

_MAX_VIF = 5.0
_FEW_CLUSTERS = 30


def aliased(facts: Facts) -> Caution | None:
    """Blocks that the rows hardly tell apart."""
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
    vif = largest_vif(facts)
    if not few and not unanswered and vif <= _MAX_VIF:
        return None
    cause = (
        f"{fit.num_clusters} different networks for {columns} coefficients"
        if few
        else f"variance inflated {vif:.1f} times"
        if vif > _MAX_VIF
        else "some blocks change together"
    )
    return Caution(
        "W_ALIASED",
        f"Effects of single blocks are hard to tell apart ({cause}). Read them as screening.",
        more_rows(facts),
    )


def _levels(facts: Facts, position: int) -> set[str]:
    levels = facts.analysis.models.block_design.levels[position]
    return {KINDS[code].value for code in levels}


def largest_vif(facts: Facts) -> float:
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


def underpowered(facts: Facts) -> Caution | None:
    """Answers about blocks whose smallest detectable effect is larger than what matters.

    By the simultaneous band, which is what decides.
    """
    analysis = facts.analysis
    asked = [q for q in analysis.questions if q.position is not None and is_answer(analysis, q)]
    limit = -math.inf if analysis.worthwhile is None else analysis.worthwhile
    sizes = {q: analysis.answers[q].mde_sim for q in asked if q in analysis.answers}
    weak = [
        question
        for question in asked
        if analysis.decisions[question] == INCONCLUSIVE and sizes.get(question, math.inf) > limit
    ]
    if not weak or not facts.frame.rows:
        return None
    known = [sizes[q] for q in weak if q in sizes and math.isfinite(sizes[q])]
    found = (
        f" At these blocks {analysis.sample.num_rows} design rows find effects from "
        f"{float(np.median(known)):.2g} up four times in five where the whole stage has them; a "
        "block that matters alone is found less often, as its stage must be decided first."
        if known
        else " There are too few design rows for single blocks."
    )
    return Caution(
        "W_UNDERPOWERED",
        f"{len(weak)} of {len(asked)} answers about single blocks cannot be told yet.{found}",
        more_rows(facts),
    )


def noise_dominates(facts: Facts) -> Caution | None:
    """Seeds differ more than networks do."""
    ratio = facts.noise["ratio"]
    if ratio is None or ratio >= 1:
        return None
    epochs = 2 * int(facts.context.recipe.get("epochs", 8))
    return Caution(
        "W_NOISE_DOMINATES",
        f"Networks differ less from each other than one network does over its seeds (ratio "
        f"{ratio:.2f}), so single trials cannot rank them.",
        new_study(
            facts,
            f"--set recipe.epochs={epochs}",
            "long",
            "Train every network for more epochs, or more than once.",
        ),
    )


def interaction(facts: Facts) -> Caution | None:
    """Neighbouring skips change each other's effect."""
    test = facts.analysis.models.pair_test
    if test is None or test.p >= ALPHA:
        return None
    in_model = facts.analysis.models.block_design.with_pairs
    words = "Read neighbour_conditional of each effect in skip_benefit.json."
    return Caution(
        "W_INTERACTION",
        f"Neighbouring skips change each other's effect (p = {test.p:.3f}); the map averages over "
        "the neighbours. Each effect with its neighbours on and off is neighbour_conditional in "
        "skip_benefit.json.",
        ablation(facts, words) if in_model else more_rows(facts),
    )


def lack_of_fit(facts: Facts) -> Caution | None:
    """The sum of block effects leaves more than seeds make, by replicated design rows."""
    p = facts.noise.get("lack_of_fit_p")
    is_own = facts.noise.get("lack_of_fit_from") == "replicated design rows"
    if p is None or p >= ALPHA or not is_own:
        return None
    return Caution(
        "W_LACK_OF_FIT",
        f"Networks differ by more than their blocks' effects and their seeds explain (p = {p:.2g}):"
        " effects are right on average, single networks are predicted badly.",
        ablation(facts, "Retrain the network that you mean to use, skip by skip."),
    )


def few_clusters(facts: Facts) -> Caution | None:
    """Few different networks."""
    number = facts.analysis.sample.num_clusters
    if not 0 < number < _FEW_CLUSTERS:
        return None
    return Caution(
        "W_FEW_CLUSTERS",
        f"Only {number} different design networks were trained; below {_FEW_CLUSTERS} intervals "
        "are wide and approximate.",
        more_rows(facts),
    )
