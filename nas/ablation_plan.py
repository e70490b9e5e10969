"""What `nas ablate` trains: finalists and anchors, each with its skips flipped one by one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nas.errors import ConfigError
from nas.finalists import Ranking
from nas.flips import Flip, flipped, legal_flips, legality
from nas.repeats_feed import Repeat, anchor_name
from nas.searched_recipe import SearchedRecipe
from nas.trials import Source
from search_spaces.errors import did_you_mean
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec, Kind

LEAST_SEEDS = 2
"""One pair has no spread, hence no interval."""
MOST_SEEDS = 1000
"""More are a slip of the finger: the plan alone would hold millions of trainings."""


@dataclass(frozen=True, kw_only=True)
class AblateOptions:
    """What is asked of `nas ablate`."""

    top: int = 1
    """How many of the best finalists; 0: anchors alone."""
    seeds: int = 5
    """Pairs for each flip, those of former calls included."""
    flips: tuple[str, ...] = ()
    """Such as `stage2.block3=none`; empty: every flip that the space allows."""

    def check(self) -> tuple[Flip, ...]:
        """Return the flips that are asked for.

        Raises:
            ConfigError: A number is out of range, or a flip is no flip or is there twice.
        """
        if self.top < 0:
            raise ConfigError(
                f"nas ablate: --top must be >= 0, got top={self.top}. 0 leaves the anchors alone."
            )
        if self.seeds < LEAST_SEEDS:
            raise ConfigError(
                f"nas ablate: --seeds must be >= {LEAST_SEEDS}, got seeds={self.seeds}. One pair "
                "has no interval; five or more are usual."
            )
        if self.seeds > MOST_SEEDS:
            raise ConfigError(
                f"nas ablate: --seeds must be <= {MOST_SEEDS}, got seeds={self.seeds}. Five to "
                "twelve are usual; a --flip for single blocks leaves time for more."
            )
        flips = [Flip.parse(text) for text in self.flips]
        for index, flip in enumerate(flips):
            if flip in flips[:index]:
                raise ConfigError(
                    f"nas ablate: every --flip must be there once, got {flip} twice. Remove one."
                )
        return tuple(flips)


@dataclass(frozen=True, kw_only=True)
class Base:
    """A network that is compared with what becomes of it when a skip is flipped."""

    name: str
    """Such as `identity-32` or `trial 17`; names the seeds too."""
    spec: ArchitectureSpec
    flips: Mapping[Flip, ArchitectureSpec]
    recipe: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    """Its own values of what the recipe has ranges of; the reference where empty."""
    of_trial: int | None = None

    def repeats(self, replicate: int) -> list[Repeat]:
        """Return the trainings on one seed: the base network, then its flips."""
        networks = [(None, self.spec), *self.flips.items()]
        return [
            Repeat(
                spec=spec,
                source=Source.PAIRED,
                replicate=replicate,
                of_trial=self.of_trial,
                recipe=self.recipe,
                base=self.name,
                flip=None if flip is None else str(flip),
            )
            for flip, spec in networks
        ]


@dataclass(frozen=True, kw_only=True)
class AblationPlan:
    """All bases, and on how many seeds each is trained."""

    bases: tuple[Base, ...]
    seeds: int

    def repeats(self) -> list[Repeat]:
        """Return all trainings, one seed after the other, so that early ends leave whole pairs."""
        return [
            repeat
            for replicate in range(self.seeds)
            for base in self.bases
            for repeat in base.repeats(replicate)
        ]


def plan_ablation(
    space: SearchSpace,
    recipe: SearchedRecipe,
    ranking: Ranking | None,
    options: AblateOptions,
) -> AblationPlan:
    """Plan the paired trainings of a study.

    Args:
        space: Its search space.
        recipe: Its recipe.
        ranking: Its finalists over fresh seeds; None where there are none.
        options: What is asked for.

    Raises:
        ConfigError: There are no finalists, fewer than asked for, or a flip is not possible in any
            of the networks.
    """
    wanted = options.check()

    def training(base: Base) -> tuple[str, float | None, float | None]:
        values = recipe.resolve(base.recipe)
        return base.spec.spec_id, values.lr, values.weight_decay

    anchors = {training(anchor): anchor for anchor in _anchors(space)}
    bases: list[Base] = []
    for finalist in _finalists(ranking, options.top):
        same = anchors.get(training(finalist))
        if same is None:
            bases.append(finalist)
        else:
            # Not trained twice; it has the anchor's name, whoever is best.
            anchors[training(finalist)] = replace(same, of_trial=finalist.of_trial)
    bases += anchors.values()
    return AblationPlan(bases=tuple(_with_flips(space, bases, wanted)), seeds=options.seeds)


def _finalists(ranking: Ranking | None, top: int) -> list[Base]:
    if not top:
        return []
    standings = [s for s in ranking.standings if s.spec is not None] if ranking else []
    if not standings:
        raise ConfigError(
            f"nas ablate: retrained finalists are needed, got none for top={top}. Bring the study "
            "to its end with nas search, without --no-export, or give --top 0 for anchors alone."
        )
    if top > len(standings):
        raise ConfigError(
            f"nas ablate: --top must be at most the number of retrained finalists, got top={top} "
            f"of {len(standings)}. Give --top {len(standings)}."
        )
    return [
        Base(
            name=f"trial {standing.of_trial}",
            spec=standing.spec,
            flips={},
            recipe=standing.runs[0].recipe,
            of_trial=standing.of_trial,
        )
        for standing in standings[:top]
        if standing.spec is not None
    ]


def _anchors(space: SearchSpace) -> list[Base]:
    """Return the networks of the reference depth with a skip everywhere, and nowhere."""
    specs = {kind: space.uniform(space.deepest, kind) for kind in (Kind.IDENTITY, Kind.NONE)}
    return [
        Base(name=anchor_name(kind, spec), spec=spec, flips={}) for kind, spec in specs.items()
    ]


def _with_flips(space: SearchSpace, bases: Sequence[Base], wanted: Collection[Flip]) -> list[Base]:
    """Return the bases that have any flips, with these."""
    if not wanted:
        found = [(base, legal_flips(space, base.spec)) for base in bases]
    else:
        _check_possible(space, [base.spec for base in bases], wanted)
        found = [(base, _chosen_flips(space, base.spec, wanted)) for base in bases]
    return [replace(base, flips=flips) for base, flips in found if flips]


def _chosen_flips(
    space: SearchSpace, spec: ArchitectureSpec, wanted: Collection[Flip]
) -> dict[Flip, ArchitectureSpec]:
    is_legal = legality(space, spec)
    return {
        flip: flipped(space, spec, flip)
        for flip in wanted
        if _exists(spec, flip) and _changes_all(spec, flip) and is_legal(flip)
    }


def _exists(spec: ArchitectureSpec, flip: Flip) -> bool:
    return {place for place, _ in flip.changes} <= set(spec.places())


def _changes_all(spec: ArchitectureSpec, flip: Flip) -> bool:
    """Say whether every block of a flip has another kind now."""
    own = dict(zip(spec.places(), spec.ending_kinds, strict=True))
    return all(own[place] is not kind for place, kind in flip.changes)


def _check_possible(
    space: SearchSpace, specs: Sequence[ArchitectureSpec], wanted: Collection[Flip]
) -> None:
    """Refuse flips that are possible in none of the networks."""
    for flip in wanted:
        having = [spec for spec in specs if _exists(spec, flip)]
        if not having:
            places = sorted({place for spec in specs for place in spec.places()})
            unknown = next(place for place, _ in flip.changes if place not in places)
            raise ConfigError(
                f"nas ablate: --flip must name a block of the networks, got {unknown}. "
                f"{did_you_mean(str(unknown), map(str, places))}"
            )
        changed = [spec for spec in having if _changes_all(spec, flip)]
        if not changed:
            raise ConfigError(
                f"nas ablate: --flip must change every block that it names, got {flip}, which no "
                "network of the ablation differs from. Choose another kind."
            )
        if not any(legality(space, spec)(flip) for spec in changed):
            kinds = {flip for spec in changed for flip in legal_flips(space, spec)}
            known = sorted(str(one) for one in kinds if one.changes[0][0] in dict(flip.changes))
            raise ConfigError(
                f"nas ablate: --flip must lead to a network of the space, got {flip}. "
                f"{did_you_mean(str(flip), known)}"
            )
