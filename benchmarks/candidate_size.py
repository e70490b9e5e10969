r"""What fusing gains: K candidates trained as one network, from small to large networks.

Not a comparison with scripts: those of `candidates_per_hour` end at width 64 on digits.

Seconds of one candidate's step in a group of K over those alone, for networks with random
shortcuts; below 1 the group is faster. On the CPU with one thread, as workers train. Sizes: 32
layers on 8x8 digits with 8 to 64 channels in the stem, then networks shaped like ResNet-20 and
ResNet-18 on generated images of 3x32x32.

    python -m benchmarks.candidate_size
    python -m benchmarks.candidate_size --device cuda --groups 1 2 4 8 16 32 64 --batch-size 512 \
        --sizes resnet-20 resnet-18
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.arguments import Arguments
from benchmarks.few_images import CIFAR_SHAPED, check_number, load_few
from benchmarks.measuring import (
    RESULTS,
    Spread,
    format_table,
    interleave,
    ratios,
    rounded,
    spread_of,
    write_result,
)
from search_spaces.complexity import complexity
from search_spaces.registry import make_space
from search_spaces.spec import ArchitectureSpec
from trainer.datasets import ImageData
from trainer.measurement import Candidate, Measurement
from trainer.population.group_size import measure_group_size
from trainer.recipe import Recipe
from trainer.train import train

_WORTH_IT = 0.97
"""A group pays where a step takes less than this share of the time alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Size:
    """One size of candidates."""

    name: str
    data: str
    """A shipped data set."""
    space: Mapping[str, Any]
    """Fields of the space, in which all networks are equally deep and wide."""
    steps: int
    """Steps of an epoch."""
    largest: int
    """Largest group on the CPU, where large networks take long."""


_STEPS_ON_A_GPU = 60
"""Two epochs of them are more than a record needs."""
_VALIDATED = 16
"""Validation images."""
_DEEP = {"min_blocks": 5, "max_blocks": 5}
SIZES = {
    size.name: size
    for size in (
        *(
            Size(
                name=f"width-{width}",
                data="digits",
                space=_DEEP | {"width": width},
                steps=steps,
                largest=16,
            )
            for width, steps in ((8, 16), (16, 16), (32, 16), (64, 16))
        ),
        Size(
            name="resnet-20",
            data=CIFAR_SHAPED,
            space={"min_blocks": 3, "max_blocks": 3, "width": 16},
            steps=2,
            largest=8,
        ),
        Size(
            name="resnet-18",
            data=CIFAR_SHAPED,
            space={"stages": 4, "min_blocks": 2, "max_blocks": 2, "width": 64},
            steps=1,
            largest=2,
        ),
    )
}


def seconds_per_step(
    size: Size, group: int, batch_size: int, device: str, turn: int = 0
) -> tuple[float, str]:
    """Train a group for two epochs; return one candidate's share of a step, and how it was done.

    The second epoch is measured, when everything is warm. The end of the epoch is in it, with a
    validation of a few images.
    """
    data = _data_of(size.data, _steps(size, device) * batch_size)
    specs = (_specs(size, group * (turn + 1), data))[group * turn :]
    candidates = [
        Candidate(key=f"{turn}-{number}", spec=spec, seed=1000 * turn + number)
        for number, spec in enumerate(specs)
    ]
    outcomes = train(candidates, _recipe(batch_size, device), data, device=device)
    done = [outcome for outcome in outcomes if isinstance(outcome, Measurement)]
    if len(done) < group:
        raise RuntimeError(f"All {group} candidates must train, got {outcomes}.")
    # A member's seconds are its share of the group's.
    share = sum(outcome.history[-1].seconds for outcome in done) / group
    return share / _steps(size, device), done[0].path


def _steps(size: Size, device: str) -> int:
    """Return the steps of an epoch: on a GPU enough for a step to be recorded as a graph."""
    return size.steps if device == "cpu" else max(size.steps, _STEPS_ON_A_GPU)


@functools.cache
def _data_of(name: str, num_images: int) -> ImageData:
    return load_few(name, num_images, _VALIDATED)


def _recipe(batch_size: int, device: str) -> Recipe:
    precision = "32-true" if device == "cpu" else "bf16-mixed"
    return Recipe(epochs=2, batch_size=batch_size, precision=precision)


def _specs(size: Size, count: int, data: ImageData) -> list[ArchitectureSpec]:
    space = make_space(size.space, data.facts.input, data.facts.num_classes)
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(count)]


