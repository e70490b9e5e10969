"""Spaces of users' own, for the tests of the design."""

from search_spaces.errors import SpaceError
from search_spaces.space import Choose, Decision, SearchSpace, Value
from search_spaces.spec import ArchitectureSpec, InputShape, Kind, StageSpec

INPUT = InputShape(channels=1, height=8, width=8)


class TransitionSpace(SearchSpace):
    """Two stages of two blocks: only a projection fits at the transition, others are free.

    Args:
        names: Name of the decisions about skips.
    """

    def __init__(self, names: str = "skip") -> None:
        self.names = names

    @property
    def size(self) -> int:
        return 2 * 2 * 3 * 2 * 3

    @property
    def deepest(self) -> tuple[int, ...]:
        return (2, 2)

    @property
    def anchor_depths(self) -> tuple[tuple[int, ...], ...]:
        return ((2, 2),)

    def uniform(self, depths: tuple[int, ...], kind: Kind) -> ArchitectureSpec:
        raise NotImplementedError("the design must not need it")

    def decide(self, choose: Choose) -> ArchitectureSpec:
        width = int(choose(Decision(name="width", choices=(4, 8))))
        kinds = {}
        for place, choices in CHOICES.items():
            kinds[place] = choose(Decision(name=f"{self.names}.{place}", choices=choices))
        return ArchitectureSpec(
            input=INPUT,
            num_classes=10,
            stem_width=width,
            stages=(
                StageSpec(blocks=2, width=width, stride=1),
                StageSpec(blocks=2, width=2 * width, stride=2),
            ),
        ).with_skips(
            [
                {"from": place, "to": place, "kind": str(kind)}
                for place, kind in kinds.items()
                if kind != "none"
            ]
        )

    def decisions(self, spec: ArchitectureSpec) -> dict[str, Value]:
        if spec.depths != (2, 2):
            raise SpaceError("not in this space")
        kinds = zip(CHOICES, spec.kinds, strict=True)
        named: dict[str, Value] = {f"{self.names}.{place}": kind.value for place, kind in kinds}
        return {"width": spec.stem_width} | named


CHOICES: dict[str, tuple[str, ...]] = {
    "stage1.block1": ("identity", "none"),
    "stage1.block2": ("none", "identity", "projection"),
    "stage2.block1": ("projection",),
    "stage2.block2": ("none", "identity", "projection"),
}
