"""Is the skip map right where the truth is known? Every test with its bound, on planted studies.

No training: effects, interactions and noise are planted, truth is found by enumeration, and the
studies are read as ours are. `--studies` is the number of simulated studies per case; the bounds
are those of 400, with a Monte-Carlo allowance where there are fewer.

    python -m benchmarks.validation
    python -m benchmarks.validation --only coverage adaptivity --studies 100
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from threadpoolctl import threadpool_limits

from benchmarks.figures import Figure, describe_figures
from benchmarks.measuring import RESULTS, write_result
from benchmarks.validation_adaptive import adaptivity
from benchmarks.validation_records import (
    aliasing,
    conditional,
    determinism,
    failures,
    kinds,
    pairing,
)
from benchmarks.validation_samples import coverage, null_size, power, ranks, unbiased

TESTS: dict[str, tuple[Callable[[int], list[Figure]], float]] = {
    "unbiased": (unbiased, 1.0),
    "coverage": (coverage, 1.0),
    "null_size": (null_size, 1.0),
    "power": (power, 1.0),
    "ranking": (ranks, 1.0),
    "adaptivity": (adaptivity, 0.25),
    "aliasing": (aliasing, 0.1),
    "failures": (failures, 0.25),
    "conditional": (conditional, 0.25),
    "kinds": (kinds, 0.25),
    "pairing": (pairing, 1.0),
    "determinism": (determinism, 0.05),
}
"""Tests, and the share of the studies that each takes: those with a search in the loop, and those
through the whole map, are slow."""

SEEDS = "numpy.random.default_rng((number of the case, number of the study)), fixed in the source"


def run(names: Sequence[str], studies: int) -> list[Figure]:
    """Run tests and return their figures."""
    figures = []
    # Matrices are small: more threads would only wait for each other.
    with threadpool_limits(1):
        for name in names:
            started = time.perf_counter()
            test, share = TESTS[name]
            figures += test(max(int(studies * share), 2))
            print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the validation; the exit status is 1 where a figure misses its bound."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=TESTS, default=list(TESTS))
    parser.add_argument("--studies", type=int, default=400, help="simulated studies per case")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the result")
    options = parser.parse_args(arguments)
    if options.studies < 8:
        parser.error(f"--studies must be at least 8, got {options.studies}.")
    figures = run(options.only, options.studies)
    print(f"\n{describe_figures(figures)}\n")
    missed = [own for own in figures if own.bound and not own.passed]
    print(f"{len(missed)} of {sum(bool(own.bound) for own in figures)} bounds missed")
    # Named by its tests, so that a part does not stand for the whole.
    name = "validation" if set(options.only) == set(TESTS) else "validation_part"
    path = write_result(
        name,
        {
            "studies": options.studies,
            "seeds": SEEDS,
            "figures": [own.to_dict() for own in figures],
        },
        folder=options.results,
    )
    print(f"written to {path}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
