"""What users have written themselves, tried out before a study starts: its task and its blocks.

torch is imported only where there is something to try.
"""

import numpy as np

from nas.config import StudyConfig
from nas.errors import ConfigError
from nas.own_task import check_task, load_task
from search_spaces.complexity import complexity
from search_spaces.errors import UserError
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec, BlockClass, Kind

_NUM_SAMPLES = 32


def check_own_parts(config: StudyConfig) -> None:
    """Make the task's module, and networks of the user's blocks, once for trial.

    Raises:
        UserError: Something cannot be loaded, made or used; nothing was started.
    """
    space = config.make_space()
    check_own_blocks(space)
    if config.task is not None:
        check_task(
            load_task(config.task.class_path),
            config.task.init_args,
            spec=space.uniform(space.anchor_depths[0], Kind.IDENTITY),
            recipe=config.recipe.reference(),
            metric=config.search.metric,
        )


def check_own_blocks(space: SearchSpace) -> None:
    """Build the smallest and the deepest network of each block class that the space uses.

    Raises:
        UserError: A class cannot be loaded or made, or a network does not work.
    """
    for specs in _by_block(space).values():
        ordered = sorted(specs, key=lambda spec: (spec.num_blocks, len(spec.skips)))
        for spec in dict.fromkeys((ordered[0], ordered[-1])):
            _check_network(spec)


def _by_block(space: SearchSpace) -> dict[str, list[ArchitectureSpec]]:
    """Return networks of the space by the user's class that their blocks are of."""
    draws = np.random.default_rng(0)
    specs = [
        space.uniform(depths, Kind.IDENTITY) for depths in (space.anchor_depths[0], space.deepest)
    ]
    # Which block is used may be a decision.
    specs += [space.sample(draws) for _ in range(_NUM_SAMPLES)]
    found: dict[str, list[ArchitectureSpec]] = {}
    for spec in specs:
        if isinstance(spec.block, BlockClass):
            found.setdefault(spec.block.model_dump_json(), []).append(spec)
    return found


def _check_network(spec: ArchitectureSpec) -> None:
    import torch

    from search_spaces.resnet import build_candidate

    path = spec.block.class_path if isinstance(spec.block, BlockClass) else spec.block
    shape = spec.input
    try:
        network = build_candidate(spec, torch.Generator().manual_seed(0))
        images = torch.zeros(2, shape.channels, shape.height, shape.width)
        network(images).sum().backward()
        complexity(spec)
    except UserError:
        raise
    # A class of the user's can fail in any way.
    except Exception as error:
        words = " ".join(str(error).split())
        raise ConfigError(
            f"block: {path} must work in the network {spec.code}, got {type(error).__name__}: "
            f"{words}. Mend the class; it maps (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."
        ) from error
