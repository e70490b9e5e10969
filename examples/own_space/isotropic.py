"""A search space of your own: all stages of one width, and where identities belong within them.

Use it from a configuration, as in study.yaml beside this file:

    space: {class_path: isotropic.IsotropicSpace, init_args: {width: 16}}
"""

from search_spaces import (
    ArchitectureSpec,
    Decision,
    InputShape,
    Kind,
    Place,
    SearchSpace,
    SpaceError,
)
from search_spaces.space import Choose, Value


class IsotropicSpace(SearchSpace):
    """ResNets whose stages all have one width and end in images half as large.

    The first block of every stage halves the image and always has a projection. Each other block
    is plain or has an identity. Decisions: `depth.stage<i>`, then `skip.stage<i>.block<j>` for
    the blocks after the first.

    Args:
        width: Channels everywhere.
        stages: How many stages.
        max_blocks: Most blocks of a stage; the fewest are 2.
        input: Shape of the images, handed over by the toolkit.
        num_classes: How many classes they have, handed over by the toolkit.
    """

    def __init__(
        self,
        width: int = 16,
        stages: int = 2,
        max_blocks: int = 4,
        *,
        input: InputShape,
        num_classes: int,
    ) -> None:
        if max_blocks < 2:
            raise SpaceError(
                f"IsotropicSpace: max_blocks must be at least 2, got max_blocks={max_blocks}. The "
                "first block of a stage leaves nothing to decide."
            )
        if min(input.height, input.width) < 2**stages:
            raise SpaceError(
                f"IsotropicSpace: images must be at least {2**stages} px for stages={stages}, got "
                f"{input.height}x{input.width}. Ask for fewer stages."
            )
        self.width = width
        self.stages = stages
        self.depth_choices = tuple(range(2, max_blocks + 1))
        self.kinds = (Kind.NONE, Kind.IDENTITY)
        self.input = input
        self.num_classes = num_classes

    # What there is to decide: asked in network order, and read back.

    def decide(self, choose: Choose) -> ArchitectureSpec:
        """Ask the depth of every stage, then the kind of every inner block."""
        depths = tuple(
            int(choose(Decision(name=f"depth.stage{stage}", choices=self.depth_choices)))
            for stage in range(1, self.stages + 1)
        )
        kinds: dict[Place, Kind] = {}
        for place in self._inner_places(depths):
            choices = tuple(kind.value for kind in self.kinds)
            kinds[place] = Kind(choose(Decision(name=f"skip.{place}", choices=choices)))
        return self._spec(depths, kinds)

    def decisions(self, spec: ArchitectureSpec) -> dict[str, Value]:
        """Return the answers that lead to `spec`, or say why there are none."""
        depths = spec.depths
        if len(depths) != self.stages or not set(depths) <= set(self.depth_choices):
            raise SpaceError(
                f"The space has {self.stages} stages of 2 to {self.depth_choices[-1]} blocks, got "
                f"{'-'.join(map(str, depths))} blocks per stage."
            )
        kind_of = dict(zip(spec.places(), spec.kinds, strict=True))
        kinds = {place: kind_of[place] for place in self._inner_places(depths)}
        if not set(kinds.values()) <= set(self.kinds) or self._spec(depths, kinds) != spec:
            raise SpaceError(
                f"The space holds networks of width {self.width} with projections where images "
                f"are halved and identities elsewhere, got {spec.code!r}."
            )
        answers: dict[str, Value] = {
            f"depth.stage{stage}": depth for stage, depth in enumerate(depths, start=1)
        }
        return answers | {f"skip.{place}": kind.value for place, kind in kinds.items()}

    # What a study has to know of the space as a whole.

    @property
    def size(self) -> int:
        """How many architectures the space holds."""
        per_stage = sum(len(self.kinds) ** (depth - 1) for depth in self.depth_choices)
        return per_stage**self.stages

    @property
    def deepest(self) -> tuple[int, ...]:
        """Most blocks in every stage."""
        return (self.depth_choices[-1],) * self.stages

    @property
    def anchor_depths(self) -> tuple[tuple[int, ...], ...]:
        """The fewest and the most blocks in every stage."""
        return tuple((depth,) * self.stages for depth in sorted({2, self.depth_choices[-1]}))

    def uniform(self, depths: tuple[int, ...], kind: Kind) -> ArchitectureSpec:
        """Return the network with `kind` at every block, for comparison."""
        plain = self._spec(depths, {})
        return plain.with_kinds(dict.fromkeys(plain.places(), kind))

    # How a network is written down.

    def _inner_places(self, depths: tuple[int, ...]) -> list[Place]:
        return [
            Place(stage, block)
            for stage, depth in enumerate(depths, start=1)
            for block in range(2, depth + 1)
        ]

    def _spec(self, depths: tuple[int, ...], kinds: dict[Place, Kind]) -> ArchitectureSpec:
        plain = ArchitectureSpec.from_dict(
            {
                "input": self.input.model_dump(),
                "num_classes": self.num_classes,
                "stem_width": self.width,
                "stages": [
                    {"blocks": depth, "width": self.width, "stride": 2} for depth in depths
                ],
            }
        )
        projections = {Place(stage, 1): Kind.PROJECTION for stage in range(1, self.stages + 1)}
        return plain.with_kinds(projections | kinds)
