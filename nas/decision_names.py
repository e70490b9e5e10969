"""Names of decisions, and whether they say what the network is; neither torch nor Optuna here."""

import re
from collections.abc import Mapping
from dataclasses import fields

from nas.searched_recipe import PREFIX
from nas.table_columns import DECISION
from nas.trials import Source, State, TrialRecord
from search_spaces.space import Value
from search_spaces.spec import ArchitectureSpec, Kind

_SPOKEN = re.compile(r"(depth|skip|span)(\d*)\.(.*)")
"""Names that say what is decided."""
_METRIC = re.compile(r"(?:val|test|train)_")
_TRIAL = TrialRecord(number=0, state=State.COMPLETE, source=Source.ADAPTIVE, decisions={})
_RESERVED = {*_TRIAL.to_row(), *(field.name for field in fields(TrialRecord))}
"""What else is known of a trial: columns of the tables, and what they are read into."""


def name_problem(spec: ArchitectureSpec, answers: Mapping[str, Value]) -> str | None:
    """Say which decision's name is reserved, or says what does not hold of the network.

    Args:
        spec: The network.
        answers: The answers that lead to it, by name.

    Returns:
        `<rule>, got <value>`; None where all names are true.
    """
    for name, answer in answers.items():
        if name in _RESERVED or _METRIC.match(name) or name.startswith(PREFIX):
            return (
                "name no decision like a column of the tables or a value of the recipe, got "
                f"name={name!r}"
            )
        problem = _table_problem(name, answer) or _place_problem(spec, name, answer)
        if problem is not None:
            return problem
    return None


def _table_problem(name: str, answer: Value) -> str | None:
    """Say why tables could not be read back."""
    spoken = _SPOKEN.match(name)
    if spoken and not DECISION.match(name):
        return (
            "name decisions like 'depth.stage1', 'skip.stage1.block1' or in words of its own, got "
            f"name={name!r}"
        )
    counts = name == "width" or (spoken and spoken[1] in ("depth", "span"))
    if counts and not (isinstance(answer, int) and answer >= 1):
        return f"answer {name!r} with an int >= 1, got {answer!r}"
    return None


def _place_problem(spec: ArchitectureSpec, name: str, answer: Value) -> str | None:
    """Say where a decision about a skip is not about the skip that the network has."""
    spoken = _SPOKEN.match(name)
    if spoken is None or spoken[1] == "depth":
        return None
    word, number, end = spoken.groups()
    places = [str(place) for place in spec.places()]
    if end not in places:
        depths = "-".join(map(str, spec.depths))
        return f"ask about blocks that exist, got {name!r} for {depths} blocks per stage"
    skips = spec.incoming[places.index(end)]
    place = int(number or 1) - 1
    skip = skips[place] if 0 <= place < len(skips) else None
    if word == "skip":
        true: Value = Kind.NONE.value if skip is None else skip.kind.value
    else:
        true = 0 if skip is None else spec.span(skip)
    if answer == true:
        return None
    which = "shortest skip" if place == 0 else f"skip number {place + 1}, from the shortest,"
    what = "kind" if word == "skip" else "span in blocks"
    return (
        f"answer {name!r} with the {what} of the {which} that ends there, {true!r} in the network "
        f"{spec.code}, got {answer!r}"
    )
