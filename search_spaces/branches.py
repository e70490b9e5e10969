"""Which residual branch a spec's blocks have: one that ships, or a class of the user's."""

from search_spaces.blocks import BasicBranch, BottleneckBranch, ResidualBranch
from search_spaces.class_paths import load_class
from search_spaces.errors import SpecError
from search_spaces.shapes import BlockShape
from search_spaces.spec import ArchitectureSpec, BlockClass


def make_branch(spec: ArchitectureSpec, shape: BlockShape) -> ResidualBranch:
    """Make the branch of one block.

    Raises:
        SpecError: The user's class cannot be loaded or made.
    """
    ends = (shape.in_channels, shape.out_channels, shape.stride)
    if spec.block == "basic":
        return BasicBranch(*ends, norm=spec.norm, activation=spec.activation)
    if spec.block == "bottleneck":
        return BottleneckBranch(
            *ends, norm=spec.norm, activation=spec.activation, stride_at=spec.bottleneck_stride
        )
    branch = load_branch_class(spec.block)
    try:
        return branch(*ends, norm=spec.norm, activation=spec.activation, **spec.block.init_args)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SpecError(
            f"block: {spec.block.class_path} must take in_channels={ends[0]}, out_channels="
            f"{ends[1]}, stride={ends[2]}, norm={spec.norm!r}, activation={spec.activation!r} and "
            f"init_args={spec.block.init_args!r}, got {type(error).__name__}: {error}. Check its "
            "__init__ and its abstract methods."
        ) from error


def load_branch_class(block: BlockClass) -> type[ResidualBranch]:
    """Import the user's branch.

    Raises:
        SpecError: There is no such class, or it is no `ResidualBranch`.
    """
    found = load_class("block", block.class_path, SpecError)
    if not (isinstance(found, type) and issubclass(found, ResidualBranch)):
        raise SpecError(
            "block.class_path must name a subclass of search_spaces.blocks.ResidualBranch, got "
            f"{block.class_path!r}."
        )
    return found
