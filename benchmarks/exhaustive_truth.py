"""What is true of skips, from the table of all patterns: `python -m benchmarks.exhaustive_truth`.

Prints the exact AMCE, Banzhaf and Shapley values, leave-one-out (ABL), add-one-in (ADD), and all
pairs, for log-loss and accuracy, with standard errors from the seeds, and writes them as
`benchmarks/results/exhaustive_truth.json`. Nothing is trained.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import RESULTS, format_table, write_result
from trainer.data import data_facts
from trainer.recorded.skipbench import NAME, PATH
from trainer.recorded.table import PatternTable, load_table
from trainer.recorded.truth import Estimands, Truth, joint_p, measure

METRICS = {"val/accuracy": ("accuracy, points", 100.0, 2), "val/log_loss": ("-log-loss", 1.0, 4)}
"""Unit, factor and digits in which each outcome is shown."""
GROUPS = ("1: stage 1", "2: stage 1", "3: stage 2", "4: stage 2", "5: stage 3", "6: stage 3")
"""Groups 3 and 5 hold the transitions."""


def outcomes(table: PatternTable, metric: str) -> np.ndarray:
    """Return all trainings' outcomes in the unit shown, positive = better, (patterns, seeds)."""
    return METRICS[metric][1] * table.values(metric, data_facts(NAME).num_classes)


def truth_of(table: PatternTable, metric: str) -> dict[str, Any]:
    """Return every estimand of one outcome, in the unit shown."""
    values, weights = outcomes(table, metric), Estimands(table.num_groups)
    groups = range(table.num_groups)
    by_group: dict[str, Callable[[int], np.ndarray]] = {
        "AMCE": weights.amce,
        "Banzhaf": weights.banzhaf,
        "Shapley": weights.shapley,
        "ABL from full": weights.abl,
        "ADD to plain": weights.add,
    }
    pairs = {pair: measure(values, weights.pair(*pair)) for pair in weights.pairs()}
    neighbours = [pair for pair in pairs if pair[1] - pair[0] == 1]
    found = {
        name: [_plain(measure(values, weigh(group))) for group in groups]
        for name, weigh in by_group.items()
    }
    means = values.mean(axis=1)
    best = int(means.argmax())
    return {
        "groups": found,
        "pairs": [
            {"groups": [first + 1, second + 1], **_plain(value)}
            for (first, second), value in pairs.items()
        ],
        "p_adjacent_pairs": joint_p(values, [weights.pair(*pair) for pair in neighbours]),
        "p_all_pairs": joint_p(values, [weights.pair(*pair) for pair in pairs]),
        "p_equal_amce": joint_p(
            values, [weights.amce(group) - weights.amce(group + 1) for group in groups[:-1]]
        ),
        "full_minus_plain": _plain(measure(values, weights.difference())),
        "late_minus_early": _plain(measure(values, weights.late_minus_early())),
        "mean_amce": _plain(measure(values, weights.mean_amce(groups))),
        "by_number_of_skips": [
            _plain(measure(values, weights.of_size(size))) for size in range(table.num_groups + 1)
        ],
        **_noise(values),
        "best_pattern": "".join("IN"[not on] for on in table.patterns[best].tolist()),
        "best_minus_full": _plain(measure(values, _contrast(best, len(means) - 1, len(means)))),
    }


def _noise(values: np.ndarray) -> dict[str, float]:
    """Return the spread between and within patterns, and what the seeds have in common."""
    within = values.var(axis=1, ddof=1)
    between = values.mean(axis=1).var(ddof=1) - within.mean() / values.shape[1]
    centred = values - values.mean(axis=1, keepdims=True)
    # Of patterns whose seeds differ at all.
    correlations = np.corrcoef(centred[within > 0])
    upper = correlations[np.triu_indices(len(correlations), 1)]
    return {
        "sd_between_patterns": float(np.sqrt(max(between, 0.0))),
        "sd_within_patterns": float(np.sqrt(within.mean())),
        "seed_correlation": float(upper.mean()),
    }


def _contrast(first: int, second: int, size: int) -> np.ndarray:
    weights = np.zeros(size)
    weights[first] += 1
    weights[second] -= 1
    return weights


def _plain(truth: Truth) -> dict[str, float]:
    return {"value": truth.value, "se": truth.se, "se_cells": truth.se_cells}


def describe(truths: dict[str, dict[str, Any]]) -> str:
    """Return all estimands as tables."""
    parts = []
    for metric, truth in truths.items():
        unit, _, digits = METRICS[metric]
        rows = [
            [name, *(_shown(value, digits) for value in values)]
            for name, values in truth["groups"].items()
        ]
        parts.append(format_table([f"{unit} (SE)", *GROUPS], rows))
        pairs = sorted(truth["pairs"], key=lambda pair: pair["value"])
        shown = ", ".join(
            f"{pair['groups'][0]}x{pair['groups'][1]} {_shown(pair, digits)}" for pair in pairs
        )
        sizes = ", ".join(f"{v['value']:.{digits}f}" for v in truth["by_number_of_skips"])
        parts.append(
            f"pairs: {shown}\n"
            f"adjacent pairs jointly p = {truth['p_adjacent_pairs']:.3g}, all pairs "
            f"p = {truth['p_all_pairs']:.3g}, equal AMCE p = {truth['p_equal_amce']:.3g}\n"
            f"full - plain {_shown(truth['full_minus_plain'], digits)}, late - early third "
            f"{_shown(truth['late_minus_early'], digits)}\n"
            f"by number of skips 0..6: {sizes}\n"
            f"sd between patterns {truth['sd_between_patterns']:.{digits}f}, within "
            f"{truth['sd_within_patterns']:.{digits}f}, seed correlation "
            f"{truth['seed_correlation']:.3f}\n"
            f"best pattern {truth['best_pattern']}, beyond full by "
            f"{_shown(truth['best_minus_full'], digits)}"
        )
    return "\n\n".join(parts)


def _shown(value: dict[str, float], digits: int) -> str:
    return f"{value['value']:.{digits}f} ({value['se']:.{digits}f})"


def main(given: Sequence[str] | None = None) -> None:
    """Read the flags, print the truth and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, default=PATH)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args(given)
    table = load_table(arguments.table)
    truths = {metric: truth_of(table, metric) for metric in METRICS}
    print(f"{table.num_patterns} patterns x {table.num_seeds} seeds, {table.num_epochs} epochs\n")
    print(describe(truths))
    result = {"what": "True effects of skips, of all 64 patterns", "table": dict(table.about)}
    print(write_result("exhaustive_truth", result | truths, folder=arguments.out))


if __name__ == "__main__":
    main()
