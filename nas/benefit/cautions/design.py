"""Warnings about which rows there are."""

from nas.benefit.cautions.facts import Caution, Facts, new_study, undecided, without_limits
from nas.benefit.estimates import ALPHA
from nas.benefit.questions import SKIP
from nas.trials import State

_LIMITS = ("max_params", "max_macs", "max_layers", "max_latency_ms")


def tpe_only(facts: Facts) -> Caution | None:
    """No rows of a random design."""
    if facts.frame.rows:
        return None
    is_ours = facts.context.run_folder is not None
    cause = (
        "The study's constraints leave no network of the design."
        if facts.frame.rows_left_out
        else "No trial comes from the random design."
        if is_ours
        else "No trial is known to come from a random design."
    )
    return Caution(
        "W_TPE_ONLY",
        f"{cause} Trials that a sampler chose give biased effects, so the map is empty.",
        new_study(
            facts,
            # Networks of the design may all be beyond the limits: they have the most blocks.
            f"--mode effects{without_limits(tuple(facts.context.limits))}",
            "effects",
            "Where the kinds were drawn by lot whatever did well before (a random sampler, a "
            "grid), say so with --source randomised; else train the rows of rows_to_add.csv.",
        ),
    )


def pruned_rows(facts: Facts) -> Caution | None:
    """Design rows that a pruner ended."""
    pruned = sum(row.state is State.PRUNED for row in facts.frame.rows)
    if not pruned:
        return None
    return Caution(
        "W_PRUNED_ROWS",
        f"{pruned} design rows were pruned and are left out. Pruning removes bad networks, so "
        f"effects look smaller than they are.{undecided(facts)}",
        new_study(
            facts, "--mode effects", "effects", "Train the design rows to the end, unpruned."
        ),
    )


def constrained(facts: Facts) -> Caution | None:
    """Design rows beyond a constraint were left out."""
    left_out = facts.frame.rows_left_out
    if not left_out or not facts.frame.rows:
        return None
    rows = "1 row" if left_out == 1 else f"{left_out} rows"
    return Caution(
        "W_CONSTRAINED",
        f"{rows} of the design exceeded the study's constraints and were left out: effects are "
        "averages over the networks within them, not over all, and rest on a model in which the "
        "effects of the blocks add up.",
        new_study(
            facts,
            f"--mode effects{without_limits(tuple(facts.context.limits) or _LIMITS)}",
            "unconstrained",
            "Read the map as one of allowed networks, or repeat the design without constraints.",
        ),
    )


def pool_depth(facts: Facts) -> Caution | None:
    """Depths are pooled, or differ in what skips do at the same place."""
    differing = _depths_differ(facts)
    if not facts.frame.is_pooled and differing is None:
        return None
    plans = len(facts.frame.other_plans) + (0 if facts.frame.is_pooled else 1)
    words = []
    if facts.frame.is_pooled:
        words.append(
            f"The design rows have {plans} depth plans; effects are averages over them, blocks "
            "aligned from the start of their stage."
        )
    if differing is not None:
        words.append(
            "What a skip does at the same place of its stage differs between the depths (p = "
            f"{differing:.2g}): read each depth alone."
        )
    return Caution(
        "W_POOL_DEPTH",
        " ".join(words),
        new_study(
            facts,
            f"--mode effects{without_limits(tuple(facts.context.limits))}",
            "effects",
            "Train design rows of one depth plan.",
        ),
    )


def _depths_differ(facts: Facts) -> float | None:
    """Return the p value of the test that depths agree, blocks aligned from the start."""
    for row in (facts.aligned.get("by") or {}).get("from_start", ()):
        test = row["interaction"]
        if row["kind"] == SKIP and test is not None and test["p"] < ALPHA:
            return test["p"]
    return None
