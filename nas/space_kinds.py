"""Which skips may end at the blocks of a space's design rows; neither torch nor Optuna here."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from search_spaces.space import Choose, Decision, SearchSpace, Value
from search_spaces.spec import ArchitectureSpec, Kind, Place

_SKIP = re.compile(r"skip\.(stage[1-9]\d*\.block[1-9]\d*)")


@dataclass(frozen=True, kw_only=True)
class BlockChoices:
    """What may end at one block, in the rows of the design."""

    kinds: tuple[Kind, ...]
    """In the order of `Kind`; a single one where the design has nothing to choose."""
    spans: tuple[int, ...] = (1,)
    """Spans that a skip may have here, in blocks, ascending."""


def choices_of(space: SearchSpace) -> dict[Place, BlockChoices]:
    """Return the kinds and spans that every block of the design's networks may have.

    Blocks are those with a decision `skip.stage<i>.block<j>`, in the order in which a space asks
    for them; their spans are the choices of `span.stage<i>.block<j>`.
    """
    asked: list[Decision] = []
    walk(space, {}, asked.append)
    found: dict[Place, BlockChoices] = {}
    for decision in asked:
        place = factor_of(decision)
        if place is None:
            continue
        fixed = space.fixed_in_design(decision)
        words = decision.choices if fixed is None else (fixed,)
        kinds = tuple(kind for kind in Kind if kind.value in words)
        spans = {span for kind in kinds for span in _spans(space, place, kind)}
        found[place] = BlockChoices(kinds=kinds, spans=tuple(sorted(spans)) or (1,))
    return found


def kinds_of(space: SearchSpace) -> tuple[Kind, ...]:
    """Return the kinds that occur at any block of the design's networks, in the order of `Kind`."""
    seen = {kind for choices in choices_of(space).values() for kind in choices.kinds}
    return tuple(kind for kind in Kind if kind in seen)


def factor_of(decision: Decision) -> Place | None:
    """Return the block whose kind the decision chooses; None for all other decisions."""
    match = _SKIP.fullmatch(decision.name)
    words = {kind.value for kind in Kind}
    return Place.parse(match[1]) if match and words.issuperset(decision.choices) else None


def walk(
    space: SearchSpace,
    kinds: Mapping[Place, Kind],
    seen: Callable[[Decision], None] | None = None,
    draw: Choose | None = None,
) -> ArchitectureSpec:
    """Answer the decisions of a design row and return its network.

    Args:
        space: The search space.
        kinds: Kinds of some blocks; the others have the first one that is possible.
        seen: Called with every decision.
        draw: Answers what neither the design fixes nor `kinds` says; the first choice for None.
    """

    def choose(decision: Decision) -> Value:
        if seen is not None:
            seen(decision)
        fixed = space.fixed_in_design(decision)
        if fixed is not None:
            return fixed
        place = factor_of(decision)
        if place is not None and (place in kinds or draw is None):
            # In the order of `Kind`, whatever the order of the choices.
            wanted = kinds.get(place, next(kind for kind in Kind if kind in decision.choices))
            if wanted.value in decision.choices:
                return wanted.value
        return draw(decision) if draw is not None else decision.choices[0]

    return space.decide(choose)


def _spans(space: SearchSpace, place: Place, kind: Kind) -> tuple[int, ...]:
    if kind is Kind.NONE:
        return ()
    asked: list[Decision] = []
    walk(space, {place: kind}, asked.append)
    named = [decision for decision in asked if decision.name == f"span.{place}"]
    if not named:
        return (1,)
    fixed = space.fixed_in_design(named[0])
    return tuple(int(span) for span in (named[0].choices if fixed is None else (fixed,)))
