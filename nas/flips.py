"""A flip: a network with the skip at one block, or at a few at once, changed to another kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nas.errors import ConfigError
from nas.space_kinds import choices_of, kinds_of
from search_spaces.errors import SpecError
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec, Kind, Place


@dataclass(frozen=True)
class Flip:
    """What a network is changed to.

    >>> str(Flip.parse("stage2.block3=none,stage1.block1=identity"))
    'stage1.block1=identity,stage2.block3=none'
    """

    changes: tuple[tuple[Place, Kind], ...]
    """Blocks and their new kinds, in network order; at least one."""

    def __str__(self) -> str:
        return ",".join(f"{place}={kind.value}" for place, kind in self.changes)

    @property
    def single(self) -> tuple[Place, Kind] | None:
        """Block and kind of a flip of one block; None where several change at once."""
        return self.changes[0] if len(self.changes) == 1 else None

    @classmethod
    def parse(cls, text: str) -> "Flip":
        """Read `stage2.block3=none`, or several of these with commas between them.

        Raises:
            ConfigError: It has another form, the word is no kind, or a block occurs twice.
        """
        changes: dict[Place, Kind] = {}
        for part in text.split(","):
            name, equals, word = part.strip().partition("=")
            if not equals:
                raise ConfigError(
                    f"A flip must be a block and its new kind, got {part[:60]!r}. Write it like "
                    "stage2.block3=none."
                )
            try:
                place, kind = Place.parse(name.strip()), Kind.parse(word.strip())
            except SpecError as error:
                raise ConfigError(
                    f"A flip such as stage2.block3=none is needed: {error}"
                ) from None
            if place in changes:
                raise ConfigError(
                    f"A flip must change a block once, got {place} twice in {text[:80]!r}. Give "
                    "the kinds in flips of their own."
                )
            changes[place] = kind
        return cls(tuple(sorted(changes.items())))


def flipped(space: SearchSpace, spec: ArchitectureSpec, flip: Flip) -> ArchitectureSpec:
    """Return the network with the shortest skip that ends at each of the blocks changed.

    A skip keeps where it begins; one that is added has span 1. All else stays as it is.

    Raises:
        SpecError: A block does not exist.
    """
    skips = {place: list(ends) for place, ends in zip(spec.places(), spec.incoming, strict=True)}
    edges = [skip.model_dump(mode="json", by_alias=True) for skip in spec.skips]
    for place, kind in flip.changes:
        shortest = next(iter(skips.get(place, ())), None)
        start = str(place) if shortest is None else shortest.start
        ends = {"from": start, "to": str(place)}
        edges = [edge for edge in edges if (edge["from"], edge["to"]) != (start, str(place))]
        if kind is not Kind.NONE:
            edges.append({**ends, "kind": kind.value})
    return spec.changed(skips=edges, **_fields_of_skips(space, spec, flip))


def _fields_of_skips(space: SearchSpace, spec: ArchitectureSpec, flip: Flip) -> dict[str, Any]:
    """Return the fields that a network knows only with skips, for its first skip of a kind."""
    kinds = {kind for _, kind in flip.changes} - {Kind.NONE}
    fields: dict[str, Any] = {}
    if kinds and not spec.skips:
        fields["zero_init"] = space.uniform(spec.depths, next(iter(kinds))).zero_init
    if Kind.PROJECTION in kinds and spec.projection == "strided":
        fields["projection"] = space.uniform(spec.depths, Kind.PROJECTION).projection
    return fields


def legal_flips(space: SearchSpace, spec: ArchitectureSpec) -> dict[Flip, ArchitectureSpec]:
    """Return every flip of one block that leads to a network of the space, in network order.

    Of a network that is not in the space itself, as the plain one of a space without `none`, each
    block may be changed to each kind that the space has there.
    """
    is_legal = legality(space, spec)
    found: dict[Flip, ArchitectureSpec] = {}
    for place, own in zip(spec.places(), spec.ending_kinds, strict=True):
        for kind in Kind:
            flip = Flip(((place, kind),))
            if kind is not own and is_legal(flip):
                found[flip] = flipped(space, spec, flip)
    return found


def legality(space: SearchSpace, spec: ArchitectureSpec) -> Callable[[Flip], bool]:
    """Return what says of a flip of this network whether the space allows it."""
    if space.contains(spec):
        return lambda flip: space.contains(flipped(space, spec, flip))
    choices, anywhere = choices_of(space), kinds_of(space)

    def is_legal(flip: Flip) -> bool:
        return all(
            kind in (choices[place].kinds if place in choices else anywhere)
            for place, kind in flip.changes
        )

    return is_legal
