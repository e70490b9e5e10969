"""The networks and recipes that the claims compare, made from a study's configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

from nas.claims.jobs import Measuring, Scope, Training
from nas.config import StudyConfig
from search_spaces.shapes import block_shapes
from search_spaces.spec import ArchitectureSpec, Kind, Place, StageSpec, span_one_skips
from trainer.data import DataFacts
from trainer.recipe import Recipe

_FRAME_BLOCKS = 12
"""Blocks of the networks in which the place of a skip is varied: 26 layers of basic blocks."""
_GROUPS = 6
"""Groups of neighbouring blocks that have their skips on or off together."""


@dataclass(frozen=True, kw_only=True)
class ClaimsSetup:
    """What the claims are tested with."""

    facts: DataFacts
    template: ArchitectureSpec
    """A network of the study's space, whose widths, block type and norm all others have."""
    recipe: Recipe
    scope: Scope
    seeds: int | None = None
    """Seeds of each training; None: as many as each claim's test asks for."""

    @classmethod
    def from_config(cls, config: StudyConfig, seeds: int | None = None) -> "ClaimsSetup":
        """Take networks, recipe and data of a study."""
        space = config.make_space()
        task = None if config.task is None else config.task.model_dump(mode="json")
        return cls(
            facts=config.facts(),
            # Only a network with projections keeps how the space makes them.
            template=space.uniform(space.deepest, Kind.PROJECTION),
            recipe=config.recipe.reference(),
            scope=Scope(data=config.data, study_seed=config.search.seed, task=task),
            seeds=seeds,
        )

    @property
    def chance_loss(self) -> float:
        """Log-loss of a guess that takes all classes for equally likely, nats."""
        return log(self.facts.num_classes)

    @property
    def num_stages(self) -> int:
        """Stages of the study's networks."""
        return len(self.template.stages)

    @property
    def rates(self) -> tuple[float, float]:
        """The study's learning rate, and a third of it."""
        return self.recipe.lr, self.recipe.lr / 3

    def num_seeds(self, usual: int) -> int:
        """Return how many seeds a test uses that usually has so many."""
        return self.seeds or usual

    def least_seeds(self, usual: int) -> int:
        """Return how many seeds a cheap test uses: never fewer than usual."""
        return max(self.seeds or usual, usual)

    def of_layers(self, layers: int, kind: Kind = Kind.IDENTITY) -> ArchitectureSpec:
        """Return the network with about so many layers, as many blocks in every stage."""
        per_block = self.template.block_layers * self.num_stages
        return self.staged(max(1, round((layers - 2) / per_block)), kind)

    def depths(self, layers: Sequence[int]) -> list[int]:
        """Return the layer counts nearest to these that networks of this block type have."""
        return sorted({self.of_layers(number).layers for number in layers})

    def staged(self, blocks: int, kind: Kind) -> ArchitectureSpec:
        """Return the network with so many blocks in every stage and one kind of skip."""
        stages = [stage.model_copy(update={"blocks": blocks}) for stage in self.template.stages]
        return self._uniform(stages, kind)

    def frame(self, name: str, kind: Kind = Kind.IDENTITY) -> ArchitectureSpec:
        """Return the network in which the place of skips is varied.

        Args:
            name: `staged`: the study's own stages; `isotropic`: one stage, so that width and
                resolution are the same everywhere.
            kind: Of the skips.
        """
        first = self.template.stages[0]
        if name == "isotropic":
            return self._uniform([first.model_copy(update={"blocks": _FRAME_BLOCKS})], kind)
        blocks = -(-_FRAME_BLOCKS // self.num_stages)
        while blocks * self.num_stages % _GROUPS:
            blocks += 1
        return self.staged(blocks, kind)

    def with_parts(self, full: ArchitectureSpec, parts: Sequence[bool]) -> ArchitectureSpec:
        """Return the network with the skips of some of its equal parts, in network order."""
        places = list(full.places())
        length = len(places) // len(parts)
        return self._network(
            full.stages,
            {
                place: Kind.IDENTITY if parts[index // length] else Kind.NONE
                for index, place in enumerate(places)
            },
        )

    def with_projections(self, full: ArchitectureSpec, *, everywhere: bool) -> ArchitectureSpec:
        """Return the network with projections in every block, or where the shape changes."""
        return self._network(
            full.stages,
            {
                shape.place: Kind.PROJECTION
                if everywhere or shape.changes_shape
                else Kind.IDENTITY
                for shape in block_shapes(full)
            },
        )

    def training(
        self,
        spec: ArchitectureSpec,
        replicate: int,
        *,
        lr: float | None = None,
        warmup_epochs: float | None = None,
        looks_inside: bool = False,
    ) -> Training:
        """Return the training of a network by the study's recipe, or with values of its own."""
        own: dict[str, float] = {"lr": lr or self.recipe.lr}
        if warmup_epochs is not None:
            own["warmup_epochs"] = min(warmup_epochs, self.recipe.epochs)
        return Training(
            scope=self.scope,
            spec=spec,
            replicate=replicate,
            recipe=self.recipe.model_copy(update=own),
            looks_inside=looks_inside and self.can_look_inside,
        )

    def by_depth(self, spec: ArchitectureSpec, replicate: int) -> Training:
        """Return the training of a plain or full-identity network, which several claims share."""
        return self.training(spec, replicate, looks_inside=True)

    @property
    def can_look_inside(self) -> bool:
        """Whether trained weights fit the network of the spec; a task may build another."""
        return self.scope.task is None

    def measuring(
        self, what: str, num_seeds: int, spec: ArchitectureSpec | None = None
    ) -> Measuring:
        """Return a measurement on the study's data."""
        return Measuring(
            scope=self.scope,
            what=what,  # pyright: ignore[reportArgumentType]
            num_seeds=num_seeds,
            spec=spec,
            batch_size=self.recipe.batch_size,
        )

    def _uniform(self, stages: Sequence[StageSpec], kind: Kind) -> ArchitectureSpec:
        places = [
            Place(number, block)
            for number, stage in enumerate(stages, start=1)
            for block in range(1, stage.blocks + 1)
        ]
        return self._network(stages, dict.fromkeys(places, kind))

    def _network(
        self, stages: Sequence[StageSpec], kinds: Mapping[Place, Kind]
    ) -> ArchitectureSpec:
        # From the template, since a network without skips has forgotten how they begin.
        parts = [stage.model_dump(mode="json") for stage in stages]
        return self.template.changed(stages=parts, skips=span_one_skips(kinds))
