"""The true effects beside the estimated ones, where a study's data is recorded; no torch here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nas.benefit.questions import SKIP
from search_spaces.spec import Kind, Place
from trainer.data import data_facts
from trainer.recorded.skipbench import (
    BLOCKS_PER_GROUP,
    BLOCKS_PER_STAGE,
    NAME,
    NUM_GROUPS,
    SENTENCE,
    load_skipbench,
    trained_network,
)
from trainer.recorded.table import PatternTable
from trainer.recorded.truth import Estimands, measure

_PER_STAGE = BLOCKS_PER_STAGE // BLOCKS_PER_GROUP
_UNITS = {"val/log_loss": "nats", "val/accuracy": "fraction"}
_COPIED = ("estimate", "ci_sim_low", "ci_sim_high")


def known_truth(benefit: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is true of the questions that a skip map answers; None where nobody knows.

    Args:
        benefit: Content of `skip_benefit.json`, of a study on any data.

    Returns:
        JSON data: true effects in the metric's unit, positive = better, each with the standard
        error that the recorded seeds leave, beside the estimates and whether their simultaneous
        intervals hold the truth.
    """
    data = benefit.get("data") or {}
    study_metric = data.get("metric")
    if data.get("dataset") != NAME or study_metric not in _UNITS:
        return None
    table = load_skipbench()
    others = {
        metric.replace("/", "_"): _of_metric(table, metric, _effects_of(benefit, metric))
        for metric in _UNITS
        if metric != study_metric
    }
    return {
        "sentence": SENTENCE,
        "n_patterns": table.num_patterns,
        "n_seeds": table.num_seeds,
        "layers": trained_network([False] * NUM_GROUPS).layers,
        "epochs": table.num_epochs,
        "metric": study_metric,
        **_of_metric(table, study_metric, benefit.get("effects") or ()),
        "metrics": others,
    }


def _effects_of(benefit: Mapping[str, Any], metric: str) -> Sequence[Mapping[str, Any]]:
    """Return our effects on an outcome beside the study's metric."""
    found = (benefit.get("metrics") or {}).get(metric.replace("/", "_")) or {}
    return found.get("effects") or ()


def _of_metric(
    table: PatternTable, metric: str, effects: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    num_classes = data_facts(NAME).num_classes
    values = table.values(metric, num_classes)
    weights = Estimands(table.num_groups)
    rows = [_compared(row, values, weights) for row in effects if _groups(row) is not None]
    compared = [row["inside"] for row in rows if row["inside"] is not None]
    return {
        "unit": _UNITS[metric],
        "effects": rows,
        "num_inside": sum(compared),
        "num_compared": len(compared),
        "paired": [
            {"split": split, **row}
            for split, prefix in (("validation", "val/"), ("test", "test/"))
            for of_split in [table.values(metric.replace("val/", prefix), num_classes)]
            for row in (
                *_paired(of_split, "ABL", Kind.IDENTITY, weights.abl),
                *_paired(of_split, "ADD", Kind.NONE, weights.add),
            )
        ],
        "difference": _truth(values, weights.difference()),
        "trend": _truth(values, weights.late_minus_early()),
    }


def _groups(row: Mapping[str, Any]) -> list[int] | None:
    """Return the groups of an effect of having a skip; None where there is nothing to compare.

    With one kind of skip, means over blocks are the same for it and for any skip; one of them will
    do.
    """
    if row.get("reference_kind") != Kind.NONE.value or row.get("span") is not None:
        return None
    if row.get("estimand") == "AMCE":
        return [row["position"] - 1]
    if row.get("kind") != SKIP:
        return None
    if row.get("estimand") == "AMCE_ALL":
        return list(range(NUM_GROUPS))
    if row.get("estimand") == "AMCE_STAGE":
        return [group for group in range(NUM_GROUPS) if _place(group).stage == row["stage"]]
    return None


def _compared(row: Mapping[str, Any], values: np.ndarray, weights: Estimands) -> dict[str, Any]:
    """Return the truth of one of our effects beside it."""
    names = ("estimand", "stage", "block", "position", "kind", "reference_kind")
    found = {name: row.get(name) for name in names}
    found |= _truth(values, weights.mean_amce(_groups(row) or ()))
    found |= {name: row.get(name) for name in _COPIED}
    low, high = row.get("ci_sim_low"), row.get("ci_sim_high")
    if low is None or high is None:
        return found | {"inside": None}
    return found | {"inside": low <= found["truth"] <= high}


def _paired(
    values: np.ndarray, estimand: str, base: Kind, weigh: Callable[[int], np.ndarray]
) -> list[dict[str, Any]]:
    """Return what each skip is worth in the network with all others, or with no other."""
    layers = trained_network([False] * NUM_GROUPS).layers
    word = "plain" if base is Kind.NONE else base.value
    return [
        {
            "estimand": estimand,
            "base": f"{word}-{layers}",
            "stage": _place(group).stage,
            "block": _place(group).block,
            "position": group + 1,
            "kind": Kind.IDENTITY.value,
            "reference_kind": Kind.NONE.value,
            **_truth(values, weigh(group)),
        }
        for group in range(NUM_GROUPS)
    ]


def _place(group: int) -> Place:
    """Return the block that stands for a group in a study's networks."""
    return Place(group // _PER_STAGE + 1, group % _PER_STAGE + 1)


def _truth(values: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    found = measure(values, weights)
    return {"truth": found.value, "truth_se": found.se}
