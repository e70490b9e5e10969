"""Paired trainings grouped: a base network, its flips, and what their pairs are a contrast of."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nas.benefit.reading import depths_of, kinds_of, layers_of, places_of_depths, sort_rows
from nas.flips import Flip
from nas.trials import Source, TrialRecord
from search_spaces.spec import Kind, Place

Runs = dict[int, TrialRecord]
"""Finished trainings by replicate."""

ABL, ADD, KIND, JOINT = "ABL", "ADD", "KIND", "JOINT"


@dataclass(frozen=True)
class Ablation:
    """A base network and its flips, each with its finished trainings."""

    base: str
    runs: Runs
    flips: dict[Flip, Runs]
    kinds: dict[Place, Kind]
    """Kind of every block of the base."""
    places: tuple[Place, ...]
    layers: int
    of_trial: int | None


@dataclass(frozen=True)
class Contrast:
    """What a flip is compared for: `first` minus `second`, positive = better with the skip.

    Of a flip of several blocks at once, positive = the changed network is better.
    """

    estimand: str
    """`ABL`: the base's skip against none; `ADD`: a skip where the base has none; `KIND`: projection
    against identity; `JOINT`: several blocks changed at once."""
    flip: Flip
    kind: str | None
    reference_kind: str | None
    first: Runs
    second: Runs

    def pairs(self) -> list[tuple[TrialRecord, TrialRecord]]:
        """Return the trainings of both arms with the same seed, in order of replicate."""
        common = sorted(self.first.keys() & self.second.keys())
        return [(self.first[number], self.second[number]) for number in common]

    def where(self, ablation: Ablation) -> dict[str, Any]:
        """Return place and kinds as columns; a flip of several blocks is at no one place."""
        single = self.flip.single
        place = None if single is None else single[0]
        is_known = place is not None and place in ablation.places
        return {
            "position": ablation.places.index(place) + 1 if place and is_known else None,
            "stage": None if place is None else place.stage,
            "block": None if place is None else place.block,
            "kind": self.kind,
            "reference_kind": self.reference_kind,
        }

    def difference(self, name: str) -> int | None:
        """Return by how much a cost, such as `params`, is larger in the first arm."""
        if not self.first or not self.second:
            return None
        first, second = (getattr(next(iter(r.values())), name) for r in (self.first, self.second))
        return None if first is None or second is None else first - second


def group_ablations(repeats: Sequence[TrialRecord]) -> list[Ablation]:
    """Return the ablations among the repeats, in the order in which they were begun."""
    by_base: dict[str, dict[str | None, Runs]] = defaultdict(lambda: defaultdict(dict))
    for row in sort_rows(repeats):
        if row.source is Source.PAIRED and row.base is not None and row.state.is_finished:
            by_base[row.base][row.flip].setdefault(row.replicate, row)
    return [_ablation(base, runs) for base, runs in by_base.items() if runs.get(None)]


def _ablation(base: str, by_flip: dict[str | None, Runs]) -> Ablation:
    runs = by_flip[None]
    network = next(iter(runs.values()))
    flips = {Flip.parse(text): own for text, own in by_flip.items() if text is not None}
    return Ablation(
        base=base,
        runs=runs,
        flips=flips,
        kinds=kinds_of(network),
        places=places_of_depths(depths_of(network)),
        layers=layers_of(network),
        of_trial=network.of_trial,
    )


def contrasts_of(ablation: Ablation) -> list[Contrast]:
    """Return what the flips tell, in network order, those of several blocks last."""
    return [_contrast(ablation, flip) for flip in sorted(ablation.flips, key=_order)]


def _order(flip: Flip) -> tuple[bool, list[tuple[Place, int]]]:
    changes = [(place, list(Kind).index(kind)) for place, kind in flip.changes]
    return flip.single is None, changes


def _contrast(ablation: Ablation, flip: Flip) -> Contrast:
    base, changed = ablation.runs, ablation.flips[flip]
    if flip.single is None:
        return Contrast(JOINT, flip, None, None, changed, base)
    place, kind = flip.single
    own = ablation.kinds.get(place, Kind.NONE)
    if kind is Kind.NONE:
        return Contrast(ABL, flip, own.value, kind.value, base, changed)
    if own is Kind.NONE:
        return Contrast(ADD, flip, kind.value, own.value, changed, base)
    with_projection = (changed, base) if kind is Kind.PROJECTION else (base, changed)
    return Contrast(KIND, flip, Kind.PROJECTION.value, Kind.IDENTITY.value, *with_projection)
