"""The shares of `nas.benefit.sight` in words, for readers who are no statisticians."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas.benefit.plants import EVERYWHERE, ONE_BLOCK, ONE_STAGE

_LEVELS = {"network": "over all blocks", "stage": "in a stage", "block": "at a block"}
_GATE = 0.05
"""A smaller difference between shares is not worth a sentence."""


def sentence(found: Mapping[str, Any]) -> str:
    """Say how often an effect of the planted size is found, from which size on, and false alarms.

    Args:
        found: What `sight` found, without the sentence.
    """
    parts = [_opening(found), _gate(found), _sizes(found), _alarms(found)]
    return " ".join(part for part in parts if part)


def _opening(found: Mapping[str, Any]) -> str:
    size = _amount(found["planted"], found["unit"])
    overall = _share(found, "network", EVERYWHERE)
    stage = _share(found, "stage", ONE_STAGE)
    block = _share(found, "block", ONE_STAGE)
    return (
        f"Of 100 studies with these {found['num_rows']} rows and their noise, {_in_100(overall)} "
        f"would find skips that are worth {size} at all blocks, {_in_100(stage)} those of one "
        f"stage alone, and {_in_100(block)} a single block of such a stage."
    )


def _gate(found: Mapping[str, Any]) -> str:
    alone, beside = _share(found, "block", ONE_BLOCK), _share(found, "block", ONE_STAGE)
    if alone is None or beside is None or beside - alone < _GATE:
        return ""
    return (
        f"A block that helps alone is found by {_in_100(alone)}: single blocks are looked at only "
        "in stages that show an effect themselves."
    )


def _sizes(found: Mapping[str, Any]) -> str:
    known = [row for row in found["found_80"] if row["size"] is not None]
    if not known:
        return "No effect within reach is found by 80 of 100."
    sizes = _list([f"{_amount(r['size'], found['unit'])} {_LEVELS[r['level']]}" for r in known])
    return f"To be found by 80 of 100, an effect has to be {sizes}."


def _alarms(found: Mapping[str, Any]) -> str:
    share = found["false_alarm_share"]
    return f"Where no skip does anything, {_in_100(share)} of 100 claim an effect."


def _share(found: Mapping[str, Any], level: str, where: str) -> float | None:
    rows = (r for r in found["by_size"] if (r["level"], r["planted_at"]) == (level, where))
    return next((row["found_share"] for row in rows if row["multiple"] == 1), None)


def _in_100(share: float | None) -> str:
    """Return a share as a number of 100; nothing is sure that was seen in simulations only."""
    if not share:
        return "0"
    return "over 99" if share > 0.995 else "under 1" if share < 0.005 else f"{100 * share:.0f}"


def _amount(size: float, unit: str | None) -> str:
    if unit == "fraction":
        return f"{100 * size:.2g} points"
    return f"{size:.2g}" + (f" {unit}" if unit else "")


def _list(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
