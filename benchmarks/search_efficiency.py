"""How many evaluations each sampler needs: searches on recorded trainings of deep digits (H5).

    python -m benchmarks.search_efficiency

Every arm searches by the parts of `nas search`: its sampler, pruner, start-up, duplicates. A trial
is trained on one recorded seed, drawn for it; the network that a search has chosen is judged on the
other seeds, which it never saw. Searches of all arms share their seeds. Regret is the distance to
the lowest mean over all seeds, which luck has made somewhat too low: it shifts all arms alike.
Trainings are counted in epochs; that pausing and pruning leave groups smaller is not in it.
"""

import math
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from benchmarks.arguments import Arguments
from benchmarks.curve_picture import draw_curves
from benchmarks.measuring import RESULTS, format_table, write_result
from benchmarks.recorded_search import ARMS, RecordedSearch
from benchmarks.recorded_table import DEFAULT, RecordedTable, generated_table, load_table

MARKS = (32, 64, 96, 128, 160)
"""Trainings after which random search is to be matched."""
_JUDGED = ("chosen", "finalist")
"""The network with the best value, and the one that another training of the best eight picks."""


def search(path: Path | None, arm: int, slots: int, seed: int, budget: int) -> dict[str, Any]:
    """Run one search in this process; on a made-up table without a path."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    table = load_table(path) if path else generated_table()
    epochs = table.log_loss.shape[2]
    curve = RecordedSearch(table, ARMS[arm], slots, seed).run(budget * epochs)
    places = [n * epochs for n in range(1, budget + 1)]
    return {
        "chosen": curve.at(places, "quality"),
        # A table of few seeds has none to judge finalists on.
        **({"finalist": curve.at(places, "finalists")} if curve.finalists else {}),
        "num_pruned": curve.num_pruned,
    }


def stays_as_good(curve: np.ndarray, wanted: float) -> float:
    """Return after how many trainings a curve is as good and stays so; inf where it ends worse.

    The first time would not do: a noisy curve that is often close crosses by luck.

    >>> stays_as_good(np.array([3.0, 2.0, 2.5, 2.0, 1.0]), 2.0)
    4.0
    """
    worse = np.flatnonzero(~(curve <= wanted))
    if not len(worse):
        return 1.0
    return float(worse[-1] + 2) if worse[-1] + 1 < len(curve) else math.inf


def compare(
    table: RecordedTable,
    path: Path | None,
    *,
    searches: int,
    budget: int,
    slots: int,
    workers: int,
) -> dict[str, np.ndarray]:
    """Run all searches; the regret of what each has chosen, (searches, trainings), by arm."""
    jobs = [(arm, seed) for seed in range(searches) for arm in range(len(ARMS))]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(search, path, arm, slots, seed, budget) for arm, seed in jobs]
        found = [future.result() for future in futures]
    best = float(table.means().min())
    curves: dict[str, np.ndarray] = {}
    for what in (what for what in _JUDGED if what in found[0]):
        for number, arm in enumerate(ARMS):
            runs = [f[what] for (a, _), f in zip(jobs, found, strict=True) if a == number]
            curves[f"{what}: {arm.name}"] = np.array(runs) - best
    return curves


def summary(curves: dict[str, np.ndarray], marks: Sequence[int]) -> list[dict[str, Any]]:
    """Return the median regret at some numbers of trainings, and when random's is matched."""
    rows: list[dict[str, Any]] = []
    for what in (what for what in _JUDGED if f"{what}: random" in curves):
        random = np.median(curves[f"{what}: random"], axis=0)
        for arm in ARMS:
            runs = curves[f"{what}: {arm.name}"]
            median = np.median(runs, axis=0)
            needed = {n: stays_as_good(median, random[n - 1]) for n in marks}
            rows.append(
                {
                    "arm": arm.name,
                    "of": what,
                    "median": {n: float(median[n - 1]) for n in marks},
                    "quartiles": {
                        n: [float(np.quantile(runs[:, n - 1], q)) for q in (0.25, 0.75)]
                        for n in marks
                    },
                    "trainings to match random's": {
                        n: value if math.isfinite(value) else None for n, value in needed.items()
                    },
                    "times fewer": {n: n / needed[n] for n in marks},
                }
            )
    return rows


def describe(rows: list[dict[str, Any]], marks: Sequence[int]) -> str:
    """Return the summary as a table."""
    header = ["of", "arm", *(f"regret at {n}" for n in marks), *(f"fewer at {n}" for n in marks)]
    cells = [
        [
            row["of"],
            row["arm"],
            *(
                f"{row['median'][n]:.4f} ({row['quartiles'][n][0]:.4f} to "
                f"{row['quartiles'][n][1]:.4f})"
                for n in marks
            ),
            *(f"{row['times fewer'][n]:.2f}x" for n in marks),
        ]
        for row in rows
    ]
    return format_table(header, cells)


def picture(curves: dict[str, np.ndarray], about: str) -> str:
    """Draw the regret of what the searches have chosen, against trainings."""
    num = next(iter(curves.values())).shape[1]
    places = sorted({int(n) for n in np.geomspace(min(8, num / 2), num, 60)})
    shown = {
        # No lower than what a plot by logarithm can show.
        arm.name: np.maximum(curves[f"chosen: {arm.name}"][:, [n - 1 for n in places]], 1e-3)
        for arm in ARMS
    }
    return draw_curves(
        places,
        shown,
        title=f"Regret of the chosen network, {about}",
        x_label="trainings' worth of epochs",
        y_label="log-loss beyond the best network's, on unseen seeds; medians",
    )


def main(given: Sequence[str] | None = None) -> None:
    """Read the flags, compare and write the result."""
    parser = Arguments(__doc__)
    parser.add_argument("--table", type=Path, default=DEFAULT)
    parser.add_argument("--generated", action="store_true", help="a made-up table, for a trial")
    parser.add_int("--searches", 24)
    parser.add_int("--budget", 160, least=2, help="trainings per search")
    parser.add_int("--slots", 16, help="workers times group size")
    parser.add_int("--workers", 2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args(given)
    parser.require(
        arguments.budget >= arguments.slots,
        f"--budget: must be at least --slots, as no training is complete before, got budget="
        f"{arguments.budget} and slots={arguments.slots}. Give more trainings, or fewer slots.",
    )
    path = None if arguments.generated else arguments.table
    with parser.checking():
        table = load_table(path) if path else generated_table()
    curves = compare(
        table,
        path,
        searches=arguments.searches,
        budget=arguments.budget,
        slots=arguments.slots,
        workers=arguments.workers,
    )
    marks = [n for n in MARKS if n <= arguments.budget] or [arguments.budget]
    rows = summary(curves, marks)
    print(describe(rows, marks))
    name = f"search_efficiency_{arguments.slots}"
    about = f"{arguments.searches} searches, {arguments.slots} at once"
    result = {
        "what": "H5: regret of the chosen network and trainings to match random search for good; "
        "0 times fewer: worse at the end",
        "table": {k: v for k, v in table.about.items() if k in ("space", "recipe", "generated")},
        "searches": arguments.searches,
        "slots": arguments.slots,
        "best log-loss": float(table.means().min()),
        "rows": rows,
    }
    written = write_result(name, result, folder=arguments.out)
    written.with_suffix(".svg").write_text(picture(curves, about), encoding="utf-8")
    print(written, written.with_suffix(".svg"))


if __name__ == "__main__":
    main()
