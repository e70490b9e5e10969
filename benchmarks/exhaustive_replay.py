"""What designs and searches find in the table of all patterns, whose truth is known.

    python -m benchmarks.exhaustive_replay

Every replay draws a design, or lets TPE search, takes a recorded seed at random for each row, and
estimates: nothing is trained. Effects are compared with the table's own, AMCE of each group: bias,
RMSE, coverage of 95% intervals (pointwise, and all six groups at once), the share of the three
largest effects that are among the three largest estimates, Kendall's tau, and how often the last
group's estimate is the last. Optuna's importances have no sign and no interval: their ranks alone
are compared, with the ranks of the true sizes. Further, the network that each sampler has chosen
after so many trials. Written as `benchmarks/results/exhaustive_replay.json`.
"""

import argparse
import math
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from scipy import stats

from benchmarks.exhaustive_designs import DESIGNS, Rows, Sampler, draw_design, run_search
from benchmarks.exhaustive_estimates import (
    EVALUATORS,
    Effects,
    as_study,
    importances,
    naive,
    ours,
    sample_of,
)
from benchmarks.exhaustive_truth import METRICS, outcomes
from benchmarks.measuring import RESULTS, format_table, write_result
from trainer.recorded.skipbench import PATH
from trainer.recorded.table import PatternTable, load_table
from trainer.recorded.truth import Estimands

SIZES = (16, 32, 48)
"""Runs of a design."""
MIXTURES = (32, 64, 96)
"""Trials of a study of which half are rows of the design; 64 is what `data: skipbench` does."""
SEARCHED = 48
"""Trials of a search without a design."""
SAMPLERS: tuple[Sampler, ...] = ("random", "tpe", "mutation")
MARKS = (4, 8, 16, 32, 48)
"""Trials after which the chosen network is judged."""

Scores = dict[str, dict[str, Any]]
"""What one replay found, by arm."""


def replay(path: Path, seed: int, *, with_searches: bool, with_forest: bool) -> Scores:
    """Make one replay of every arm in this process."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    table = load_table(path)
    rng = np.random.default_rng((97, seed))
    found: Scores = {}
    for number in SIZES:
        for design in DESIGNS:
            rows = draw_design(table, design, number, rng)
            name = f"{design}, {number} runs"
            for metric in METRICS:
                sample = sample_of(table, metric, rows, rows.is_random)
                found[f"{name} | ours | {metric}"] = _scores(ours(sample))
            if design == "random" and number == SEARCHED:
                found |= _ranked(name, as_study(table, rows), with_forest=with_forest)
    if with_searches:
        found |= _searched(table, rng, with_forest=with_forest)
    return found


def _searched(table: PatternTable, rng: np.random.Generator, *, with_forest: bool) -> Scores:
    """Replay studies in which a sampler takes part."""
    found: Scores = {}
    rows = run_search(table, SEARCHED, rng)
    found |= _all_rows(table, f"TPE alone, {SEARCHED} trials", rows, with_forest=with_forest)
    for number in MIXTURES:
        rows = run_search(table, number, rng, design_share=0.5)
        name = f"half design, half TPE, {number} trials"
        for metric in METRICS:
            sample = sample_of(table, metric, rows, rows.is_random)
            found[f"{name} | ours | {metric}"] = _scores(ours(sample))
        found |= _all_rows(table, name, rows, with_forest=with_forest and number == MIXTURES[1])
    return found


def _all_rows(table: PatternTable, name: str, rows: Rows, *, with_forest: bool) -> Scores:
    """Read all rows of a study as if they had been chosen by lot."""
    everything = np.ones(len(rows.patterns), dtype=bool)
    found: Scores = {}
    for metric in METRICS:
        sample = sample_of(table, metric, rows, everything)
        found[f"{name} | difference of all rows | {metric}"] = _scores(naive(sample))
    return found | _ranked(name, rows.study, with_forest=with_forest)


def _ranked(name: str, study: optuna.Study | None, *, with_forest: bool) -> Scores:
    if study is None:
        return {}
    chosen = EVALUATORS if with_forest else ["PED-ANOVA"]
    return {
        f"{name} | {evaluator} | val/log_loss": {"importance": importances(study, evaluator)}
        for evaluator in chosen
    }


def _scores(effects: Effects) -> dict[str, Any]:
    return {
        "estimate": effects.estimate,
        "half": effects.half,
        "half_sim": effects.half_sim,
    }


def summarise(table: PatternTable, replays: Sequence[Scores]) -> list[dict[str, Any]]:
    """Compare what all replays found with the truth; one row per arm and outcome."""
    names = list(dict.fromkeys(name for found in replays for name in found))
    return [
        _summary(table, name, [found[name] for found in replays if name in found])
        for name in names
    ]


def _summary(table: PatternTable, name: str, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    rows, estimator, metric = name.split(" | ")
    factor = METRICS[metric][1]
    weights = Estimands(table.num_groups)
    means = outcomes(table, metric).mean(axis=1)
    truth = np.array([weights.amce(group) @ means for group in range(table.num_groups)])
    row: dict[str, Any] = {"rows": rows, "estimator": estimator, "metric": metric}
    if "importance" in found[0]:
        ranks = np.array([own["importance"] for own in found])
        return row | {"replays": len(found), **_rank_scores(ranks, np.abs(truth))}
    stacked = {key: factor * np.array([own[key] for own in found]) for key in found[0]}
    known = np.isfinite(stacked["estimate"]).all(axis=1)
    row |= {"replays": len(found), "share_answered": float(known.mean())}
    if not known.any():
        return row
    estimates = stacked["estimate"][known]
    errors = estimates - truth
    inside = np.abs(errors) <= stacked["half"][known]
    has_band = bool(np.isfinite(stacked["half_sim"][known]).all())
    together = (np.abs(errors) <= stacked["half_sim"][known]).all(axis=1)
    bias = errors.mean(axis=0)
    noise = errors.std(axis=0, ddof=1) / math.sqrt(len(errors)) if len(errors) > 1 else bias
    return row | {
        "bias": float(bias.mean()),
        "largest_bias": float(bias[np.abs(bias).argmax()]),
        "largest_bias_in_mc_se": float(np.abs(bias / np.maximum(noise, 1e-12)).max()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "half_width": float(stacked["half"][known].mean()),
        "coverage": float(inside.mean()),
        "coverage_simultaneous": float(together.mean()) if has_band else None,
        **_rank_scores(estimates, truth),
    }


def _rank_scores(estimates: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return how well ranks are found; ties share their places."""
    top = set(np.argsort(-truth)[:3].tolist())
    recall = [len(top & set(np.argsort(-own)[:3].tolist())) / 3 for own in estimates]
    # scipy's result has no type of its own.
    found: list[Any] = [stats.kendalltau(own, truth) for own in estimates]
    last = int(truth.argmin())
    return {
        "top3_recall": float(np.mean(recall)),
        "kendall": float(np.nanmean([result.statistic for result in found])),
        "last_is_last": float(np.mean(estimates.argmin(axis=1) == last)),
    }


