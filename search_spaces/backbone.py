"""What all shipped spaces choose beside the skips: width, block type and depths; no torch here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.backbone_fields import BackboneFields, block_word
from search_spaces.errors import SpaceError
from search_spaces.places import Kind
from search_spaces.space import Choose, Decision, SearchSpace, Value
from search_spaces.spec import ArchitectureSpec
from search_spaces.spec_parts import EXPANSION, BlockType, InputShape, span_one_skips

_FIXED = ("stem", "activation", "norm", "zero_init", "projection", "bottleneck_stride")
"""Fields that a space hands to the spec as they are."""


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """A network but for its skips: what a backbone's decisions were answered with."""

    width: int
    """Channels of the stem."""
    block: BlockType
    depths: tuple[int, ...]
    """Blocks per stage."""


class Backbone:
    """Networks without skips: asks for width, block type and depths, and builds specs.

    A space holds one and adds the skips.

    Args:
        config: Stages, depth ranges, widths, block types, and what is fixed.
        input: Shape of the images.
        num_classes: How many classes the images have.
    """

    def __init__(self, config: BackboneFields, input: InputShape, num_classes: int) -> None:
        self.config = config
        self.input = input
        self.num_classes = num_classes

    @property
    def num_variants(self) -> int:
        """Pairs of a width and a block type."""
        return len(self.config.widths) * len(self.config.blocks)

    @property
    def deepest(self) -> tuple[int, ...]:
        """Most blocks of every stage."""
        return tuple(high for _, high in self.config.depth_ranges)

    @property
    def anchor_depths(self) -> tuple[tuple[int, ...], ...]:
        """The fewest, the middle and the most blocks of every stage."""
        ranges = self.config.depth_ranges
        levels = (
            tuple(low for low, _ in ranges),
            tuple((low + high) // 2 for low, high in ranges),
            self.deepest,
        )
        return tuple(sorted(set(levels)))

    def reference(self, depths: tuple[int, ...]) -> Trunk:
        """Return the trunk of these depths with the first width and block type."""
        return Trunk(width=self.config.widths[0], block=self.config.blocks[0], depths=depths)

    def ask(self, choose: Choose) -> Trunk:
        """Ask for the width and the block type where there are several, then for every depth."""
        widths, blocks = self.config.widths, self.config.blocks
        width, block = widths[0], blocks[0]
        if len(widths) > 1:
            width = int(choose(Decision(name="width", choices=widths)))
        if len(blocks) > 1:
            by_word: dict[str, BlockType] = {block_word(block): block for block in blocks}
            block = by_word[str(choose(Decision(name="block", choices=tuple(by_word))))]
        depths = tuple(
            int(choose(Decision(name=f"depth.stage{stage}", choices=tuple(range(low, high + 1)))))
            for stage, (low, high) in enumerate(self.config.depth_ranges, start=1)
        )
        return Trunk(width=width, block=block, depths=depths)

    def spec(self, trunk: Trunk, skips: Sequence[Mapping[str, str]]) -> ArchitectureSpec:
        """Build the spec of a trunk with these edges, as in the JSON of a spec."""
        expansion = EXPANSION if trunk.block == "bottleneck" else 1
        config = self.config.model_dump(mode="json", include=set(_FIXED))
        stages = [
            {
                "blocks": depth,
                "width": trunk.width * expansion * 2**i,
                "stride": 1 if i == 0 else 2,
            }
            for i, depth in enumerate(trunk.depths)
        ]
        return ArchitectureSpec.from_dict(
            {
                "input": self.input,
                "num_classes": self.num_classes,
                "stem_width": trunk.width,
                "block": trunk.block,
                "stages": stages,
                "skips": list(skips),
                **config,
            }
        )

    def decisions(self, spec: ArchitectureSpec) -> dict[str, Value]:
        """Return the answers for the width, the block type and the depths.

        Raises:
            SpaceError: No trunk with the skips of `spec` gives `spec`.
        """
        self._check_depths(spec)
        words = {block_word(block): block for block in self.config.blocks}
        word = block_word(spec.block)
        if words.get(word) != spec.block:
            raise SpaceError(
                f"The space holds networks of block type {', '.join(words)}, got block={word!r}."
            )
        if spec.stem_width not in self.config.widths:
            raise SpaceError(
                f"The space holds networks of width {_either(self.config.widths)}, got "
                f"stem_width={spec.stem_width}."
            )
        trunk = Trunk(width=spec.stem_width, block=spec.block, depths=spec.depths)
        self._check_equal(self.spec(trunk, spec.to_dict()["skips"]), spec)
        answers: dict[str, Value] = {}
        if len(self.config.widths) > 1:
            answers["width"] = spec.stem_width
        if len(words) > 1:
            answers["block"] = word
        return answers | {f"depth.stage{i}": d for i, d in enumerate(spec.depths, start=1)}

    def _check_depths(self, spec: ArchitectureSpec) -> None:
        ranges = self.config.depth_ranges
        fits = len(spec.depths) == len(ranges) and all(
            low <= depth <= high for depth, (low, high) in zip(spec.depths, ranges, strict=True)
        )
        if not fits:
            allowed = (
                "{} to {}".format(*ranges[0])
                if len(set(ranges)) == 1
                else ", ".join(f"{low} to {high}" for low, high in ranges)
            )
            raise SpaceError(
                f"The space has {len(ranges)} stages of {allowed} blocks, got "
                f"{'-'.join(map(str, spec.depths))} blocks per stage."
            )

    def _check_equal(self, ours: ArchitectureSpec, spec: ArchitectureSpec) -> None:
        if ours == spec:
            return
        expected, given = ours.to_dict(), spec.to_dict()
        name = next(name for name in expected if expected[name] != given[name])
        raise SpaceError(
            f"The space holds networks of {name}={expected[name]!r} here, got "
            f"{name}={given[name]!r}."
        )


class BackboneSpace(SearchSpace):
    """A space that adds its own decisions about skips to those of a backbone.

    Args:
        config: Stages, depth ranges, widths, block types, and what is fixed.
        input: Shape of the images.
        num_classes: How many classes the images have.
    """

    def __init__(self, config: BackboneFields, input: InputShape, num_classes: int) -> None:
        self.backbone = Backbone(config, input, num_classes)

    @property
    def deepest(self) -> tuple[int, ...]:
        """`max_blocks` of every stage."""
        return self.backbone.deepest

    @property
    def anchor_depths(self) -> tuple[tuple[int, ...], ...]:
        """The fewest, the middle and the most blocks of every stage."""
        return self.backbone.anchor_depths

    def uniform(self, depths: tuple[int, ...], kind: Kind) -> ArchitectureSpec:
        """Return the network of these depths with one kind of span-1 shortcut everywhere.

        Its width and block type are the first of those configured.
        """
        trunk = self.backbone.reference(depths)
        places = list(self.backbone.spec(trunk, []).places())
        return self.backbone.spec(trunk, span_one_skips(dict.fromkeys(places, kind)))


def _either(values: Sequence[int]) -> str:
    return " or ".join(map(str, values))
