"""The one entry: train candidates, get a measurement or a failure for each.

Candidates that can be fused are trained as one network (`population`), the rest one by one. What
the accelerated path cannot take is trained by the ordinary one.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal

import torch

from search_spaces.spec import BlockClass
from trainer.checkpoints import CheckpointStore
from trainer.checks import (
    check_candidates,
    check_module_args,
    check_pause,
    check_store,
    parse_device,
)
from trainer.datasets import ImageData
from trainer.measurement import Candidate, Failure, Measurement
from trainer.module import CandidateModule
from trainer.population.fusing import fuse_key
from trainer.population.train_group import train_group
from trainer.progress import Progress, Unattended
from trainer.quiet import quiet_lightning
from trainer.recipe import Recipe
from trainer.recorded.lookup import look_up
from trainer.setting import Ended, Setting, nobody_waits
from trainer.train_ordinary import train_ordinary


def train(
    candidates: Sequence[Candidate],
    recipe: Recipe,
    data: ImageData,
    progress: Progress | None = None,
    *,
    checkpoints: CheckpointStore | None = None,
    device: str = "cpu",
    test: bool = False,
    keep_weights: bool = False,
    evidence: bool = False,
    module_class: type[CandidateModule] = CandidateModule,
    module_args: Mapping[str, Any] | None = None,
    path: Literal["auto", "ordinary"] = "auto",
    pause_after: int | None = None,
    ended: Ended = nobody_waits,
) -> list[Measurement | Failure]:
    """Train candidates and return their outcomes, in order.

    A candidate's outcome hangs on its spec, its seed, the recipe and the data alone, neither on
    the list (but for the rounding of floating-point numbers) nor on global random state. One that
    fails does not stop the others. Which path was taken is in each measurement's `path`. Trainings
    on recorded data are looked up.

    Args:
        candidates: The trainings to be done, with different keys.
        recipe: How all of them are trained.
        data: Images of the shape that every spec takes.
        progress: Told of each finished epoch, says whether to go on; without it all go on.
        checkpoints: Takes checkpoints under the candidate's key: the ordinary path's after every
            epoch, the accelerated path's at most once per second. One found there is resumed, with the same result as if it had never been interrupted; one of
            another training, or damaged, is logged and overwritten. It is left for the caller to
            delete.
        device: `cpu`, `cuda` or `cuda:N`.
        test: Whether to evaluate the test split after the last epoch.
        keep_weights: Whether to save the final weights, safetensors bytes of the network's
            `state_dict`, to `checkpoints` under `<key>-weights`.
        evidence: Whether to look at the blocks of each trained network (`trainer.inside`); not where
            the module is the user's, whose outputs are not known.
        module_class: A subclass for another loss, head or metrics.
        module_args: Further arguments of `module_class`, by name; JSON values.
        path: `auto`: candidates that can be fused are one network, and all steps are taken in
            blocks; `ordinary`: each alone, by Lightning's automatic optimisation. A module or block
            class of the user's always takes the ordinary path, since it may do anything.
        ended: Called with outcomes as soon as they are known: several at once where candidates end
            together, earlier than the others' where one is stopped or fails in a group.
        pause_after: Candidates end after so many epochs in all, their checkpoint saved, and are
            measured as stopped; a later call with the same key goes on. None: the last epoch.

    Raises:
        UserError: The arguments do not fit together; nothing was trained.
        Exception: Whatever `progress`, `checkpoints` or `ended` raise; they are not the candidate's fault.
    """
    arguments = check_module_args(module_args or {})
    setting = Setting(
        recipe=recipe,
        data=data,
        progress=progress or Unattended(),
        checkpoints=checkpoints,
        device=parse_device(device),
        test=test,
        keep_weights=keep_weights,
        module_class=module_class,
        module_args=arguments,
        pause_after=pause_after,
        evidence=evidence and module_class is CandidateModule,
        ended=ended,
    )
    check_candidates(candidates, data.facts)
    recipe.check_fits(data.facts)
    check_pause(pause_after, checkpoints)
    check_store(checkpoints, keep_weights=keep_weights)
    if data.facts.is_recorded:
        return look_up(
            candidates,
            recipe,
            progress,
            checkpoints=checkpoints,
            test=test,
            pause_after=pause_after,
            ended=ended,
        )
    # What modules of the user's draw from torch's global state is seeded, and the state put back.
    devices = [] if setting.device.type == "cpu" else [setting.device]
    with quiet_lightning(), torch.random.fork_rng(devices=devices):
        outcomes: dict[str, Measurement | Failure] = {}
        together: dict[Hashable, list[Candidate]] = {}
        for candidate in candidates:
            if why := _why_ordinary(candidate, path, module_class):
                outcome = train_ordinary(candidate, setting, f"ordinary: {why}")
                ended([outcome])
                outcomes[candidate.key] = outcome
            else:
                together.setdefault(fuse_key(candidate.spec), []).append(candidate)
        for group in together.values():
            outcomes |= train_group(group, setting)
        return [outcomes[candidate.key] for candidate in candidates]


def _why_ordinary(
    candidate: Candidate, path: str, module_class: type[CandidateModule]
) -> str | None:
    """Say why the accelerated path is not taken; None where it is."""
    if path == "ordinary":
        return "asked for"
    if module_class is not CandidateModule:
        name = f"{module_class.__module__}.{module_class.__qualname__}"
        return f"{name} may override any hook"
    block = candidate.spec.block
    if isinstance(block, BlockClass):
        return f"{block.class_path} may have weights that are not trained"
    return None
