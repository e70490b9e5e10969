"""Effects, anchors and their words, read from `skip_benefit.json` whatever it lacks."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nas.report.numbers import Metric, is_number, mapping, pair, rows
from search_spaces.spec import Place

_ANCHOR = re.compile(r"^(?P<family>.+)-(?P<layers>\d+)$")
_PLACE = re.compile(r"stage(\d+)(?:\.block(\d+))?")


class Direction(StrEnum):
    """What an effect does, in the words of the page."""

    HELPS = "helps"
    HURTS = "hurts"
    NEGLIGIBLE = "too small to matter"
    UNKNOWN = "cannot tell"


_DIRECTIONS = {
    "benefit": Direction.HELPS,
    "harm": Direction.HURTS,
    "negligible": Direction.NEGLIGIBLE,
}


def direction_of(decision: str) -> Direction:
    """Return what a decision of the data says; `inconclusive`, or unknown ones, say nothing."""
    return _DIRECTIONS.get(decision, Direction.UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One row of effects; the interval is the simultaneous one."""

    estimand: str
    kind: str
    stage: int | None
    block: int | None
    estimate: float | None
    low: float | None
    high: float | None
    decision: str
    size: str | None
    gate_passed: bool
    n_runs: int | None
    grade: str | None
    delta_params: float | None
    span: int | None = None
    """Span compared with `reference_span`, given a skip; None for kinds."""
    reference_span: int | None = None

    @property
    def direction(self) -> Direction:
        """What may be said: nothing where a coarser level did not pass."""
        if not self.gate_passed or self.estimate is None:
            return Direction.UNKNOWN
        return direction_of(self.decision)

    @property
    def words(self) -> str:
        """Direction and size in two words, such as `helps, large`."""
        decided = self.direction in (Direction.HELPS, Direction.HURTS)
        return f"{self.direction}, {self.size}" if decided and self.size else str(self.direction)

    @property
    def place(self) -> Place | None:
        """The block, for effects of single blocks."""
        if self.stage is None or self.block is None:
            return None
        return Place(self.stage, self.block)


def read_effects(data: Iterable[Mapping[str, Any]], estimand: str | None = None) -> list[Effect]:
    """Read rows of effects, all or those of one estimand."""
    return [_effect(row) for row in data if estimand is None or row.get("estimand") == estimand]


def effects_of(benefit: Mapping[str, Any], estimand: str) -> list[Effect]:
    """Return the effects of one estimand on the study's metric, at the reference depth.

    Kinds that a block cannot have are left out.
    """
    never = impossible(benefit, "identity" if estimand == "KIND" else "none")
    found = read_effects(rows(benefit.get("effects")), estimand)
    return [effect for effect in found if (effect.place, effect.kind) not in never]


def impossible(benefit: Mapping[str, Any], reference: str) -> set[tuple[Place, str]]:
    """Return the kinds that single blocks cannot have, or not compare with the reference."""
    distribution = mapping(benefit.get("reference_distribution"))
    own = {
        Place.parse(str(name)): set(mapping(kinds))
        for name, kinds in mapping(distribution.get("per_position_probs")).items()
    }
    every = {kind for kinds in own.values() for kind in kinds}
    return {
        (place, kind)
        for place, kinds in own.items()
        for kind in every
        if not {kind, reference} <= kinds or kind == reference
    }


def reference_kind(benefit: Mapping[str, Any]) -> str:
    """Return what kinds are compared with: none, or identity where every block has a skip."""
    estimands = {str(row.get("estimand")) for row in rows(benefit.get("effects"))}
    has_none = not estimands or any(name.startswith("AMCE") for name in estimands)
    return "none" if has_none else "identity"


def is_within_constraints(benefit: Mapping[str, Any]) -> bool:
    """Say whether rows of the design were left out for the study's constraints."""
    return "W_CONSTRAINED" in (benefit.get("warnings") or ())


def block_effects(benefit: Mapping[str, Any]) -> dict[tuple[Place, str], Effect]:
    """Return the effects of single blocks by place and kind, against `reference_kind`."""
    found = effects_of(benefit, "AMCE" if reference_kind(benefit) == "none" else "KIND")
    return {(effect.place, effect.kind): effect for effect in found if effect.place is not None}


def all_skips(benefit: Mapping[str, Any], kind: str = "skip") -> Effect | None:
    """Return the effect over all positions, of any skip or of one kind."""
    return next((e for e in effects_of(benefit, "AMCE_ALL") if e.kind == kind), None)