def measure(
    size: Size, groups: Sequence[int], repeats: int, batch_size: int, device: str
) -> dict[str, Any]:
    """Measure one size; return seconds and ratios by group, as JSON data."""
    paths: dict[int, str] = {}

    def arm_of(group: int) -> Callable[[int], float]:
        def run(turn: int) -> float:
            if group > 1:
                seconds, paths[group] = seconds_per_step(size, group, batch_size, device, turn)
                return seconds
            # Networks differ in their shortcuts: the mean of as many as the largest group has.
            num = max(groups)
            alone = [
                seconds_per_step(size, 1, batch_size, device, num * turn + n) for n in range(num)
            ]
            paths[1] = alone[0][1]
            return sum(seconds for seconds, _ in alone) / num

        return run

    seconds = interleave({str(group): arm_of(group) for group in groups}, repeats)
    data = _data_of(size.data, _steps(size, device) * batch_size)
    spec = _specs(size, 1, data)[0]
    chosen = measure_group_size(
        _specs(size, max(groups), data), _recipe(batch_size, device), data, device, max(groups)
    )
    found: dict[str, Any] = {
        "batch_size": batch_size,
        "layers": spec.layers,
        "params": complexity(spec).params,
        "macs": complexity(spec).macs,
        "paths": {str(group): path for group, path in paths.items()},
        "seconds_per_step": {group: spread_of(values) for group, values in seconds.items()},
        "ratio": {group: ratios(values, seconds["1"]) for group, values in seconds.items()},
    }
    return found | {
        "best_group": best_group(found["ratio"]),
        "chosen_by_workers": {"size": chosen.size, "why": chosen.why},
    }


def best_group(found: Mapping[str, Spread]) -> int:
    """Return the group with the fastest step, 1 where none gains.

    >>> found = {"1": spread_of([1.0]), "2": spread_of([0.7]), "8": spread_of([0.6])}
    >>> best_group(found)
    8
    >>> best_group({"1": spread_of([1.0]), "2": spread_of([0.98])})
    1
    """
    best = min(found, key=lambda group: found[group].median)
    return int(best) if found[best].median < _WORTH_IT else 1


def break_even(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Say up to which size groups gain."""
    gains = [name for name, found in results.items() if found["best_group"] > 1]
    others = [name for name in results if name not in gains]
    return f"groups gain at: {', '.join(gains) or 'none'}; not at: {', '.join(others) or 'none'}"


def describe(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    groups = sorted({int(group) for found in results.values() for group in found["ratio"]})
    header = ["candidate", "layers", "multiply-adds", "ms per step alone"]
    header += [f"K = {group}" for group in groups if group > 1] + [
        "best K",
        "K that a worker chooses",
    ]
    rows = [
        [
            name,
            found["layers"],
            f"{found['macs']:,}",
            rounded(1000 * found["seconds_per_step"]["1"].median),
            *(
                found["ratio"][str(group)].describe(2) if str(group) in found["ratio"] else "-"
                for group in groups
                if group > 1
            ),
            found["best_group"],
            found["chosen_by_workers"]["size"],
        ]
        for name, found in results.items()
    ]
    return format_table(header, rows) + "\n\n" + break_even(results)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = Arguments(__doc__)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=SIZES)
    parser.add_int("--groups", [1, 2, 4, 8, 16])
    parser.add_int("--repeats", 5)
    parser.add_int("--batch-size", 64, least=2)
    parser.add_device(may_choose=True)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    parser.require(
        1 in options.groups,
        f"--groups: must hold 1, got groups={options.groups}. Add it: the others are compared "
        "with it.",
    )
    with parser.checking():
        for size in map(SIZES.__getitem__, options.sizes):
            num_images = _steps(size, options.device) * options.batch_size
            check_number(size.data, num_images, _VALIDATED)
    on_cpu = options.device == "cpu"
    if on_cpu:
        torch.set_num_threads(1)
    results: dict[str, Any] = {}
    for name in options.sizes:
        size = SIZES[name]
        groups = [group for group in options.groups if not on_cpu or group <= size.largest]
        results[name] = measure(size, groups, options.repeats, options.batch_size, options.device)
        print(f"{name} is done")
    print(f"\n{describe(results)}")
    name = "candidate_size" if on_cpu else "candidate_size_cuda"
    print(f"\nwritten to {write_result(name, results, options.device, options.results)}")


if __name__ == "__main__":
    main()
