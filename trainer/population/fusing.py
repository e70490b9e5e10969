"""Which candidates can be one fused network; no torch here."""

from collections.abc import Hashable, Sequence

from search_spaces.spec import ArchitectureSpec, BlockClass


def fuse_key(spec: ArchitectureSpec) -> Hashable | None:
    """Return what networks must share to be fused; None for blocks of the user's own class.

    It is the width plan: everything but how many blocks a stage has, where skips are and of which
    kind. A block is computed for those members alone that have it.
    """
    if isinstance(spec.block, BlockClass):
        return None
    stages = tuple((stage.width, stage.stride) for stage in spec.stages)
    return (
        (spec.input.channels, spec.input.height, spec.input.width, spec.num_classes),
        (spec.stem, spec.stem_width, stages),
        (spec.block, spec.activation, spec.norm, spec.bottleneck_stride),
    )


def can_fuse(specs: Sequence[ArchitectureSpec]) -> bool:
    """Say whether these networks can be one."""
    keys = {fuse_key(spec) for spec in specs}
    return len(specs) == 1 or (len(keys) == 1 and None not in keys)
