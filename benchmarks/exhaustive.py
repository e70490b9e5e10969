"""Train all 64 skip patterns of one network on several seeds: the table of `data: skipbench`.

    python -m benchmarks.exhaustive

Six groups of two residual blocks at 26 layers on digits (three stages of four blocks, width 8), the
skips of a group switched together: identity or none. Recipe: 12 epochs, SGD 0.9 Nesterov, rate 0.1
after a warm-up of one epoch, weight decay 1e-4, batches of 64. Trainings go through
`trainer.train.train` in groups, each worker with one thread; every pattern is trained on the same
seeds. What is done is kept beside the table until all of it is, so an interrupted recording goes on
where it was.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import about_this_run
from benchmarks.record_table import Job, jobs_of, read_lines
from trainer.recorded.skipbench import PATH, RECIPE, trained_networks
from trainer.recorded.table import PatternTable
from trainer.seeding import child_seed

_CURVES = ("train_loss", "log_loss", "accuracy")
_NUMBERS = ("test_log_loss", "test_accuracy", "seconds")


def train_group(job: Job) -> list[dict[str, Any]]:
    """Train one group in this process and return a line for each of its members."""
    # Imported here: the parent process needs no torch.
    import torch

    from trainer.datasets import load_data
    from trainer.measurement import Candidate, Failure
    from trainer.recipe import Recipe
    from trainer.train import train

    torch.set_num_threads(1)
    networks = trained_networks()
    candidates = [
        Candidate(
            key=f"{pattern}-{seed}",
            spec=networks[pattern],
            # The same for all patterns: what they have in common by chance can be measured.
            seed=child_seed(seed, "exhaustive"),
        )
        for pattern, seed in job
    ]
    outcomes = train(candidates, Recipe(**RECIPE), load_data("digits"), test=True)
    lines = []
    for (pattern, seed), outcome in zip(job, outcomes, strict=True):
        failed = isinstance(outcome, Failure)
        line: dict[str, Any] = {
            "architecture": pattern,
            "seed": seed,
            "train_loss": [epoch.train_loss for epoch in outcome.history],
            "log_loss": [epoch.val_log_loss for epoch in outcome.history],
            "accuracy": [epoch.val_accuracy for epoch in outcome.history],
            "lr": [epoch.lr for epoch in outcome.history],
            "seconds": outcome.seconds,
            "failed": outcome.message if failed else None,
            "test_log_loss": None if failed else outcome.test_log_loss,
            "test_accuracy": None if failed else outcome.test_accuracy,
            "gradient_norms": None if failed else list(outcome.gradient_norms),
        }
        lines.append(line)
    return lines


def as_table(
    lines: Sequence[dict[str, Any]], num_patterns: int, num_seeds: int, about: dict[str, Any]
) -> PatternTable:
    """Arrange lines as a table; NaN from where a training diverged."""
    epochs = max(len(line["log_loss"]) for line in lines)
    num_blocks = max(len(line["gradient_norms"] or ()) for line in lines)
    shape = (num_patterns, num_seeds)
    arrays = {name: np.full((*shape, epochs), math.nan) for name in _CURVES}
    arrays |= {name: np.full(shape, math.nan) for name in _NUMBERS}
    arrays["gradient_norms"] = np.full((*shape, num_blocks), math.nan)
    for line in lines:
        at = line["architecture"], line["seed"]
        for name in _CURVES:
            arrays[name][*at, : len(line[name])] = line[name]
        for name in (*_NUMBERS, "gradient_norms"):
            if line[name] is not None:
                arrays[name][at] = line[name]
    lr = next(np.array(line["lr"]) for line in lines if len(line["lr"]) == epochs)
    return PatternTable(about=about, lr=lr, **arrays)


def record(arguments: argparse.Namespace) -> Path:
    """Train what is missing, write the table once it is whole, and return its path."""
    size, path = len(trained_networks()), arguments.table
    work = path.with_suffix(".jsonl")
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = read_lines(work)
    done = {(line["architecture"], line["seed"]) for line in lines}
    jobs = list(jobs_of(size, arguments.seeds, arguments.group, done))[: arguments.limit]
    started, before = time.perf_counter(), len(lines)
    # Threads of the workers' libraries are set before they are imported.
    os.environ["OMP_NUM_THREADS"] = "1"
    with (
        ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool,
        work.open("a", encoding="utf-8") as file,
    ):
        futures = [pool.submit(train_group, job) for job in jobs]
        for number, future in enumerate(as_completed(futures), start=1):
            new = future.result()
            file.writelines(json.dumps(line) + "\n" for line in new)
            file.flush()
            lines += new
            left = (time.perf_counter() - started) / number * (len(jobs) - number)
            print(f"{len(lines)} of {size * arguments.seeds}, about {left:.0f} s left", flush=True)
    wall = time.perf_counter() - started
    print(f"{len(lines) - before} trainings in {wall:.0f} s with {arguments.workers} workers")
    kept = [line for line in lines if line["seed"] < arguments.seeds]
    if len(kept) == size * arguments.seeds:
        about = _about(arguments, kept)
        as_table(kept, size, arguments.seeds, about).save(path)
        work.unlink()
        print(path)
    return path


def _about(arguments: argparse.Namespace, lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    from trainer.recipe import Recipe

    return {
        "command": (
            f"python -m benchmarks.exhaustive --seeds {arguments.seeds} "
            f"--workers {arguments.workers} --group {arguments.group}"
        ),
        "data": "digits",
        "recipe": Recipe(**RECIPE).model_dump(mode="json"),
        "patterns": len({line["architecture"] for line in lines}),
        "seeds": arguments.seeds,
        "group": arguments.group,
        "workers": arguments.workers,
        "seconds_of_training": sum(line["seconds"] for line in lines),
        "failed": [
            [line["architecture"], line["seed"], line["failed"]]
            for line in lines
            if line["failed"] is not None
        ],
        **about_this_run(),
    }


def main(given: Sequence[str] | None = None) -> None:
    """Read the flags and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--group", type=int, default=8, help="candidates trained as one network")
    parser.add_argument("--table", type=Path, default=PATH)
    parser.add_argument("--limit", type=int, default=None, help="groups to train, for a trial")
    record(parser.parse_args(given))


if __name__ == "__main__":
    main()
