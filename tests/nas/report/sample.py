"""A made-up study of 200 trials that looks like a real one: the report's tests draw from it."""

import math
import random
from typing import Any

from nas.report.data import NextStep, ReportData
from nas.trials import Source, State, TrialRecord
from search_spaces.complexity import complexity
from search_spaces.residual import ResidualSpace, ResidualSpaceConfig
from search_spaces.spec import ArchitectureSpec, Kind, Place
from trainer.data import data_facts

FACTS = data_facts("digits")
SPACE = ResidualSpace(ResidualSpaceConfig(), FACTS.input, FACTS.num_classes)
KINDS = tuple(kind.value for kind in Kind)
IDENTITY = [
    [0.31, 0.38, 0.27, 0.33, 0.12],
    [0.29, 0.24, 0.21, 0.16, 0.05],
    [0.14, 0.11, 0.07, 0.04, 0.01],
]
"""Planted effects on log-loss, by stage and block."""
SESOI = 0.06


def spec_of(depths: tuple[int, ...], kinds: dict[Place, Kind]) -> ArchitectureSpec:
    return SPACE.spec(depths, kinds)


def uniform_spec(blocks: int, kind: Kind) -> ArchitectureSpec:
    plain = SPACE.spec((blocks,) * 3, {})
    return plain.with_kinds(dict.fromkeys(plain.places(), kind))


def effect_row(
    estimand: str, kind: str, estimate: float, half: float, *, sesoi: float = SESOI, **where: Any
) -> dict[str, Any]:
    low, high = estimate - half, estimate + half
    decision = "inconclusive"
    if low > 0:
        decision = "benefit"
    elif high < 0:
        decision = "harm"
    elif -sesoi < low and high < sesoi:
        decision = "negligible"
    return {
        "estimand": estimand,
        "kind": kind,
        "reference_kind": "identity" if estimand == "KIND" else "none",
        "stage": None,
        "block": None,
        "estimate": estimate,
        "se": half / 2.9,
        "ci_low": estimate - half * 0.7,
        "ci_high": estimate + half * 0.7,
        "ci_sim_low": low,
        "ci_sim_high": high,
        "decision": decision,
        "size": "large" if abs(estimate) >= sesoi else "small",
        "grade": "randomised",
        "gate_passed": True,
        "n_runs": 100,
        **where,
    }


def effects(rng: random.Random, factor: float = 1.0, sesoi: float = SESOI) -> list[dict[str, Any]]:
    def row(estimand: str, kind: str, estimate: float, half: float, **where: Any) -> Any:
        return effect_row(estimand, kind, estimate * factor, half * factor, sesoi=sesoi, **where)

    rows = [
        row("AMCE_ALL", "skip", 0.172, 0.03),
        row("AMCE_ALL", "identity", 0.194, 0.035),
        row("AMCE_ALL", "projection", 0.151, 0.034),
        row("KIND", "projection", -0.043, 0.028),
    ]
    for stage, blocks in enumerate(IDENTITY, start=1):
        mean = sum(blocks) / 5
        rows += [
            row("AMCE_STAGE", "skip", mean - 0.02, 0.05, stage=stage),
            row("AMCE_STAGE", "identity", mean, 0.05, stage=stage),
            row("AMCE_STAGE", "projection", mean - 0.04, 0.05, stage=stage),
        ]
        for block, planted in enumerate(blocks, start=1):
            where = {"stage": stage, "block": block, "position": f"stage{stage}.block{block}"}
            noise = rng.gauss(0, 0.02)
            rows += [
                row("AMCE", "identity", planted + noise, 0.1, **where),
                row("AMCE", "projection", planted - 0.09 + noise, 0.1, **where),
                row("KIND", "projection", -0.09, 0.12, **where),
            ]
    rows[-2] |= {"estimate": -0.14, "ci_sim_low": -0.24, "ci_sim_high": -0.04, "decision": "harm"}
    rows[-5] |= {"estimate": 0.01, "ci_sim_low": -0.05, "ci_sim_high": 0.05}
    rows[-5] |= {"decision": "negligible", "size": "small"}
    return rows


