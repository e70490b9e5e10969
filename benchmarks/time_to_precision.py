"""H10: time until every block's interval is narrower than what is worthwhile, against ablations.

Ours is `nas search --mode effects --until settled`: random networks, each of which tells of every
block. The ablations change one block at a time and are trained by the same owner and workers, in
groups like ours, on as many seeds as equal precision takes: `identity` takes single skips from the
full-identity network, `plain` gives them to the plain network, `random` does so in networks drawn
at random. The last asks what ours answers; the first two ask about one network each.

Measured: our trials and time; of every ablation a part, which gives its variances over seeds and
its pace. Arithmetic: how many trainings each needs in all (`benchmarks.ablation`), and so its
time. --whole trains one ablation in full instead.

    python -m benchmarks.time_to_precision
    python -m benchmarks.time_to_precision --whole identity
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.ablation_runs import (
    ABLATIONS,
    QUIET,
    Part,
    half_widths,
    plan_part,
    plan_whole,
    run_part,
)
from benchmarks.arguments import Arguments
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
from benchmarks.processes import STUDY, check_job, nas_search, run_timed
from nas.run import open_run


@dataclass(frozen=True, kw_only=True)
class Ours:
    """One study that ends when every interval is narrow enough."""

    seconds: float
    trainings: int
    largest_half_width: float
    """Of the blocks' simultaneous intervals."""


def run_ours(job: Job, worthwhile: float, folder: Path) -> Ours:
    """Run our study; it gives up at the job's number of trials.

    Args:
        job: Space, data, recipe, most trials.
        worthwhile: Half-width that every interval must come to, in the metric's unit.
        folder: Takes the study; is made.
    """
    folder.mkdir(parents=True)
    flags = ("--mode", "effects", "--until", "settled", *QUIET)
    seconds = run_timed([nas_search(job, flags, {"search.sesoi": worthwhile})], folder)
    run = open_run(folder / "runs" / STUDY)
    found = [
        (row["ci_sim_high"], row["ci_sim_low"])
        for row in run.skip_benefit()["effects"]
        if row["estimand"] == "AMCE"
    ]
    known = [(high - low) / 2 for high, low in found if high is not None]
    return Ours(
        seconds=seconds,
        trainings=len(run.records()),
        largest_half_width=max(known) if len(known) == len(found) else float("inf"),
    )


def measure(
    job: Job, worthwhile: float, part_seeds: int, repeats: int, folder: Path, whole: str | None
) -> dict[str, Any]:
    """Run ours and the ablations in turn; return what was measured and what follows, as JSON.

    Args:
        job: Space, data, recipe, most trials of ours.
        worthwhile: Half-width that every interval must come to.
        part_seeds: Seeds of each network, or pairs of each block, that a part trains per turn.
        repeats: How many turns.
        folder: Takes all studies.
        whole: An ablation that is trained in full at the end.
    """
    num_blocks = sum(job.make_space().deepest)

    def ours(turn: int) -> Ours:
        return run_ours(replace(job, seed=turn), worthwhile, folder / f"ours{turn}")

    def part_of(ablation: str) -> Any:
        plan = plan_part(ablation, num_blocks, part_seeds)
        return lambda turn: run_part(
            replace(job, seed=turn), ablation, plan, folder / f"{ablation}{turn}"
        )

    arms: dict[str, Callable[[int], Any]] = {"ours": ours}
    arms |= {name: part_of(name) for name in ABLATIONS}
    found = interleave(arms, repeats, say=print)
    studies: list[Ours] = found.pop("ours")
    result = {
        "job": asdict(job),
        "blocks": num_blocks,
        "worthwhile": worthwhile,
        "ours": {
            "seconds": spread_of([run.seconds for run in studies]),
            "trainings": spread_of([run.trainings for run in studies]),
            "largest_half_width": spread_of([run.largest_half_width for run in studies]),
            "num_precise": sum(run.largest_half_width <= worthwhile for run in studies),
        },
        "ablations": {
            name: _extrapolate(name, parts, studies, worthwhile) for name, parts in found.items()
        },
    }
    if whole is not None:
        parts = found[whole]
        plan = plan_whole(parts, whole, worthwhile)
        trained = run_part(replace(job, seed=repeats), whole, plan, folder / "whole")
        result["whole"] = {
            "ablation": whole,
            "seconds": trained.seconds,
            "trainings": trained.trainings,
            "largest_half_width": max(half_widths(trained, whole, plan.quantile)),
        }
    return result


