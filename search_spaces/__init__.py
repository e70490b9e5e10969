"""What can be built: architecture specs, search spaces, and the candidate ResNet.

Names that need torch are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from search_spaces.complexity import Complexity, complexity
from search_spaces.errors import SpaceError, SpecError, UserError
from search_spaces.longskip import LongSkipSpace, LongSkipSpaceConfig
from search_spaces.presets import preset
from search_spaces.registry import list_spaces, make_space
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig
from search_spaces.shapes import BlockShape, block_shapes
from search_spaces.space import Decision, SearchSpace
from search_spaces.spec import (
    ArchitectureSpec,
    BlockClass,
    InputShape,
    Kind,
    Place,
    SkipSpec,
    StageSpec,
)

if TYPE_CHECKING:
    from search_spaces.blocks import ResidualBranch
    from search_spaces.resnet import CandidateResNet, build_candidate

_LAZY = {
    "CandidateResNet": "search_spaces.resnet",
    "ResidualBranch": "search_spaces.blocks",
    "build_candidate": "search_spaces.resnet",
}

__all__ = [
    "ArchitectureSpec",
    "BlockClass",
    "BlockShape",
    "CandidateResNet",
    "Complexity",
    "Decision",
    "InputShape",
    "Kind",
    "LongSkipSpace",
    "LongSkipSpaceConfig",
    "Place",
    "ResidualBranch",
    "ResidualSpace",
    "ResidualSpaceConfig",
    "SearchSpace",
    "SkipSpec",
    "SpaceError",
    "SpecError",
    "StageSpec",
    "UserError",
    "block_shapes",
    "build_candidate",
    "complexity",
    "list_spaces",
    "make_space",
    "preset",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
