"""Paired evidence, read from `confirm`: one network with one skip flipped, on the same seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas.report.effects import Direction, direction_of
from nas.report.numbers import is_number, mapping, pair, rows
from search_spaces.spec import Place

_ORDER = {"ABL": 0, "KIND": 1, "ADD": 2, "JOINT": 3}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One flip, positive = having the skip, or the projection, is better."""

    base: str
    """The network that was changed, such as `trial 17` or `identity-32`."""
    of_trial: int | None
    """Trial that the base network is, if any."""
    estimand: str
    """ABL, ADD, KIND or JOINT."""
    flip: str
    place: Place | None
    """The block; None where several change at once."""
    kind: str
    reference_kind: str
    estimate: float | None
    low: float | None
    high: float | None
    """Ends of the simultaneous interval."""
    p: float | None
    n_pairs: int
    n_failed: int
    rho: float | None
    """Correlation of the two networks over seeds."""
    split: str
    """`test` or `validation`."""
    decision: str
    size: str | None

    @property
    def direction(self) -> Direction:
        """What may be said."""
        return Direction.UNKNOWN if self.estimate is None else direction_of(self.decision)

    @property
    def words(self) -> str:
        """Direction and size, such as `helps, large`."""
        decided = self.direction in (Direction.HELPS, Direction.HURTS)
        return f"{self.direction}, {self.size}" if decided and self.size else str(self.direction)


def read_pairs(benefit: Mapping[str, Any]) -> dict[str, list[Pair]]:
    """Return the flips of every base network: trials first, then anchors, in network order."""
    found: dict[str, list[Pair]] = {}
    for row in rows(benefit.get("confirm")):
        one = _pair(row)
        found.setdefault(one.base, []).append(one)
    for flips in found.values():
        flips.sort(key=lambda one: (_ORDER.get(one.estimand, 9), one.place or (0, 0), one.kind))
    return dict(sorted(found.items(), key=lambda item: _rank(benefit, item[1][0])))


def best_pairs(benefit: Mapping[str, Any]) -> tuple[str, list[Pair]] | None:
    """Return all flips of the best network, else of another finalist, else of full identity.

    Only networks count of whose skips at least one was taken away by itself.
    """
    for base, flips in read_pairs(benefit).items():
        if any(one.estimand == "ABL" and one.place is not None for one in flips):
            return base, flips
    return None


def is_best(benefit: Mapping[str, Any], one: Pair) -> bool:
    """Say whether the base network is the best one found."""
    number = mapping(mapping(benefit.get("search")).get("incumbent")).get("trial")
    return number is not None and one.of_trial == number


def _rank(benefit: Mapping[str, Any], one: Pair) -> tuple[bool, bool, bool, str]:
    is_trial, is_full = one.base.startswith("trial"), one.base.startswith("identity")
    return (not is_best(benefit, one), not is_trial, not is_full, one.base)


def _pair(row: Mapping[str, Any]) -> Pair:
    low, high = pair(row.get("ci_sim"))
    base, stage, block = str(row.get("base") or ""), row.get("stage"), row.get("block")
    number = row.get("of_trial")
    if not is_number(number) and base.startswith("trial "):
        number = int(base.split()[1]) if base.split()[1].isdigit() else None
    return Pair(
        base=base,
        of_trial=int(number) if is_number(number) else None,
        estimand=str(row.get("estimand") or ""),
        flip=str(row.get("flip") or ""),
        place=Place(int(stage), int(block)) if is_number(stage) and is_number(block) else None,
        kind=str(row.get("kind") or ""),
        reference_kind=str(row.get("reference_kind") or ""),
        estimate=float(row["d_mean"]) if is_number(row.get("d_mean")) else None,
        low=low,
        high=high,
        p=float(row["p"]) if is_number(row.get("p")) else None,
        n_pairs=int(row["n_pairs"]) if is_number(row.get("n_pairs")) else 0,
        n_failed=int(row["n_failed"]) if is_number(row.get("n_failed")) else 0,
        rho=float(row["rho"]) if is_number(row.get("rho")) else None,
        split=str(row.get("split") or "validation"),
        decision=str(row.get("decision") or "inconclusive"),
        size=row.get("size") or None,
    )
