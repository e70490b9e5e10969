"""Warnings about views that disagree: single deletions, and the model of all trials."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from nas.benefit.cautions.facts import Caution, Facts, ablation, more_rows
from nas.benefit.effects import BENEFIT, INCONCLUSIVE, NEGLIGIBLE

_LEAST_DELETIONS = 2


def loo_redundant(facts: Facts) -> Caution | None:
    """No single deletion was shown to matter while all skips together do."""
    redundant = _redundant(facts)
    if redundant is None or not _all_matter(facts):
        return None
    base, places, is_shown = redundant
    flips = ",".join(f"{place}=none" for place in places)
    return Caution(
        "W_LOO_REDUNDANT",
        _words(base, len(places), is_shown=is_shown),
        ablation(
            facts,
            "Delete the skips that you mean to leave out all at once, and retrain on fresh seeds.",
            f"--flip {flips}",
        ),
    )


def _words(base: str, number: int, *, is_shown: bool) -> str:
    if is_shown:
        return (
            f"In {base} no single one of {number} skips is worth keeping by itself, yet all "
            "together are: skips stand in for each other. Do not delete several on this evidence."
        )
    return (
        f"In {base} none of {number} skips was shown to matter one by one, yet all together do: "
        "skips may stand in for each other, or the pairs are too few to tell. Do not delete "
        "several on this evidence."
    )


def _redundant(facts: Facts) -> tuple[str, list[str], bool] | None:
    """Return a network whose deletions are all negligible or undecided and small.

    The last part says whether all are negligible: undecided is no evidence of no effect.
    """
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in facts.confirm:
        if row.get("estimand") == "ABL":
            groups[str(row.get("base"))].append(row)
    for base, rows in groups.items():
        if len(rows) >= _LEAST_DELETIONS and all(_is_small(row) for row in rows):
            is_shown = all(row.get("decision") == NEGLIGIBLE for row in rows)
            return base, _places(rows), is_shown
    return None


def _is_small(row: Mapping[str, Any]) -> bool:
    decision = row.get("decision")
    return decision == NEGLIGIBLE or (decision == INCONCLUSIVE and row.get("size") == "small")


def _places(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"stage{row['stage']}.block{row['block']}" for row in rows]


def _all_matter(facts: Facts) -> bool:
    """Say whether full minus plain is a benefit, by the anchors or else by the map."""
    layers = facts.frame.layers
    named = {row["name"]: row for row in facts.anchors}
    plain, identity = (named.get(f"{name}-{layers}") for name in ("plain", "identity"))
    if plain is None or identity is None or not plain["ci"] or not identity["ci"]:
        headline = next((row for row in facts.effects if row["estimand"] == "AMCE_ALL"), {})
        return headline.get("decision") == BENEFIT
    if facts.context.direction == "maximize":
        return identity["ci"][0] > plain["ci"][1]
    return identity["ci"][1] < plain["ci"][0]


def secondary_differs(facts: Facts) -> Caution | None:
    """All trials tell another story than the design rows."""
    found = facts.all_trials
    if found is None or not found.disagreeing:
        return None
    number = len(found.disagreeing)
    effects = "1 effect differs" if number == 1 else f"{number} effects differ"
    return Caution(
        "W_SECONDARY_DIFFERS",
        f"{effects} by more than two standard errors between the design rows and a model of all "
        "trials, those that the sampler chose included. The map is that of the design rows.",
        more_rows(facts),
    )
