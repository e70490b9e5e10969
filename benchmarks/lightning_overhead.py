"""H3: time per step of our training over two PyTorch loops that do the same.

All train one candidate with the same initial weights on the same batches, validate after every
epoch and keep the same metrics; the loops have neither Lightning nor torchmetrics, and the results
are compared. `raw` is the loop one would write, with torch's fused SGD; `bare` has our network,
optimiser and batches: only over it is the ratio what Lightning costs, as ours gains elsewhere what
it loses there. On the CPU with one thread. Two ratios each: per step, from the first epoch's start
to the last one's end, and of the whole call, with what is made before and after.

    python -m benchmarks.lightning_overhead
    python -m benchmarks.lightning_overhead --device cuda --data generated-3x32x32 --widths 16 64
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks.arguments import Arguments
from benchmarks.few_images import load_few
from benchmarks.measuring import (
    RESULTS,
    format_table,
    interleave,
    ratios,
    rounded,
    spread_of,
    write_result,
)
from benchmarks.raw_loops import Timed, train_bare, train_raw
from search_spaces.places import Kind
from search_spaces.registry import make_space
from search_spaces.spec import ArchitectureSpec
from trainer.data import DataFacts, data_facts
from trainer.datasets import ImageData
from trainer.loaders import EVAL_BATCH_SIZE, DeviceBatches
from trainer.measurement import Candidate, Measurement
from trainer.recipe import Recipe
from trainer.train import train

_PATHS: dict[str, Literal["auto", "ordinary"]] = {"ours": "auto", "ordinary": "ordinary"}
_SAME = 0.05
"""Largest difference of the first epoch's training loss that still counts as the same training."""


def train_ours(
    spec: ArchitectureSpec,
    recipe: Recipe,
    data: ImageData,
    device: str,
    seed: int,
    path: Literal["auto", "ordinary"],
) -> Timed:
    """Train by `trainer.train.train`."""
    called = time.perf_counter()
    [outcome] = train(
        [Candidate(key="one", spec=spec, seed=seed)], recipe, data, device=device, path=path
    )
    whole = time.perf_counter() - called
    if not isinstance(outcome, Measurement):
        raise RuntimeError(f"The candidate must train, got {outcome}.")
    steps = recipe.epochs * len(DeviceBatches(data.train, recipe.batch_size, seed=seed))
    return Timed(
        per_step=sum(epoch.seconds for epoch in outcome.history) / steps,
        whole=whole,
        first_loss=outcome.history[0].train_loss,
        path=outcome.path,
    )


def measure(
    spec: ArchitectureSpec, recipe: Recipe, data: ImageData, device: str, repeats: int
) -> dict[str, Any]:
    """Compare the four ways for one candidate, as JSON data."""

    def ours(path: Literal["auto", "ordinary"]) -> Callable[[int], Timed]:
        return lambda turn: train_ours(spec, recipe, data, device, turn, path)

    arms: dict[str, Callable[[int], Timed]] = {
        "raw": lambda turn: train_raw(spec, recipe, data, device, turn),
        "bare": lambda turn: train_bare(spec, recipe, data, device, turn),
        **{name: ours(path) for name, path in _PATHS.items()},
    }
    for arm in arms.values():
        # Once to warm up: memory, thread pools, the first import of a rarely used module.
        arm(0)
    found = interleave(arms, repeats)
    raw = found["raw"]
    return {
        "layers": spec.layers,
        "batch_size": recipe.batch_size,
        "path": found["ours"][0].path,
        "ms_per_step": {
            name: spread_of([1000 * run.per_step for run in runs]) for name, runs in found.items()
        },
        "per_step_ratio": {
            name: ratios([r.per_step for r in runs], [r.per_step for r in raw])
            for name, runs in found.items()
        },
        "whole_ratio": {
            name: ratios([r.whole for r in runs], [r.whole for r in raw])
            for name, runs in found.items()
        },
        "over_bare": {
            "per_step": ratios(
                [r.per_step for r in found["ours"]], [r.per_step for r in found["bare"]]
            ),
            "whole": ratios([r.whole for r in found["ours"]], [r.whole for r in found["bare"]]),
        },
        "largest_difference_of_first_loss": {
            name: max(_difference(run, base) for run, base in zip(runs, raw, strict=True))
            for name, runs in found.items()
        },
    }


def _difference(run: Timed, base: Timed) -> float:
    difference = abs(run.first_loss - base.first_loss)
    if not math.isfinite(difference) or difference > _SAME:
        raise RuntimeError(
            f"Both ways must train the same, got first losses {run.first_loss} ({run.path}) and "
            f"{base.first_loss} (raw). Look for what one of them does differently."
        )
    return difference


def _spec(width: int, depth: int, facts: DataFacts) -> ArchitectureSpec:
    space = make_space({"width": width}, facts.input, facts.num_classes)
    return space.uniform((depth,) * 3, Kind.IDENTITY)


def describe(results: dict[str, dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    header = ["candidate", "raw, ms per step", "ours / bare, per step", "ours / bare, whole call"]
    header += ["ours / raw, per step", "ours / raw, whole call"]
    header += ["ordinary / raw, per step", "ordinary / raw, whole call", "path"]
    rows = [
        [
            name,
            rounded(found["ms_per_step"]["raw"].median),
            found["over_bare"]["per_step"].describe(),
            found["over_bare"]["whole"].describe(),
            *(
                found[ratio][way].describe()
                for way in _PATHS
                for ratio in ("per_step_ratio", "whole_ratio")
            ),
            found["path"],
        ]
        for name, found in results.items()
    ]
    return format_table(header, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = Arguments(__doc__)
    parser.add_int("--widths", [8, 16, 32])
    parser.add_int("--depths", [1, 3, 5], help="per stage")
    parser.add_int("--epochs", 4)
    parser.add_int("--batch-size", 64, least=2)
    parser.add_int("--repeats", 7)
    parser.add_data()
    parser.add_int("--images", 50_000, least=2, help="most for training")
    parser.add_device(may_choose=True)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    on_cpu = options.device == "cpu"
    if on_cpu:
        torch.set_num_threads(1)
    facts = data_facts(options.data)
    with parser.checking():
        specs = [
            _spec(width, depth, facts) for width in options.widths for depth in options.depths
        ]
    data = load_few(
        options.data, min(options.images, facts.n_train), min(facts.n_val, EVAL_BATCH_SIZE)
    )
    recipe = Recipe(
        epochs=options.epochs,
        batch_size=options.batch_size,
        precision="32-true" if on_cpu else "bf16-mixed",
    )
    results: dict[str, dict[str, Any]] = {}
    for spec in specs:
        name = f"width {spec.stem_width}, {spec.layers} layers"
        results[name] = measure(spec, recipe, data, options.device, options.repeats)
        print(f"{name} is done")
    print(f"\n{describe(results)}")
    content = {"data": data.facts.name, "epochs": options.epochs, "candidates": results}
    name = "lightning_overhead" if on_cpu else "lightning_overhead_cuda"
    print(f"\nwritten to {write_result(name, content, options.device, options.results)}")


if __name__ == "__main__":
    main()
