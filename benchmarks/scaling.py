"""H6: candidates per hour of W workers over W times those of one.

Both train the same architectures. Two efficiencies: of the whole command, in which the start of
the processes and the end are done once whatever W; and from the start of the first trial to the
end of the last. With one worker the machine's other cores are idle but for the owner and W&B's
writer, which flatters one worker; --pin keeps it and its owner on one core.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --device cuda --workers 8
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.arguments import Arguments
from benchmarks.arms import ArmResult, run_arm
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
from nas.devices import list_gpus, plan_slots


def measure(
    job: Job, workers: int, repeats: int, folder: Path, *, pin: bool = False
) -> dict[str, Any]:
    """Compare so many workers with one, as JSON data."""
    path = folder / "architectures.json"
    path.write_text(json.dumps(draw_architectures(job.make_space(), job.trials)))
    job = replace(job, architectures=str(path.resolve()))

    def arm_of(count: int) -> Callable[[int], ArmResult]:
        flags = ["--workers", str(count)]
        flags += [] if job.device == "cpu" else ["--devices", str(count)]

        def run(turn: int) -> ArmResult:
            place = folder / f"turn{turn}-{count}"
            cores = {0} if pin and count == 1 else None
            return run_arm("nas", replace(job, seed=turn), place, flags, cores)

        return run

    found = interleave({str(count): arm_of(count) for count in (workers, 1)}, repeats, say=print)
    many, one = found[str(workers)], found["1"]
    return {
        "job": asdict(job) | {"architectures": "drawn"},
        "workers": workers,
        "pinned": pin,
        "per_hour": {name: spread_of([r.per_hour for r in runs]) for name, runs in found.items()},
        "seconds": {name: spread_of([r.seconds for r in runs]) for name, runs in found.items()},
        "efficiency": ratios([r.per_hour / workers for r in many], [r.per_hour for r in one]),
        "efficiency_in_training": ratios(
            [1 / run.seconds_in_trials / workers for run in many],
            [1 / run.seconds_in_trials for run in one],
        ),
        "paths": {name: runs[-1].paths for name, runs in found.items()},
    }


def describe(result: dict[str, Any]) -> str:
    """Return the result as a Markdown table."""
    rows = [
        [
            name,
            result["per_hour"][name].describe(),
            rounded(result["seconds"][name].median),
            ", ".join(f"{path}: {count}" for path, count in result["paths"][name].items()),
        ]
        for name in result["per_hour"]
    ]
    return (
        format_table(["workers", "candidates/hour", "s per run", "trained"], rows)
        + f"\n\nefficiency {result['efficiency'].describe()}, without start and end "
        f"{result['efficiency_in_training'].describe()}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = Arguments(__doc__)
    parser.add_int("--workers", 2, least=2, help="compared with one")
    parser.add_int("--architectures", 64, help="candidates of a run")
    parser.add_int("--repeats", 5)
    parser.add_int("--epochs", None, help="default: the recipe's 8")
    parser.add_int("--max-blocks", None, help="most blocks per stage; default: 5")
    parser.add_data()
    parser.add_device()
    parser.add_argument("--pin", action="store_true", help="one worker on one core")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    job = Job(
        trials=options.architectures,
        device=options.device,
        data=options.data,
        space={} if options.max_blocks is None else {"max_blocks": options.max_blocks},
        recipe={} if options.epochs is None else {"epochs": options.epochs},
    )
    with parser.checking():
        check_job(job)
        if job.device != "cpu":
            plan_slots(options.workers, options.workers, list_gpus())
    with tempfile.TemporaryDirectory(prefix="nas-benchmark-") as folder:
        result = measure(job, options.workers, options.repeats, Path(folder), pin=options.pin)
    print(f"\n{describe(result)}")
    name = "scaling" if options.device == "cpu" else "scaling_cuda"
    print(f"\nwritten to {write_result(name, result, options.device, options.results)}")


if __name__ == "__main__":
    main()