def search_curve(path: Path, sampler: Sampler, seed: int) -> list[float]:
    """Return the regret of the network that a search has chosen, after each of its trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    table = load_table(path)
    means = np.nanmean(table.log_loss[:, :, -1], axis=1)
    rows = run_search(table, MARKS[-1], np.random.default_rng((98, seed)), sampler=sampler)
    values = table.log_loss[rows.patterns, rows.seeds, -1]
    best = [int(values[: n + 1].argmin()) for n in range(len(values))]
    return (means[rows.patterns[best]] - means.min()).tolist()


def describe(rows: Sequence[dict[str, Any]], curves: dict[str, dict[str, Any]]) -> str:
    """Return everything as tables, one per outcome and one of the samplers."""
    parts = []
    for metric, (unit, _, digits) in METRICS.items():
        header = ["rows", "estimator", "answered", "bias", "RMSE", "coverage", "all six"]
        header += ["top 3", "Kendall", "last is last"]
        own = [row for row in rows if row["metric"] == metric]
        parts.append(f"{unit}\n{format_table(header, [_cells(row, digits) for row in own])}")
    header = ["sampler", *(f"regret after {mark}" for mark in MARKS)]
    cells = [
        [sampler, *(f"{mean:.4f}" for mean in curve["mean_regret"].values())]
        for sampler, curve in curves.items()
    ]
    parts.append(f"log-loss beyond the best network's, means\n{format_table(header, cells)}")
    return "\n\n".join(parts)


def _cells(row: dict[str, Any], digits: int) -> list[str]:
    def shown(name: str, places: int = 2) -> str:
        return "" if row.get(name) is None else f"{row[name]:.{places}f}"

    return [
        row["rows"],
        row["estimator"],
        shown("share_answered"),
        shown("bias", digits + 1),
        shown("rmse", digits),
        shown("coverage", 3),
        shown("coverage_simultaneous", 3),
        shown("top3_recall"),
        shown("kendall"),
        shown("last_is_last"),
    ]


def main(given: Sequence[str] | None = None) -> None:
    """Read the flags, replay, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, default=PATH)
    parser.add_argument("--replays", type=int, default=500)
    parser.add_argument("--searches", type=int, default=500, help="replays with a sampler")
    parser.add_argument("--forests", type=int, default=500, help="replays with fANOVA, slow")
    parser.add_argument("--curves", type=int, default=500, help="searches per sampler")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args(given)
    table, started = load_table(arguments.table), time.perf_counter()
    path = arguments.table
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        futures = [
            pool.submit(
                replay,
                path,
                seed,
                with_searches=seed < arguments.searches,
                with_forest=seed < arguments.forests,
            )
            for seed in range(arguments.replays)
        ]
        searches = {
            sampler: [
                pool.submit(search_curve, path, sampler, seed) for seed in range(arguments.curves)
            ]
            for sampler in SAMPLERS
        }
        rows = summarise(table, [future.result() for future in futures])
        curves = {
            sampler: _curve_summary(np.array([future.result() for future in own]))
            for sampler, own in searches.items()
        }
    print(describe(rows, curves))
    result = {
        "what": "Designs and searches replayed on the table of all patterns; seeds from 0",
        "table": {key: table.about.get(key) for key in ("recipe", "seeds", "commit")},
        "replays": arguments.replays,
        "seconds": time.perf_counter() - started,
        "rows": rows,
        "samplers": curves,
    }
    print(write_result("exhaustive_replay", result, folder=arguments.out))


def _curve_summary(regrets: np.ndarray) -> dict[str, Any]:
    at = [mark - 1 for mark in MARKS]
    return {
        "searches": len(regrets),
        "mean_regret": dict(zip(MARKS, regrets.mean(axis=0)[at].tolist(), strict=True)),
        "se": dict(
            zip(
                MARKS,
                (regrets.std(axis=0, ddof=1) / math.sqrt(len(regrets)))[at].tolist(),
                strict=True,
            )
        ),
    }


if __name__ == "__main__":
    main()
