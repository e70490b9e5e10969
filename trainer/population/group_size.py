"""How many candidates are trained as one network: measured, since it hangs on machine and widths."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice

import torch

from search_spaces.resnet import build_candidate
from search_spaces.spec import ArchitectureSpec
from trainer.augmentation import Augmentation
from trainer.checks import parse_device
from trainer.datasets import ImageData
from trainer.measurement import Reason
from trainer.population.batches import IndexBlocks
from trainer.population.fusing import can_fuse
from trainer.population.module import PopulationModule
from trainer.population.network import FusedResNet
from trainer.population.single import SingleNetwork
from trainer.population.train_group import step_capture
from trainer.recipe import Recipe
from trainer.seeding import generator
from trainer.setting import reason_of

_log = logging.getLogger(__name__)

LARGEST = 16
"""Beyond it little is won, and a group waits for more of its members."""
_LEAST_GAIN = 1.03
"""A group twice as large must be this much faster per candidate."""
_TIMED_STEPS = 4
_ALONE = 8
"""Networks at most that are timed alone."""
_MEMORY_SHARE = 0.6
"""Of a GPU's memory that a group may fill."""


@dataclass(frozen=True, kw_only=True)
class GroupSize:
    """The number of candidates that are trained fastest as one network."""

    size: int
    seconds: dict[int, float]
    """Seconds per candidate and training step, by number of candidates."""
    why: str
    """One line for people."""


def measure_group_size(
    specs: Sequence[ArchitectureSpec],
    recipe: Recipe,
    data: ImageData,
    device: str = "cpu",
    largest: int = LARGEST,
) -> GroupSize:
    """Train a few steps as 1, 2, 4, ... candidates, as long as it pays and memory allows it.

    Args:
        specs: Networks like those to be trained; taken again and again.
        recipe: Batch size, optimiser and precision.
        data: Images of the shape that they take.
        device: Where they will be trained.
        largest: Most candidates tried.

    Raises:
        UserError: There is no such device.
    """
    place = parse_device(device)
    if not can_fuse(specs):
        return GroupSize(size=1, seconds={}, why="these networks cannot be fused")
    tried = list(specs[:_ALONE])
    alone = [_step_seconds([spec], recipe, data, place) for spec in tried]
    usual = sum(alone) / len(alone)
    seconds = {1: usual}
    best, size, limit = 1, 2, f"more than {largest} are not tried"
    while size <= largest and not _is_memory_full(place):
        try:
            together = _step_seconds(list(islice(cycle(tried), size)), recipe, data, place)
        except (RuntimeError, MemoryError) as error:
            limit = _why_not(size, error)
            break
        # Over the time of the same networks, as some have more to compute than others.
        seconds[size] = usual * together / sum(islice(cycle(alone), size))
        if seconds[best] >= _LEAST_GAIN * seconds[size]:
            best = size
        elif size >= 4 * best:
            # One size that gains nothing may be chance.
            limit = f"{size // 2} and {size} gain nothing more"
            break
        size *= 2
    if size <= largest and _is_memory_full(place):
        limit = f"{size} would not fit"
    if best == 1:
        return GroupSize(size=1, seconds=seconds, why=f"candidates train one by one: {limit}")
    share = seconds[best] / seconds[1]
    why = f"{best} candidates together take {share:.2f} of their time one by one; {limit}"
    return GroupSize(size=best, seconds=seconds, why=why)


def _why_not(size: int, error: Exception) -> str:
    reason = reason_of(error)
    if reason is Reason.OOM:
        return f"{size} do not fit"
    first_line = f"{type(error).__name__}: {error}".splitlines()[0]
    _log.warning("%d candidates could not be trained together (%s).", size, first_line)
    return f"{size} could not be trained together ({first_line})"


def _step_seconds(
    specs: Sequence[ArchitectureSpec], recipe: Recipe, data: ImageData, device: torch.device
) -> float:
    """Return the seconds of one step of all these networks together."""
    step = _training_step(specs, recipe, data, device)
    step()
    times = []
    for _ in range(_TIMED_STEPS):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return min(times)


def _training_step(
    specs: Sequence[ArchitectureSpec], recipe: Recipe, data: ImageData, device: torch.device
) -> Callable[[], None]:
    networks = [build_candidate(s, generator(i, "init")) for i, s in enumerate(specs)]
    network = (
        SingleNetwork(networks[0], device) if len(specs) == 1 else FusedResNet(networks, device)
    )
    train = data.to(device).train
    blocks = IndexBlocks(
        len(train.labels),
        recipe.batch_size,
        range(len(specs)),
        device,
        Augmentation.from_recipe(recipe, len(train.labels)),
    )
    module = PopulationModule(
        network, [recipe] * len(specs), train, steps_per_epoch=blocks.num_batches
    )
    indices = next(iter(blocks))[:, : recipe.batch_size]
    # Nothing cached: a recorded step would take old weights from the cache.
    number_format = torch.autocast(
        device.type,
        torch.bfloat16,
        enabled=recipe.precision == "bf16-mixed",
        cache_enabled=False,
    )
    capture = step_capture(device, recipe.epochs * blocks.num_batches)
    captured = None
    if capture is not None:
        with number_format:
            captured = capture.step_for(module, indices)

    def step() -> None:
        if captured is not None:
            module.optimizer.step(instead=partial(captured.run, indices))
        else:
            module.optimizer.zero_grad()
            with number_format:
                loss = module.losses(module.mini_batch(indices)).sum()
            loss.backward()
            module.optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return step


def _is_memory_full(device: torch.device) -> bool:
    """Whether twice as much would not fit; the memory of the host is not looked at."""
    if device.type != "cuda":
        return False
    total = torch.cuda.get_device_properties(device).total_memory
    return 2 * torch.cuda.max_memory_allocated(device) > _MEMORY_SHARE * total
