"""Warnings about how the networks were trained."""

import shlex
from collections import Counter

from nas.benefit.cautions.facts import Caution, Facts, new_study, undecided
from nas.benefit.context import study_metric
from nas.benefit.questions import SKIP
from nas.benefit.reading import failure_of
from nas.trials import State
from search_spaces.spec import Kind

_MANY_FAILURES = 0.1
_SHIPPED = ("residual", "longskip")
"""Spaces whose kinds are a field of the configuration."""


def many_failures(facts: Facts) -> Caution | None:
    """More than a tenth of the design rows failed."""
    failed, total = _failure_share(facts)
    return _failures(facts, failed, total) if failed > _MANY_FAILURES * total else None


def few_failures(facts: Facts) -> Caution | None:
    """Some design rows failed."""
    failed, total = _failure_share(facts)
    few = 0 < failed <= _MANY_FAILURES * total
    return _failures(facts, failed, total) if few else None


def _failure_share(facts: Facts) -> tuple[int, int]:
    failed = sum(row.state is State.FAILED for row in facts.frame.rows)
    return failed, len(facts.frame.rows)


def _failures(facts: Facts, failed: int, total: int) -> Caution:
    rate = float(facts.context.recipe.get("lr") or 0.1) / 3
    return Caution(
        "W_FAILURES",
        f"{failed} of {total} design rows failed; {_counted(facts)}.{_both_ways(facts)}"
        f"{undecided(facts)}",
        new_study(
            facts,
            f"--set recipe.lr={rate:.2g}",
            f"lr{rate:.2g}",
            "Train the design again with a lower learning rate.",
        ),
    )


def _counted(facts: Facts) -> str:
    """Say what the failed rows count at."""
    metric = facts.metric or study_metric(facts.context)
    failed = [row for row in facts.frame.rows if row.state is State.FAILED]
    numbers = Counter(failure_of(row, metric)[1] for row in failed)
    without_reason = any(row.reason is None for row in failed)
    word = "diverged or give no reason" if without_reason else "diverged"
    ways = {
        "chance": "count as a network that guesses",
        "last": "count with their last value",
        "worst": "count as the worst complete row, as they have no value and that of a network "
        "that guesses is not known",
    }
    parts = [f"{numbers[way]} {word} and {said}" for way, said in ways.items() if numbers[way]]
    if numbers["left_out"]:
        parts.append(f"{numbers['left_out']} are left out")
    return ", ".join(parts)


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


def lr_untuned(facts: Facts) -> Caution | None:
    """One learning rate for all networks."""
    rates = {row.lr for row in facts.frame.rows if row.lr is not None}
    declared = facts.context.recipe.get("lr")
    rates = rates or ({declared} if declared is not None else set())
    if len(rates) != 1:
        return None
    rate = float(next(iter(rates)))
    return Caution(
        "W_LR_UNTUNED",
        f"All design networks were trained with one learning rate ({rate:g}); plain networks "
        "often want a lower one, and then a skip's benefit is smaller.",
        new_study(
            facts,
            f"--mode effects --set {shlex.quote('search.lr_factors=[0.333,1]')}",
            "lrs",
            f"Train the design with a learning rate of {rate / 3:.2g} too.",
        ),
    )


def lr_sign(facts: Facts) -> Caution | None:
    """Effects that help at one learning rate and hurt at another, both decided."""
    sure = [row for row in facts.sign_changes if row["decided"]]
    if not sure:
        return None
    first = sure[0]
    where = (
        f"stage{first['stage']}.block{first['block']}"
        if first["block"] is not None
        else "the whole network"
        if first["stage"] is None
        else f"stage {first['stage']}"
    )
    return Caution(
        "W_LR_SIGN",
        f"{len(sure)} effect{'s' if len(sure) > 1 else ''} of skips change sign with the learning "
        f"rate, first {first['kind']} at {where}: the average over rates describes none of them. "
        "See by_lr in skip_benefit.json.",
        "Decide on the learning rate first, and read the map at that rate alone.",
    )


def param_confound(facts: Facts) -> Caution | None:
    """Projections add parameters."""
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
    return Caution(
        "W_PARAM_CONFOUND",
        f"A projection also adds parameters ({min(deltas):,.0f} to {max(deltas):,.0f} per block); "
        "its effect is that of both.",
        _without_projections(
            facts, "Read delta_params and delta_macs beside its effects in skip_benefit.json."
        ),
    )


def _without_projections(facts: Facts, words: str) -> str:
    """Return the command of a design of skips that cost nothing, where the space has that."""
    if facts.context.space not in _SHIPPED:
        return words
    kinds = shlex.quote("space.kinds=[none,identity]")
    return new_study(facts, f"--mode effects --set {kinds}", "identity", words)


def single_split(facts: Facts) -> Caution | None:
    """One split of the data."""
    if not facts.frame.rows:
        return None
    return Caution(
        "W_SINGLE_SPLIT",
        "All networks saw one split of the data; how far effects depend on it is not known.",
        "Repeat the study on another split of the data and compare the two maps.",
    )
