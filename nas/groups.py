"""Which candidates train together, and how many at once; neither torch nor Optuna here.

Candidates of one width plan can be one fused network, which often costs less than each alone. How
many pay is measured by the workers; here it is decided whether they measure, how much of what is
left one worker gets, and who may be together.
"""

import itertools
import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nas.config import StudyConfig
from nas.design_plan import DesignPlan
from nas.messages import Ready
from nas.price import training_seconds
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchitectureSpec, Kind
from trainer.population.fusing import fuse_key

MEASURED_FROM_SECONDS = 30.0
"""Work of one worker, trained alone, from which on it pays to measure the size of groups."""
UNMEASURED_SIZE = 8
"""Largest group where nothing is measured."""
_NUM_SPECS = 16
_CHOSEN_BLINDLY = 1 / 3
"""Share of the adaptive trials that may be in training at once."""

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class GroupPlan:
    """How workers come to know how many candidates they train at once."""

    size: int | None
    """None: each worker measures it when it starts."""
    why: str
    """One line for people; empty where it is measured."""
    specs: tuple[ArchitectureSpec, ...] = ()
    """Networks to measure with."""
    recipe: dict[str, Any] = field(default_factory=dict[str, Any])
    """Recipe to measure with."""


ALONE = GroupPlan(size=1, why="")
"""Every candidate is trained alone."""


def plan_groups(
    config: StudyConfig,
    space: SearchSpace,
    num_workers: int,
    num_left: int,
    *,
    is_known: bool = False,
) -> GroupPlan:
    """Decide whether workers measure the size of their groups.

    Args:
        config: The study's configuration.
        space: Its search space.
        num_workers: Workers that share what is left.
        num_left: Trainings that are left, roughly.
        is_known: Whether it is known beforehand what all of them are.
    """
    if config.facts().is_recorded:
        return GroupPlan(size=1, why="trainings are looked up in a table, none is done")
    if config.task is not None:
        return GroupPlan(size=1, why="a task of one's own is trained one candidate at a time")
    deepest = space.uniform(space.deepest, Kind.IDENTITY)
    if fuse_key(deepest) is None:
        return GroupPlan(size=1, why="blocks of one's own are trained one candidate at a time")
    if config.search.group_size != "auto":
        size = config.search.group_size
        return GroupPlan(size=size, why=f"search.group_size is {size}")
    recipe = config.recipe.reference()
    share = math.ceil(num_left / num_workers)
    if share * training_seconds(deepest, recipe, config.facts()) < MEASURED_FROM_SECONDS:
        size = min(max(share, 1), UNMEASURED_SIZE)
        return GroupPlan(size=size, why="too little is to be trained to measure what is best")
    return GroupPlan(
        size=None,
        why="",
        specs=_networks_to_measure(space)[
            : _NUM_SPECS if is_known else _most_at_once(config, num_workers)
        ],
        recipe=recipe.model_dump(mode="json"),
    )


def _networks_to_measure(space: SearchSpace) -> tuple[ArchitectureSpec, ...]:
    """Return rows of a design, whose kinds of skips are mixed as those of trials are."""
    plan = DesignPlan(space, seed=0)
    if plan.choices:
        rows = itertools.islice(plan.rows(), _NUM_SPECS)
        return tuple(row.spec for row in rows)
    return (space.uniform(space.deepest, Kind.IDENTITY),) * _NUM_SPECS


def _most_at_once(config: StudyConfig, num_workers: int) -> int:
    """Return how large a group may be, so that the sampler learns while it chooses.

    It chooses all members of a group before it hears of any.
    """
    search = config.search
    if search.design_share == 1 or search.sampler == "random":
        return _NUM_SPECS
    adaptive = search.trials * (1 - search.design_share)
    return max(1, min(_NUM_SPECS, int(adaptive * _CHOSEN_BLINDLY / num_workers)))


def describe_groups(ready: Ready) -> str:
    """Say how many candidates train together, as the first worker found; empty for one alone."""
    size = ready.group_size
    if size == 1:
        return f"none: {ready.group_why}" if ready.group_why else ""
    text = f"up to {size} candidates per worker train as one network"
    factor = speed_factor(ready)
    if factor is None:
        return text
    return f"{text}: together they take {factor:.2f} of their time one by one"


def speed_factor(ready: Ready) -> float | None:
    """Return a candidate's time in a group over its time alone; None where it is not known."""
    alone = ready.group_seconds.get(1)
    together = ready.group_seconds.get(ready.group_size)
    return together / alone if alone and together else None


def fair_share(
    num_left: int, in_training: Iterable[float], num_workers: int, group_size: int
) -> int:
    """Return how many candidates a worker gets, so that all workers end at about the same time.

    Args:
        num_left: Candidates that no worker has.
        in_training: Of each candidate that a worker has, the share that is left to train.
        num_workers: All workers, idle ones included.
        group_size: Most that the worker takes.
    """
    share = math.ceil((num_left + sum(in_training)) / num_workers)
    return max(min(share, group_size, num_left), 1)


def take_group(
    waiting: list[Item], most: int, key: Callable[[Item], Hashable | None]
) -> list[Item]:
    """Take the first of a list out of it, with those that can be trained together with it.

    Args:
        waiting: What is taken is removed.
        most: Most that are taken.
        key: Equal for what can be together; None for what is trained alone.
    """
    if not waiting:
        return []
    wanted = key(waiting[0])
    chosen = [0]
    if wanted is not None:
        fits = (i for i, item in enumerate(waiting) if i and key(item) == wanted)
        chosen += itertools.islice(fits, max(most - 1, 0))
    taken = [waiting[index] for index in chosen]
    for index in reversed(chosen):
        del waiting[index]
    return taken
