"""What users have written themselves, tried out before a study starts: space, task and blocks.

torch is imported only where there is something to try.
"""

from typing import cast

import numpy as np

from nas.config import StudyConfig
from nas.errors import ConfigError
from nas.own_space import check_space
from nas.own_task import check_task, load_task
from search_spaces.complexity import complexity
from search_spaces.errors import SpaceError, UserError
from search_spaces.space import Decision, SearchSpace, Value
from search_spaces.spec import ArchitectureSpec, BlockClass, Kind

_NUM_SAMPLES = 32


def check_own_parts(config: StudyConfig) -> None:
    """Try out the user's space, make networks of the user's blocks, and the task's module.

    Raises:
        UserError: Something cannot be loaded, made or used; nothing was started.
    """
    space = config.make_space()
    if "class_path" in config.space:
        facts = config.facts()
        check_space(space, facts.input, facts.num_classes)
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
    for specs in networks_by_block(space):
        for spec in dict.fromkeys((specs[0], specs[-1])):
            _check_network(spec)


def networks_by_block(space: SearchSpace) -> list[list[ArchitectureSpec]]:
    """Return networks for each block class of the user's, from the smallest to the deepest.

    The depths of all classes reach as far, whichever class the space names first.
    """
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
    for group in found.values():
        group.extend(_at_extreme_depths(space, group[0]))
        group.sort(key=lambda spec: (spec.num_blocks, len(spec.skips)))
    return list(found.values())


def _at_extreme_depths(space: SearchSpace, spec: ArchitectureSpec) -> list[ArchitectureSpec]:
    """Return the networks of the fewest and the most blocks with the other answers of `spec`.

    There are none where a space names its decisions in its own way.
    """
    try:
        answers = space.decisions(spec)
    except SpaceError:
        # A uniform network need not be in its space.
        return []

    def network(end: int) -> ArchitectureSpec:
        def choose(decision: Decision) -> Value:
            if decision.name.startswith("depth."):
                return sorted(decision.choices, key=int)[end]
            answer = answers.get(decision.name)
            if answer in decision.choices:
                return cast(Value, answer)
            identity = Kind.IDENTITY.value
            return identity if identity in decision.choices else decision.choices[0]

        return space.decide(choose)

    return [network(0), network(-1)]


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