def kind_contrast(benefit: Mapping[str, Any]) -> Effect | None:
    """Return projection against identity over all positions; above 0 projection is better."""
    found = effects_of(benefit, "KIND_ALL") + effects_of(benefit, "KIND")
    return next((effect for effect in found if effect.stage is None), None)


def _effect(row: Mapping[str, Any]) -> Effect:
    stage, block = _integer(row.get("stage")), _integer(row.get("block"))
    match = _PLACE.search(str(row.get("position") or ""))
    if stage is None and match:
        stage, block = int(match[1]), int(match[2]) if match[2] else None
    return Effect(
        estimand=str(row.get("estimand") or ""),
        kind=str(row.get("kind") or ""),
        stage=stage,
        block=block,
        estimate=_number(row.get("estimate")),
        low=_number(row.get("ci_sim_low")),
        high=_number(row.get("ci_sim_high")),
        decision=str(row.get("decision") or "inconclusive"),
        size=row.get("size") or None,
        gate_passed=row.get("gate_passed") is not False,
        n_runs=_integer(row.get("n_runs")),
        grade=row.get("grade") or None,
        delta_params=_number(row.get("delta_params")),
        span=_integer(row.get("span")),
        reference_span=_integer(row.get("reference_span")),
    )


def _number(value: Any) -> float | None:
    return float(value) if is_number(value) else None


def _integer(value: Any) -> int | None:
    return int(value) if is_number(value) else None


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean over seeds, with its interval."""

    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None

    @classmethod
    def read(cls, data: Mapping[str, Any], n: int | None = None) -> "Spread":
        """Read `{n, mean, sd, ci}`; `n` where the data does not hold it."""
        low, high = pair(data.get("ci"))
        return cls(
            n=_integer(data.get("n")) or n or 0,
            mean=_number(data.get("mean")),
            sd=_number(data.get("sd")),
            low=low,
            high=high,
        )


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A hand-designed network, trained on several seeds."""

    name: str
    family: str
    """`plain`, `identity`, ..."""
    layers: int | None
    failed: int
    spreads: dict[str, Spread]
    """By metric name, with underscores."""

    def best_known(self, *names: str) -> tuple[str, Spread] | None:
        """Return the first of these metrics that is known."""
        for name in names:
            spread = self.spreads.get(name)
            if spread is not None and spread.mean is not None:
                return name, spread
        return None


def read_anchors(benefit: Mapping[str, Any], metric: Metric) -> list[Anchor]:
    """Read the anchors, shallow ones first."""
    anchors: list[Anchor] = []
    for row in rows(benefit.get("anchors")):
        name = str(row.get("name") or "anchor")
        match = _ANCHOR.match(name)
        n = _integer(row.get("n"))
        spreads = {
            str(key).replace("/", "_"): Spread.read(mapping(value), n)
            for key, value in mapping(row.get("metrics")).items()
        }
        anchors.append(
            Anchor(
                name=name,
                family=match["family"] if match else name,
                layers=int(match["layers"]) if match else _integer(row.get("depth")),
                failed=_integer(row.get("failed")) or 0,
                spreads={metric.name: Spread.read(row, n)} | spreads,
            )
        )
    return sorted(anchors, key=lambda a: (a.layers or 0, a.family != "plain", a.family))


def reference_layers(benefit: Mapping[str, Any]) -> int | None:
    """Return how many layers the networks of the random design have."""
    return _integer(mapping(benefit.get("reference_depth")).get("depth"))


def reference_pair(
    anchors: list[Anchor], layers: int | None = None
) -> tuple[Anchor, Anchor] | None:
    """Return the plain and the full-identity network of `layers`, else the deepest such pair."""
    by_name = {(anchor.family, anchor.layers): anchor for anchor in anchors}
    depths = {a.layers for a in anchors if a.layers is not None}
    for depth in sorted(depths, key=lambda depth: (depth == layers, depth), reverse=True):
        plain, full = by_name.get(("plain", depth)), by_name.get(("identity", depth))
        if plain is not None and full is not None:
            return plain, full
    return None


def places_by_position(benefit: Mapping[str, Any]) -> dict[int, Place]:
    """Return the block at every position, counted through the network from 1."""
    found: dict[int, Place] = {}
    for row in rows(benefit.get("effects")):
        position, stage, block = (row.get(name) for name in ("position", "stage", "block"))
        if is_number(position) and is_number(stage) and is_number(block):
            found[int(position)] = Place(int(stage), int(block))
    return found
