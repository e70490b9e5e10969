"""Train every architecture of a small space of deep networks on several seeds, and keep the curves.

    python -m benchmarks.record_table --seeds 3 --workers 2 --group 8

Trainings go through `trainer.train.train` in groups, each worker with one thread. What is done is
kept in `benchmarks/recorded/<name>.jsonl` until the table is whole, so an interrupted recording
goes on where it was.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import about_this_run
from benchmarks.recorded_table import FOLDER, RecordedTable, architectures, make_space
from trainer.seeding import child_seed

Job = list[tuple[int, int]]
"""Architectures and seeds that are trained as one group."""


def train_group(job: Job, space: dict[str, Any], recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """Train one group in this process and return a line for each of its members."""
    # Imported here: the parent process needs no torch.
    import torch

    from trainer.datasets import load_data
    from trainer.measurement import Candidate
    from trainer.recipe import Recipe
    from trainer.train import train

    torch.set_num_threads(1)
    specs = architectures(make_space(space))
    candidates = [
        Candidate(
            key=f"{architecture}-{seed}",
            spec=specs[architecture],
            seed=child_seed(seed, "recorded", architecture),
        )
        for architecture, seed in job
    ]
    outcomes = train(candidates, Recipe(**recipe), load_data("digits"))
    return [
        {
            "architecture": architecture,
            "seed": seed,
            "log_loss": [epoch.val_log_loss for epoch in outcome.history],
            "accuracy": [epoch.val_accuracy for epoch in outcome.history],
            "seconds": outcome.seconds,
        }
        for (architecture, seed), outcome in zip(job, outcomes, strict=True)
    ]


def jobs_of(size: int, num_seeds: int, group: int, done: set[tuple[int, int]]) -> Iterator[Job]:
    """Yield what is left to be trained, in groups; all architectures of a seed before the next."""
    left = [
        (architecture, seed)
        for seed in range(num_seeds)
        for architecture in range(size)
        if (architecture, seed) not in done
    ]
    for start in range(0, len(left), group):
        yield left[start : start + group]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read what an interrupted recording left; a half-written last line is left out."""
    lines: list[dict[str, Any]] = []
    if path.exists():
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:
                break
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return lines


def as_table(
    lines: list[dict[str, Any]], size: int, num_seeds: int, epochs: int, about: dict[str, Any]
) -> RecordedTable:
    """Arrange lines as a table; NaN from where a training diverged."""
    curves = {
        name: np.full((size, num_seeds, epochs), math.nan) for name in ("log_loss", "accuracy")
    }
    for line in lines:
        for name, array in curves.items():
            values = line[name]
            array[line["architecture"], line["seed"], : len(values)] = values
    return RecordedTable(about=about, **curves)


def record(arguments: argparse.Namespace) -> Path:
    """Train what is missing, write the table and return its path."""
    space = {
        "stages": arguments.stages,
        "blocks": arguments.blocks,
        "width": arguments.width,
    }
    recipe = {"epochs": arguments.epochs}
    size = make_space(space).size
    work, path = (arguments.folder / f"{arguments.name}.{end}" for end in ("jsonl", "npz"))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    lines = read_lines(work)
    done = {(line["architecture"], line["seed"]) for line in lines}
    jobs = list(jobs_of(size, arguments.seeds, arguments.group, done))[: arguments.limit]
    started, before = time.perf_counter(), len(lines)
    # Threads of the workers' libraries are set before they are imported.
    os.environ["OMP_NUM_THREADS"] = "1"
    context = get_context("spawn")
    with (
        ProcessPoolExecutor(arguments.workers, mp_context=context) as pool,
        work.open("a", encoding="utf-8") as file,
    ):
        futures = [pool.submit(train_group, job, space, recipe) for job in jobs]
        for number, future in enumerate(as_completed(futures), start=1):
            new = future.result()
            file.writelines(json.dumps(line) + "\n" for line in new)
            file.flush()
            lines += new
            seconds = time.perf_counter() - started
            left = seconds / number * (len(jobs) - number)
            print(f"{len(lines)} of {size * arguments.seeds}, about {left:.0f} s left", flush=True)
    wall = time.perf_counter() - started
    print(f"{len(lines) - before} trainings in {wall:.0f} s with {arguments.workers} workers")
    about = {
        "space": space,
        "recipe": recipe,
        "seeds": arguments.seeds,
        "group": arguments.group,
        "seconds_of_training": sum(line["seconds"] for line in lines),
        **about_this_run(),
    }
    if len(lines) == size * arguments.seeds:
        as_table(lines, size, arguments.seeds, arguments.epochs, about).save(path)
        work.unlink()
        print(path)
    return path


def main(given: Sequence[str] | None = None) -> None:
    """Read the flags and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="digits_half_stages")
    parser.add_argument("--stages", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=8, help="per stage")
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--group", type=int, default=8, help="candidates trained as one network")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--limit", type=int, default=None, help="groups to train, for a trial")
    record(parser.parse_args(given))


if __name__ == "__main__":
    main()
