"""Claims and their price as lines of text; no torch here."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from nas.claims.jobs import Measuring, Training
from nas.claims.setup import ClaimsSetup
from nas.price import training_seconds

_WIDTH_OF_VERDICT = 12
_WIDTH_OF_ID = 4
_MEASURING_SECONDS = {"gradients": 0.03, "cosines": 0.25, "toy": 0.4}
"""Per seed, and for networks per 20 layers, on one CPU core."""


def estimated_seconds(
    setup: ClaimsSetup, trainings: Sequence[Training], num_workers: int
) -> float:
    """Estimate the wall time of trainings, each alone, on so many CPU cores, s."""
    total = sum(training_seconds(t.spec, t.recipe, setup.facts) for t in trainings)
    return total / num_workers


def measuring_seconds(jobs: Sequence[Measuring]) -> float:
    """Estimate the time of measurements without training, s."""
    total = 0.0
    for job in jobs:
        size = 1.0 if job.spec is None else job.spec.layers / 20
        total += _MEASURING_SECONDS[job.what] * job.num_seeds * size
    return total


def describe_price(
    trainings: Sequence[Training], measurings: Sequence[Measuring], seconds: float
) -> str:
    """Say what is left to be done and how long it takes."""
    if not trainings and not measurings:
        return "nothing is left to train."
    parts = []
    if trainings:
        layers = sorted(training.spec.layers for training in trainings)
        span = f"{layers[0]}" if layers[0] == layers[-1] else f"{layers[0]} to {layers[-1]}"
        plural = "s" if len(trainings) > 1 else ""
        parts.append(f"{len(trainings)} training{plural} of {span} layers")
    if measurings:
        plural = "s" if len(measurings) > 1 else ""
        parts.append(f"{len(measurings)} measurement{plural} without training")
    minutes = max(seconds / 60, 0.1)
    return f"{', '.join(parts)}, about {minutes:.1f} min."


def describe_claims(records: Sequence[Mapping[str, Any]], width: int = 100) -> str:
    """Return a table: claim, verdict, and what it rests on."""
    lines = []
    left = " " * (_WIDTH_OF_ID + _WIDTH_OF_VERDICT + 3)
    for record in records:
        head = f"{record['id']:<{_WIDTH_OF_ID}} {record['verdict']:<{_WIDTH_OF_VERDICT}}  "
        room = max(width - len(left), 30)
        words = [*wrap(record["statement"], room), *wrap(record["evidence"], room)]
        lines.append(head + words[0])
        lines += [left + line for line in words[1:]]
    return "\n".join(lines)


def summary(records: Sequence[Mapping[str, Any]]) -> str:
    """Count the verdicts in a sentence without its end."""
    counts = {
        verdict: [record["id"] for record in records if record["verdict"] == verdict]
        for verdict in ("supported", "contradicted", "inconclusive", "not tested")
    }
    parts = [f"{len(ids)} {verdict} ({', '.join(ids)})" for verdict, ids in counts.items() if ids]
    return ", ".join(parts)
