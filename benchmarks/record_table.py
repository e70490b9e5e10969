"""Train every architecture of a small space of deep networks on several seeds, and keep the curves.

    python -m benchmarks.record_table --seeds 3 --workers 2 --group 8

Trainings go through `trainer.train.train` in groups, each worker with one thread. What is done is
kept in `benchmarks/recorded/<name>.jsonl` until the table is whole, so an interrupted recording
goes on where it was, under the same space and recipe: its first line tells them.
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

from benchmarks.arguments import Arguments
from benchmarks.measuring import about_this_run
from benchmarks.recorded_table import FOLDER, RecordedTable, architectures, make_space
from trainer.errors import DataError
from trainer.recipe import Recipe
from trainer.seeding import child_seed

Job = list[tuple[int, int]]
"""Architectures and seeds that are trained as one group."""


def train_group(job: Job, space: dict[str, Any], recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """Train one group in this process and return a line for each of its members."""
    # Imported here: the parent process needs no torch.
    import torch

    from trainer.datasets import load_data
    from trainer.measurement import Candidate
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


def read_begun(path: Path, header: dict[str, Any]) -> list[dict[str, Any]]:
    """Read the trainings of an interrupted recording, which must be of this space and recipe.

    Args:
        path: Its file; one that is not there, or is empty, is begun with the header.
        header: Space and recipe.

    Raises:
        DataError: It is of another space or recipe, or does not say of which.
    """
    lines = read_lines(path)
    if not lines:
        path.write_text(json.dumps(header) + "\n", encoding="utf-8")
        return []
    begun, *trained = lines
    if begun.keys() != header.keys():
        raise DataError(
            f"{path}: the first line must tell space and recipe, got {', '.join(begun)}. Give "
            "another --name, or remove the file to begin anew."
        )
    for section, values in header.items():
        for name, value in values.items():
            former = begun[section].get(name)
            if former != value:
                raise DataError(
                    f"{path}: a recording goes on with its own space and recipe, {name}={former}, "
                    f"got {name}={value}. Give the former value, or another --name."
                )
    return trained


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


def header_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what all trainings of a recording share."""
    return {
        "space": {
            "stages": arguments.stages,
            "blocks": arguments.blocks,
            "width": arguments.width,
        },
        "recipe": Recipe(epochs=arguments.epochs).model_dump(mode="json"),
    }


def begin(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Check that a recording can begin or go on, and return what is trained of it.

    Raises:
        UserError: The space is not usable, another table would be replaced, or trainings would be
            mixed or lost.
    """
    header = header_of(arguments)
    make_space(header["space"])
    work, path = paths_of(arguments)
    if path.exists() and not arguments.overwrite:
        raise DataError(
            f"{path}: a whole recording is not replaced, got name={arguments.name}. Give another "
            "--name, or --overwrite to replace it."
        )
    arguments.folder.mkdir(parents=True, exist_ok=True)
    lines = read_begun(work, header)
    seeds = 1 + max((line["seed"] for line in lines), default=0)
    if arguments.seeds < seeds:
        raise DataError(
            f"{work}: the recording has trainings on {seeds} seeds, which would be lost, got "
            f"seeds={arguments.seeds}. Give --seeds {seeds} or more, or another --name."
        )
    return lines


def paths_of(arguments: argparse.Namespace) -> tuple[Path, Path]:
    """Return the file of an unfinished recording, and that of the table."""
    work, path = (arguments.folder / f"{arguments.name}.{end}" for end in ("jsonl", "npz"))
    return work, path


def record(arguments: argparse.Namespace, lines: list[dict[str, Any]]) -> Path:
    """Train what is missing beside `lines`, write the table once it is whole; return its path."""
    work, path = paths_of(arguments)
    size = make_space(header_of(arguments)["space"]).size
    before = len(lines)
    seconds = train_missing(arguments, lines, size)
    print(f"{len(lines) - before} trainings in {seconds:.0f} s with {arguments.workers} workers")
    about = {
        **header_of(arguments),
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


def train_missing(arguments: argparse.Namespace, lines: list[dict[str, Any]], size: int) -> float:
    """Train what is missing and add it to `lines` and to their file; return the seconds."""
    work, _ = paths_of(arguments)
    space, recipe = header_of(arguments).values()
    done = {(line["architecture"], line["seed"]) for line in lines}
    jobs = list(jobs_of(size, arguments.seeds, arguments.group, done))[: arguments.limit]
    started = time.perf_counter()
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
    return time.perf_counter() - started


def main(given: Sequence[str] | None = None) -> None:
    """Read the flags and record."""
    parser = Arguments(__doc__)
    parser.add_argument("--name", default="digits_half_stages")
    parser.add_int("--stages", 3)
    parser.add_int("--blocks", 8, help="per stage; even")
    parser.add_int("--width", 4)
    parser.add_int("--epochs", 8)
    parser.add_int("--seeds", 3)
    parser.add_int("--workers", 2)
    parser.add_int("--group", 8, help="candidates trained as one network")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--overwrite", action="store_true", help="replace a whole recording")
    parser.add_int("--limit", None, help="groups to train, for a trial")
    arguments = parser.parse_args(given)
    with parser.checking():
        lines = begin(arguments)
    record(arguments, lines)


if __name__ == "__main__":
    main()