def _extrapolate(
    ablation: str, parts: Sequence[Part], studies: Sequence[Ours], worthwhile: float
) -> dict[str, Any]:
    plan = plan_whole(parts, ablation, worthwhile)
    seconds = [part.seconds_for(plan.trainings) for part in parts]
    precise = [
        (own, run.seconds)
        for own, run in zip(seconds, studies, strict=True)
        if run.largest_half_width <= worthwhile
    ]
    over_ours = ratios(*zip(*precise, strict=True)) if precise else None
    return {
        "measured": {
            "trainings": sum(part.trainings for part in parts),
            "seconds": spread_of([part.seconds for part in parts]),
        },
        "arithmetic": {
            "trainings": plan.trainings,
            "control": plan.control,
            "per_block": list(plan.per_block),
            "quantile": plan.quantile,
            "seconds": spread_of(seconds),
            # Only of turns in which ours came to the precision; None where it never did.
            "seconds_over_ours": over_ours,
        },
    }


def describe(result: Mapping[str, Any]) -> str:
    """Return the result as a Markdown table."""
    ours = result["ours"]
    rows: list[list[str]] = [
        [
            "ours",
            ours["trainings"].describe(),
            ours["seconds"].describe(),
            "1",
            f"all measured; precise in {ours['num_precise']} of {ours['seconds'].count}",
        ]
    ]
    for name, found in result["ablations"].items():
        arithmetic = found["arithmetic"]
        over_ours = arithmetic["seconds_over_ours"]
        rows.append(
            [
                f"ablation, {name}",
                f"{arithmetic['trainings']:,}",
                arithmetic["seconds"].describe(),
                over_ours.describe() if over_ours else "-",
                f"arithmetic from {found['measured']['trainings']} trainings",
            ]
        )
    if "whole" in result:
        whole = result["whole"]
        rows.append(
            [
                f"ablation, {whole['ablation']}, in full",
                f"{whole['trainings']:,}",
                rounded(whole["seconds"]),
                rounded(whole["seconds"] / ours["seconds"].median) if ours["num_precise"] else "-",
                f"measured; largest half-width {rounded(whole['largest_half_width'])}",
            ]
        )
    header = ["method", "trainings", "s", "times ours", "how it is known"]
    return (
        f"{result['blocks']} blocks, half-width {result['worthwhile']:g}, largest of ours "
        f"{ours['largest_half_width'].describe()}\n\n{format_table(header, rows)}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = Arguments(__doc__)
    parser.add_int("--blocks", 4, help="per stage; there are three")
    parser.add_positive("--worthwhile", 0.02, help="half-width, nats")
    parser.add_int("--trials", 1000, help="most of ours")
    parser.add_int("--part", 8, help="seeds per network and turn")
    parser.add_argument("--whole", choices=ABLATIONS, help="train this one in full, at the end")
    parser.add_int("--repeats", 5)
    parser.add_int("--epochs", None, help="default: the recipe's 8")
    parser.add_data()
    parser.add_device()
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    parser.require(
        options.part * options.repeats >= 2,
        f"--part: must be at least 2 in one turn, got part={options.part} and repeats="
        f"{options.repeats}. A variance takes two trainings of each network.",
    )
    depth = {"min_blocks": options.blocks, "max_blocks": options.blocks}
    job = Job(
        trials=options.trials,
        device=options.device,
        data=options.data,
        space={**depth, "kinds": ["none", "identity"]},
        recipe={} if options.epochs is None else {"epochs": options.epochs},
    )
    with parser.checking():
        check_job(job)
    with tempfile.TemporaryDirectory(prefix="nas-benchmark-") as folder:
        result = measure(
            job, options.worthwhile, options.part, options.repeats, Path(folder), options.whole
        )
    print(f"\n{describe(result)}")
    name = "time_to_precision" if options.device == "cpu" else "time_to_precision_cuda"
    print(f"\nwritten to {write_result(name, result, options.device, options.results)}")


if __name__ == "__main__":
    main()
