"""H1: candidates per hour of `nas search` against both baselines, at the same fidelity.

All arms train the same architectures, drawn at random once, while their samplers do their usual
work. The clock runs from the start of the first process to the exit of the last, when study and
W&B runs are on the disk. Nothing is pruned.

    python -m benchmarks.candidates_per_hour
    python -m benchmarks.candidates_per_hour --widths 8 16 32 64     the curve over candidate size
    python -m benchmarks.candidates_per_hour --own-search            each arm chooses for itself
"""

import argparse
import contextlib
import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.agreement import (
    difference,
    quality,
    rank_correlation_between,
    rank_correlation_of_seeds,
    shared_architectures,
)
from benchmarks.arguments import Arguments
from benchmarks.arms import ARMS, ArmResult, run_arm
from benchmarks.job import Job
from benchmarks.measuring import (
    RESULTS,
    format_table,
    interleave,
    ratios,
    rounded,
    spread_of,
    write_result,
)
from benchmarks.processes import check_job
from benchmarks.shared_list import draw_architectures

Results = Mapping[str, Sequence[ArmResult]]


def measure(
    job: Job, arms: Sequence[str], repeats: int, folder: Path, *, own_search: bool = False
) -> dict[str, list[ArmResult]]:
    """Run the arms in turn, each turn with other seeds.

    Args:
        job: What every arm has to do.
        arms: Some of `ARMS`.
        repeats: How many turns.
        folder: Takes what the arms write.
        own_search: Whether each arm's sampler chooses, instead of the shared list.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not own_search:
        path = folder / "architectures.json"
        path.write_text(json.dumps(draw_architectures(job.make_space(), job.trials)))
        job = replace(job, architectures=str(path.resolve()))

    def arm_of(name: str, number: int) -> Any:
        def run(turn: int) -> ArmResult:
            # Seeds of no two runs are equal, neither within an arm nor between arms.
            seed = 100 * turn + number
            return run_arm(name, replace(job, seed=seed), folder / f"turn{turn}" / name)

        return run

    named = {name: arm_of(name, number) for number, name in enumerate(arms)}
    return interleave(named, repeats, say=print)


def summarise(results: Results, *, own_search: bool = False, num_given: int = 1) -> dict[str, Any]:
    """Return rates, ratios and the agreement of the arms, as JSON data.

    Args:
        results: Runs by arm.
        own_search: Whether each arm chose for itself, so that nothing can be compared but rates.
        num_given: Architectures that all arms were given.
    """
    pairs = list(itertools.combinations(results, 2))
    summary: dict[str, Any] = {
        "turns": len(next(iter(results.values()))),
        "seconds": {name: spread_of([r.seconds for r in runs]) for name, runs in results.items()},
        "per_hour": {
            name: spread_of([run.per_hour for run in runs]) for name, runs in results.items()
        },
        "times_as_many": {
            f"{later} / {earlier}": ratios(
                [run.per_hour for run in results[later]],
                [run.per_hour for run in results[earlier]],
            )
            for earlier, later in pairs
        },
        "paths": {name: runs[-1].paths for name, runs in results.items()},
        "nas_timing_of_last_turn": dict(results["nas"][-1].timing) if "nas" in results else {},
    }
    if own_search:
        return summary
    shared = shared_architectures(results, num_given)
    return summary | {
        "shared_architectures": len(shared),
        "quality": {name: asdict(quality(runs, shared)) for name, runs in results.items()},
        "differences": {
            f"{later} - {earlier}": asdict(difference(results[later], results[earlier], shared))
            for earlier, later in pairs
        },
        "rank_correlation_between_arms": {
            f"{one}, {other}": rank_correlation_between(results[one], results[other], shared)
            for one, other in pairs
        },
        "rank_correlation_between_seeds": {
            name: rank_correlation_of_seeds(runs, shared) for name, runs in results.items()
        },
    }


def describe(summary: Mapping[str, Any]) -> str:
    """Return a summary as Markdown tables."""
    arms, seeds = list(summary["per_hour"]), summary.get("rank_correlation_between_seeds", {})
    rows = []
    for arm in arms:
        row = [
            arm,
            summary["per_hour"][arm].describe(),
            summary["seconds"][arm].describe(),
            ", ".join(f"{path}: {count}" for path, count in summary["paths"][arm].items()),
        ]
        if "quality" in summary:
            found = summary["quality"][arm]
            between = seeds[arm]
            row += [
                rounded(found["accuracy"]["median"], 4),
                rounded(found["log_loss"]["median"]),
                str(found["num_failed"]),
                between.describe(2) if between else "-",
            ]
        rows.append(row)
    header = ["arm", "candidates/hour", "s per run", "trained"]
    if "quality" in summary:
        header += ["mean accuracy, %", "mean log-loss", "failed", "rank correlation of two seeds"]
    text = [format_table(header, rows)]
    rows = [
        [pair, times.describe(), *_agreement(summary, *pair.split(" / "))]
        for pair, times in summary["times_as_many"].items()
    ]
    if rows:
        header = ["arms", "times as many"]
        if "quality" in summary:
            header += ["accuracy, points (standard error)", "rank correlation"]
        text.append(format_table(header, rows))
    return "\n\n".join(text)


def _agreement(summary: Mapping[str, Any], later: str, earlier: str) -> list[str]:
    if "quality" not in summary:
        return []
    found = summary["differences"][f"{later} - {earlier}"]
    correlation = summary["rank_correlation_between_arms"][f"{earlier}, {later}"]
    points = f"{found['accuracy_points']:+.2f} ({found['standard_error']:.2f})"
    return [points, correlation.describe(2)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    options, jobs = _parse(arguments)
    parts: dict[str, Any] = {}
    with _folder(options.keep) as folder:
        for width, job in jobs.items():
            results = measure(
                job,
                options.arms,
                options.repeats,
                folder / f"width{width}",
                own_search=options.own_search,
            )
            summary = summarise(
                results, own_search=options.own_search, num_given=options.architectures
            )
            shared = summary.get("shared_architectures")
            compared = "" if shared is None else f", {shared} trained by all runs"
            print(f"\nWidth {width}, {options.architectures} candidates{compared}\n")
            print(f"{describe(summary)}\n")
            parts[f"width {width}"] = {"job": asdict(job), **summary}
    path = write_result(_name(options), parts, options.device, options.results)
    print(f"written to {path}")


def _name(options: argparse.Namespace) -> str:
    parts = ["candidates_per_hour"]
    parts += ["own_search"] if options.own_search else []
    parts += ["curve"] if len(options.widths) > 1 else []
    parts += [] if options.device == "cpu" else ["cuda"]
    return "_".join(parts)


def _parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, dict[int, Job]]:
    """Return the arguments, and the job of every width."""
    parser = Arguments(__doc__)
    parser.add_int("--architectures", 64, help="candidates of a run")
    parser.add_int("--repeats", 5, help="turns; all arms once per turn")
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_int("--widths", [8], help="channels of the stem")
    parser.add_int("--max-blocks", None, help="most blocks per stage; default: 5")
    parser.add_int("--epochs", None, help="default: the recipe's 8")
    parser.add_data()
    parser.add_device()
    parser.add_argument("--own-search", action="store_true", help="no shared list")
    parser.add_argument("--keep", type=Path, help="keep all run folders here")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the result")
    options = parser.parse_args(arguments)
    fields = {} if options.max_blocks is None else {"max_blocks": options.max_blocks}
    jobs = {
        width: Job(
            trials=options.architectures,
            device=options.device,
            data=options.data,
            space={**fields, "width": width},
            recipe={} if options.epochs is None else {"epochs": options.epochs},
        )
        for width in options.widths
    }
    with parser.checking():
        for job in jobs.values():
            check_job(job)
    return options, jobs


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="nas-benchmark-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    main()