def spread(values: list[float]) -> dict[str, Any]:
    n, mean = len(values), sum(values) / len(values)
    sd = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    half = 2.776 * sd / math.sqrt(n)
    return {"n": n, "mean": mean, "sd": sd, "ci": [mean - half, mean + half]}


def repeats(rng: random.Random, finalists: list[TrialRecord]) -> list[TrialRecord]:
    accuracies = {8: (0.978, 0.981), 20: (0.968, 0.979), 32: (0.802, 0.978)}
    records: list[TrialRecord] = []
    for layers, means in accuracies.items():
        for family, mean in zip(("plain", "identity"), means, strict=True):
            kind = Kind.NONE if family == "plain" else Kind.IDENTITY
            spec = uniform_spec((layers - 2) // 6, kind)
            noise = 0.06 if mean < 0.9 else 0.004
            for seed in range(5):
                accuracy = min(0.994, mean + rng.gauss(0, noise))
                records.append(
                    record(len(records), Source.ANCHOR, spec, 3.1 * (1 - accuracy), accuracy, seed)
                )
                records[-1] = replace_name(records[-1], f"{family}-{layers}", None)
    for place, trial in enumerate(finalists):
        for seed in range(5):
            value = max(0.03, 0.062 + 0.004 * place + rng.gauss(0, 0.008))
            assert trial.spec is not None
            new = record(len(records), Source.FINALIST, trial.spec, value, 1 - value / 3.6, seed)
            records.append(replace_name(new, None, trial.number))
    return records


def replace_name(trial: TrialRecord, name: str | None, of_trial: int | None) -> TrialRecord:
    return TrialRecord(**{**trial.__dict__, "name": name, "of_trial": of_trial})


def record(
    number: int, source: Source, spec: ArchitectureSpec, value: float, accuracy: float, seed: int
) -> TrialRecord:
    size = complexity(spec)
    return TrialRecord(
        number=number,
        state=State.COMPLETE,
        source=source,
        decisions=SPACE.decisions(spec),
        value=value,
        spec=spec,
        spec_id=spec.spec_id,
        seed=seed,
        lr=0.1,
        metrics={"val_log_loss": value, "val_accuracy": accuracy, "train_loss": value / 4},
        epochs_done=8,
        seconds=2.5,
        params=size.params,
        macs=size.macs,
    )


def trials(rng: random.Random, n: int = 200) -> list[TrialRecord]:
    records: list[TrialRecord] = []
    for number in range(n):
        randomised = number % 2 == 0
        skilled = 0 if randomised else min(1.0, number / 120)
        depths = (5, 5, 5) if randomised else tuple(rng.randint(2, 5) for _ in range(3))
        kinds: dict[Place, Kind] = {}
        missing = 0.0
        for stage, depth in enumerate(depths, start=1):
            for block in range(1, depth + 1):
                weights = (1 - skilled * 0.8, 1 + skilled, 1 - skilled * 0.4)
                kind = rng.choices(tuple(Kind), weights)[0]
                kinds[Place(stage, block)] = kind
                if kind is Kind.NONE:
                    missing += IDENTITY[stage - 1][block - 1]
        value = 0.07 + 0.35 * missing + abs(rng.gauss(0, 0.025))
        spec = spec_of(depths, kinds)
        source = Source.RANDOMISED if randomised else Source.ADAPTIVE
        made = record(number, source, spec, value, max(0.1, 1 - value / 3.4), number)
        if number in (57, 130):
            changes = {"state": State.FAILED, "value": None, "metrics": {}, "reason": "diverged"}
            made = TrialRecord(**{**made.__dict__, **changes})
        records.append(made)
    return records


def benefit(rng: random.Random, again: list[TrialRecord], best: TrialRecord) -> dict[str, Any]:
    anchors: list[dict[str, Any]] = []
    for name in dict.fromkeys(t.name for t in again if t.name):
        rows = [t for t in again if t.name == name]
        metrics = {
            key: spread([t.metrics[key] for t in rows]) for key in ("val_accuracy", "val_log_loss")
        }
        row = {"name": name, "depth": int(name.split("-")[1]), "failed": 0, "metrics": metrics}
        anchors.append(row | metrics["val_log_loss"])
    fresh = [t.value for t in again if t.of_trial == best.number and t.value is not None]
    assert best.spec is not None
    return {
        "schema": 1,
        "tool_version": "0.1.0",
        "last_trial_utc": "2025-11-24T09:12:44Z",
        "study": {"name": "digits", "n_trials": 200, "by_source": {"randomised": 100}},
        "data": {"dataset": "digits", "metric": "val/log_loss", "direction": "minimize"},
        "training": {"epochs": 8},
        "reference_distribution": {"name": "independent, uniform over kinds"},
        "sesoi": SESOI,
        "sesoi_source": "5% of full identity minus plain at 32 layers",
        "noise": {"sd_within_arch": 0.052, "sd_between_arch": 0.31, "ratio": 5.96},
        "effects": effects(rng),
        "metrics": {"val_accuracy": {"effects": effects(rng, 0.1, 0.006)}},
        "anchors": anchors,
        "search": {
            "incumbent": {"trial": best.number, "code": best.spec.code, "params": best.params},
            "val_score": best.value,
            "retrained": spread(fresh),
            "versus_identity": {
                "name": "identity-of-5-5-5",
                **spread([0.07, 0.08, 0.075, 0.066, 0.072]),
                "metrics": {"val_accuracy": spread([0.98, 0.979, 0.981, 0.978, 0.98])},
                "params": 45_678,
                "difference": 0.006,
                "ci_low": -0.007,
                "ci_high": 0.019,
                "verdict": "not distinguishable",
            },
            "winner_curse_gap": 0.013,
        },
        "settled": {"num_settled": 22, "num_answers": 30, "trials_to_rest": 80},
        "warnings": ["W_UNDERPOWERED", "W_LR_UNTUNED"],
        "warning_details": [
            {
                "code": "W_UNDERPOWERED",
                "text": "8 effects of single blocks could be large and stay unseen.",
                "remedy": "Train more: nas search --name digits --trials 360",
            },
            {
                "code": "W_LR_UNTUNED",
                "text": "All networks were trained at one learning rate; plain ones may want "
                "less.",
                "remedy": "nas search --name digits-lr --set recipe.lr=0.03",
            },
        ],
    }


def sample(seed: int = 0) -> ReportData:
    """The whole report of a study that went well."""
    rng = random.Random(seed)
    searched = trials(rng)
    done = [t for t in searched if t.value is not None]
    finalists = sorted(done, key=lambda t: t.value or 0.0)[:8]
    again = repeats(rng, finalists)
    return ReportData(
        study="digits",
        benefit=benefit(rng, again, finalists[0]),
        trials=searched,
        repeats=again,
        facts=FACTS,
        recipe={"epochs": 8, "batch_size": 64, "optimizer": "sgd", "lr": 0.1, "warmup_epochs": 1},
        reference_spec=uniform_spec(5, Kind.NONE),
        seconds=348.0,
        versions={"machine": "2 CPU cores", "torch": "2.13.0", "optuna": "5.0.0"},
        next_steps=[
            NextStep(
                command="nas search --name digits --trials 360",
                settles="the other 8 answers",
                trials=160,
                minutes=5.0,
            ),
            NextStep(
                command="nas ablate runs/digits --top 1 --seeds 8",
                settles="the skips of the best network",
                minutes=4.0,
            ),
        ],
    )
