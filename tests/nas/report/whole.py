"""A planted study that has every kind of evidence: two rates, failures, pairs, signals, claims."""

import itertools
import random
from functools import cache
from typing import Any

from nas.benefit import BenefitContext, skip_benefit
from nas.report.data import NextStep, ReportData
from nas.trials import Source, State, TrialRecord
from search_spaces.complexity import complexity
from search_spaces.spec import ArchitectureSpec, Kind, Place
from tests.nas.report.sample import FACTS, SPACE
from trainer.measurement import EpochMetrics

PLACES = tuple(Place(stage, block) for stage in (1, 2, 3) for block in (1, 2))
WORTH = dict(zip(PLACES, (0.3, 0.25, 0.22, 0.0, 0.02, -0.12), strict=True))
"""Planted worth of a skip, in log-loss."""
RATES = (0.033, 0.1)
PLAIN = SPACE.spec((2, 2, 2), {})
LAYERS = PLAIN.layers
CLAIMS: list[dict[str, Any]] = [
    {
        "id": "C1",
        "statement": "Skips prevent vanishing gradients.",
        "verdict": "contradicted",
        "evidence": "With batch norm the gradients of plain networks explode.",
        "test": "t",
        "rule": "r",
        "data": "digits",
        "numbers": [],
    },
    {"id": "C3", "statement": "Late layers need more.", "verdict": "not tested", "evidence": ""},
]


def network(kinds: dict[Place, Kind]) -> ArchitectureSpec:
    return SPACE.spec((2, 2, 2), kinds)


def loss(spec: ArchitectureSpec, lr: float, rng: random.Random) -> float:
    kinds = dict(zip(spec.places(), spec.ending_kinds, strict=True))
    missing = 0.0
    for place in PLACES:
        worth = WORTH[place] * (1 if lr > 0.05 or place != PLACES[-1] else -1)
        if kinds.get(place, Kind.NONE) is Kind.NONE:
            missing += worth
    both = sum(
        kinds.get(one) is Kind.NONE and kinds.get(two) is Kind.NONE
        for one, two in itertools.pairwise(PLACES)
    )
    return max(0.05, 0.3 + missing + 0.08 * both + rng.gauss(0, 0.04))


def record(
    number: int,
    source: Source,
    spec: ArchitectureSpec,
    seed: int,
    rng: random.Random,
    lr: float = 0.1,
    **more: Any,
) -> TrialRecord:
    value = loss(spec, lr, rng)
    size = complexity(spec)
    is_lost = spec.ending_kinds.count(Kind.NONE) > 3 and rng.random() < 0.4
    accuracy = max(0.1, 1 - value / 2.4)
    curve = tuple(
        EpochMetrics(
            epoch=epoch,
            train_loss=2.0 / epoch,
            val_log_loss=value * 4 / epoch,
            val_accuracy=0.5,
            lr=lr,
            seconds=0.4,
        )
        for epoch in range(1, 5)
    )
    known: dict[str, Any] = {
        "number": number,
        "state": State.FAILED if is_lost else State.COMPLETE,
        "reason": "diverged" if is_lost else None,
        "source": source,
        "decisions": SPACE.decisions(spec),
        "value": None if is_lost else value,
        "spec": spec,
        "spec_id": spec.spec_id,
        "seed": seed,
        "lr": lr,
        "metrics": {} if is_lost else {"val_log_loss": value, "val_accuracy": accuracy},
        "history": curve,
        "epochs_done": 4,
        "seconds": 1.5,
        "params": size.params,
        "macs": size.macs,
    }
    return TrialRecord(**known | more)


def searched(rng: random.Random) -> list[TrialRecord]:
    rows: list[TrialRecord] = []
    for _ in range(80):
        spec = network({place: rng.choice(tuple(Kind)) for place in PLACES})
        for lr in RATES:
            rows.append(record(len(rows), Source.RANDOMISED, spec, len(rows), rng, lr))
    for _ in range(40):
        depths = (2, 2, 2) if rng.random() < 0.6 else (1, 2, 2)
        plain = SPACE.spec(depths, {})
        kinds = {place: rng.choices(tuple(Kind), (1, 4, 3))[0] for place in plain.places()}
        rows.append(record(len(rows), Source.ADAPTIVE, SPACE.spec(depths, kinds), len(rows), rng))
    return rows


def repeated(rng: random.Random, best: TrialRecord) -> list[TrialRecord]:
    rows: list[TrialRecord] = []
    full = network(dict.fromkeys(PLACES, Kind.IDENTITY))
    norms = tuple(1.0 + 0.1 * index for index in range(len(PLACES)))
    for name, spec in ((f"plain-{LAYERS}", PLAIN), (f"identity-{LAYERS}", full)):
        for seed in range(5):
            rows.append(
                record(len(rows), Source.ANCHOR, spec, seed, rng, name=name, gradient_norms=norms,
                       state=State.COMPLETE, reason=None, value=loss(spec, 0.1, rng),
                       evidence={"lesion_shortcut": (0.4,) * len(PLACES)})
            )  # fmt: skip
    assert best.spec is not None
    for base, spec, of_trial in (
        (f"trial {best.number}", best.spec, best.number),
        (f"identity-{LAYERS}", full, None),
        (f"plain-{LAYERS}", PLAIN, None),
    ):
        kinds = dict(zip(spec.places(), spec.ending_kinds, strict=True))
        flips: list[tuple[str | None, ArchitectureSpec]] = [(None, spec)]
        for place, kind in kinds.items():
            new = Kind.NONE if kind is not Kind.NONE else Kind.IDENTITY
            flips.append((f"{place}={new.value}", SPACE.spec(spec.depths, kinds | {place: new})))
        for flip, own in flips:
            for seed in range(6):
                rows.append(
                    record(len(rows), Source.PAIRED, own, 100 + seed, rng, base=base, flip=flip,
                           of_trial=of_trial, replicate=seed, state=State.COMPLETE, reason=None,
                           value=loss(own, 0.1, rng))
                )  # fmt: skip
    return rows


@cache
def whole() -> ReportData:
    """The whole report of the planted study, its map estimated from the rows."""
    rng = random.Random(7)
    rows = searched(rng)
    best = min(
        (t for t in rows if t.value is not None and t.spec and t.spec.depths == (2, 2, 2)),
        key=lambda t: t.value or 9.0,
    )
    again = repeated(rng, best)
    decisions = [name for name in rows[0].decisions if name.startswith("skip.")]
    context = BenefitContext(
        direction="minimize",
        metric="val/log_loss",
        dataset="digits",
        num_classes=10,
        num_val=360,
        study_name="planted",
        reference_spec=PLAIN,
        reference_depths=(2, 2, 2),
        recipe={"lr": 0.1, "epochs": 4},
        run_folder="runs/planted",
        claims=CLAIMS,
        importances={"fanova": dict.fromkeys(decisions, 0.1) | {decisions[0]: 0.3}},
    )
    benefit = dict(skip_benefit(rows, again, context))
    benefit["search"] = {"incumbent": {"trial": best.number}, "val_score": best.value}
    return ReportData(
        study="planted",
        benefit=benefit,
        trials=rows,
        repeats=again,
        facts=FACTS,
        recipe={"epochs": 4, "lr": 0.1},
        reference_spec=PLAIN,
        seconds=400.0,
        next_steps=[
            NextStep(command="nas search --name planted --trials 400", settles="the rest")
        ],
        run="runs/planted",
        claims_page="../claims/claims.html",
    )
