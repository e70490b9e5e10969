"""A subspace of deep networks that is small enough to be trained as a whole."""

from collections.abc import Mapping
from typing import Any

from search_spaces.errors import SpaceError
from search_spaces.places import Kind, Place
from search_spaces.registry import resolve_space
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig
from search_spaces.space import Choose, Decision, SearchSpace, Value
from search_spaces.spec import ArchitectureSpec, InputShape

KINDS = tuple(kind.value for kind in (Kind.NONE, Kind.IDENTITY, Kind.PROJECTION))


class HalfStages(SearchSpace):
    """Networks of one depth where the blocks of each half of a stage have one kind.

    Decisions: `skip.stage<i>.half<j>`; with three stages 729 architectures.

    Args:
        stages: How many.
        blocks: Of each stage; even.
        width: Channels of the stem.
        input: Shape of the images.
        num_classes: How many classes they have.

    Raises:
        SpaceError: The blocks are no even number, or there is no such network.
    """

    def __init__(
        self,
        *,
        stages: int = 3,
        blocks: int = 8,
        width: int = 4,
        input: InputShape,
        num_classes: int,
    ) -> None:
        if blocks % 2:
            raise SpaceError(
                f"HalfStages: blocks must be even, got blocks={blocks}. Give {blocks + 1}."
            )
        self._depths = (blocks,) * stages
        fields: dict[str, Any] = {"stages": stages, "width": width}
        fields |= {"min_blocks": blocks, "max_blocks": blocks}
        # Says what is wrong in words, where pydantic alone would not.
        resolve_space(fields)
        self._blocks = ResidualSpace(ResidualSpaceConfig(**fields), input, num_classes)

    @property
    def size(self) -> int:
        """Kinds to the power of half stages."""
        return len(KINDS) ** (2 * len(self._depths))

    @property
    def deepest(self) -> tuple[int, ...]:
        """The only depth."""
        return self._depths

    @property
    def anchor_depths(self) -> tuple[tuple[int, ...], ...]:
        """The only depth."""
        return (self._depths,)

    def uniform(self, depths: tuple[int, ...], kind: Kind) -> ArchitectureSpec:
        """Return the network whose blocks all have `kind`."""
        return self._blocks.uniform(depths, kind)

    def decide(self, choose: Choose) -> ArchitectureSpec:
        """Ask the kind of every half stage."""
        kinds: dict[Place, Kind] = {}
        for stage, blocks in enumerate(self._depths, start=1):
            for half in (1, 2):
                decision = Decision(name=f"skip.stage{stage}.half{half}", choices=KINDS)
                kind = Kind(choose(decision))
                first = 1 if half == 1 else blocks // 2 + 1
                kinds |= {Place(stage, first + nth): kind for nth in range(blocks // 2)}
        return self._blocks.spec(self._depths, kinds)

    def decisions(self, spec: ArchitectureSpec) -> dict[str, Value]:
        """Return the kind of every half stage.

        Raises:
            SpaceError: The spec is another network, or a half stage has several kinds.
        """
        by_place: Mapping[str, Value] = self._blocks.decisions(spec)
        answers: dict[str, Value] = {}
        for stage, blocks in enumerate(self._depths, start=1):
            for block in range(1, blocks + 1):
                half = f"skip.stage{stage}.half{1 if block <= blocks // 2 else 2}"
                kind = by_place[f"skip.stage{stage}.block{block}"]
                if answers.setdefault(half, kind) != kind:
                    raise SpaceError(f"{half} must have one kind, got {kind!r} at block {block}.")
        return answers
