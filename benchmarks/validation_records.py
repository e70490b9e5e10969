"""Validation through the whole map: designs that cannot tell, failures, depths, kinds, pairs, bytes."""

import json
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.figures import Figure
from benchmarks.planted import World, twelve_blocks
from nas.benefit import BenefitContext, skip_benefit
from nas.benefit.paired import paired_mean
from nas.design_hadamard import hadamard_matrix
from nas.trials import TrialRecord
from search_spaces.spec import Kind

_CONTEXT = BenefitContext(direction="minimize", metric="value", sesoi=0.1)
_GENERATOR = "11011100010"
"""First row of the Plackett-Burman design of 12 runs, cyclic.

Source:
    Plackett and Burman 1946, "The design of optimum multifactorial experiments".
"""


def aliasing(studies: int) -> list[Figure]:
    """Designs without their mirror, with interactions: refused, or warned of."""
    tau = np.linspace(1, 0, 11)[:, None]
    world = World(tau=tau, depths=(4, 4, 3), gamma=0.3, sd=0.3)
    half = (hadamard_matrix(20)[:, 1:12] > 0).astype(int)
    designs = {
        "12 runs, each on 5 seeds": np.repeat(plackett_burman(), 5, axis=0),
        "20 runs": half,
    }
    shown, warned = [], []
    for study in range(studies):
        rng = np.random.default_rng((31, study))
        for case, codes in designs.items():
            rows = world.records(codes, world.values(rng, codes).tolist())
            found = skip_benefit(rows, [], _CONTEXT)
            blocks = [row for row in found["effects"] if row["estimand"] == "AMCE"]
            if case == "20 runs":
                warned.append("W_ALIASED" in found["warnings"])
            else:
                shown += [row["estimate"] is not None for row in blocks]
    return [
        Figure(test="aliasing", case="12 runs without the mirror, each on 5 seeds",
               what="block effects that are shown", value=float(np.mean(shown)),
               high=0.0, n=studies),
        Figure(test="aliasing", case="20 runs without the mirror",
               what="studies warned of W_ALIASED", value=float(np.mean(warned)), low=1.0,
               n=studies),
    ]  # fmt: skip


def plackett_burman() -> np.ndarray:
    """Return the 12 runs, (12, 11), of codes 0 and 1."""
    first = np.array([int(sign) for sign in _GENERATOR])
    cyclic = [np.roll(first, shift) for shift in range(11)]
    return np.vstack([*cyclic, np.zeros(11, dtype=int)])


def failures(studies: int) -> list[Figure]:
    """Networks diverge the more often the fewer skips they have: what is done with them matters."""
    world = World(tau=np.full((6, 1), 0.3), depths=(2, 2, 2), sd=0.2)
    chance = -2.5
    context = replace(_CONTEXT, chance={"value": -chance})
    every = np.array(list(np.ndindex(*(2,) * 6)))
    p = _divergence(every)
    truth = _mean_effect(every, (1 - p) * world.mean(every) + p * chance)
    scored, dropped = [], []
    for study in range(studies):
        rng = np.random.default_rng((37, study))
        codes = world.draw_codes(rng, 96)
        values = world.values(rng, codes)
        lost = rng.random(96) < _divergence(codes)
        told = [None if gone else float(v) for v, gone in zip(values, lost, strict=True)]
        found = skip_benefit(world.records(codes, told), [], context)
        scored.append(_headline(found))
        dropped.append(_headline(found["without_failed"]) if found["without_failed"] else np.nan)
    figures = []
    for case, values, low, high in (
        ("diverged ones count as guessing", scored, None, 2.0),
        ("diverged ones left out", dropped, 2.0, None),
    ):
        known = np.array(values)[np.isfinite(values)]
        error = abs(known.mean() - truth) / known.std(ddof=1)
        # In standard errors of one study, as a reader of one map would be misled.
        figures.append(
            Figure(test="failures", case=case, what="|mean error| in standard errors of a study",
                   value=float(error), n=studies, low=low, high=high)
        )  # fmt: skip
    return figures


def _divergence(codes: np.ndarray) -> np.ndarray:
    return 0.6 * np.maximum(0.0, 1 - codes.mean(axis=1) / 0.7)


def _mean_effect(codes: np.ndarray, values: np.ndarray) -> float:
    blocks = range(codes.shape[1])
    return float(
        np.mean(
            [values[codes[:, b] == 1].mean() - values[codes[:, b] == 0].mean() for b in blocks]
        )
    )


def _headline(found: dict[str, Any]) -> float:
    rows = [r for r in found["effects"] if r["estimand"] == "AMCE_ALL" and r["kind"] == "identity"]
    return float(rows[0]["estimate"]) if rows and rows[0]["estimate"] is not None else np.nan


def conditional(studies: int) -> list[Figure]:
    """Three depths with effects of their own: each is found, and unequal ones are not pooled."""
    plans = ((1, 1, 1), (2, 2, 2), (3, 3, 3))
    figures = []
    for case, slope, low, high in (
        ("effects grow with depth", 0.25, 0.8, None),
        ("effects are alike", 0.0, None, 0.07),
    ):
        worlds = [
            World(tau=np.full((sum(p), 1), 0.2 + slope * i), depths=p, sd=0.3)
            for i, p in enumerate(plans)
        ]
        held, flagged = [], []
        for study in range(studies):
            rng = np.random.default_rng((41, study))
            rows: list[TrialRecord] = []
            for world, number in zip(worlds, (48, 60, 108), strict=True):
                codes = world.draw_codes(rng, number)
                values = world.values(rng, codes).tolist()
                rows += world.records(codes, values, first=len(rows))
            found = skip_benefit(rows, [], _CONTEXT)
            held += _held_by_depth(found, {w.depths: w.effects[:, 0] for w in worlds})
            flagged.append(_is_flagged(found))
        figures += [
            Figure(test="conditional", case=case, what="95% intervals per depth that hold",
                   value=float(np.mean(held)), low=0.93, n=studies,
                   slack=0.02 if studies < 60 else 0.0),
            Figure(test="conditional", case=case, what="pooled effects withheld",
                   value=float(np.mean(flagged)), n=studies,
                   slack=0.1 if studies < 60 else 0.0, low=low, high=high),
        ]  # fmt: skip
    return figures


def _held_by_depth(found: dict[str, Any], truth: dict[tuple[int, ...], np.ndarray]) -> list[bool]:
    tables = [(tuple(found["reference_depth"]["depth_plan"] or ()), found["effects"])]
    tables += [(tuple(own["depth_plan"]), own["effects"]) for own in found["other_depths"]]
    held = []
    for plan, effects in tables:
        if plan not in truth:
            continue
        held += [
            row["ci_low"] <= truth[plan][row["position"] - 1] <= row["ci_high"]
            for row in effects
            if row["estimand"] == "AMCE" and row["ci_low"] is not None
        ]
    return held


def _is_flagged(found: dict[str, Any]) -> bool:
    """Say whether the depths are said to differ for blocks at equal relative depth."""
    rows = found["aligned"].get("by", {}).get("rel_depth", [])
    return any(row["kind"] == "identity" and not row["is_pooled"] for row in rows)


def kinds(studies: int) -> list[Figure]:
    """Kinds that a block never has get no number."""
    world = World(tau=np.tile([[0.4, 0.2]], (6, 1)), depths=(3, 3), sd=0.3)
    wrong, held = [], []
    for study in range(studies):
        rng = np.random.default_rng((43, study))
        codes = world.draw_codes(rng, 96)
        codes[:, 0] = np.where(codes[:, 0] == 2, 0, codes[:, 0])
        codes[:, 3] = np.where(codes[:, 3] == 0, 1, codes[:, 3])
        rows = world.records(codes, world.values(rng, codes).tolist())
        found = skip_benefit(rows, [], _CONTEXT)
        for row in found["effects"]:
            if row["estimand"] not in ("AMCE", "KIND") or row["position"] is None:
                continue
            pair = {row["kind"], row["reference_kind"]}
            is_unknown = (row["position"] == 1 and Kind.PROJECTION.value in pair) or (
                row["position"] == 4 and Kind.NONE.value in pair
            )
            if is_unknown:
                wrong.append(row["estimate"] is not None)
            elif row["ci_low"] is not None and row["estimand"] == "AMCE":
                truth = 0.4 if row["kind"] == "identity" else 0.2
                held.append(row["ci_low"] <= truth <= row["ci_high"])
    return [
        Figure(test="kinds", case="kinds that a block never has", what="effects that are shown",
               value=float(np.mean(wrong)), high=0.0, n=studies),
        Figure(test="kinds", case="the others", what="95% intervals that hold",
               value=float(np.mean(held)), low=0.93, n=studies,
               slack=0.02 if studies < 60 else 0.0),
    ]  # fmt: skip


def pairing(studies: int) -> list[Figure]:
    """Pairs on common seeds: intervals that hold, and what pairing gains."""
    figures = []
    # A study is ten numbers here.
    studies = max(10 * studies, 2000)
    for rho in (0.0, 0.5, 0.9):
        rng = np.random.default_rng((47, int(10 * rho)))
        held, differences = [], []
        for _ in range(studies):
            common = rng.normal(size=10)
            arms = [
                np.sqrt(rho) * common + np.sqrt(1 - rho) * rng.normal(size=10) for _ in range(2)
            ]
            found = paired_mean(arms[0] + 0.3, arms[1])
            if found is not None and found.ci is not None:
                held.append(found.ci[0] <= 0.3 <= found.ci[1])
                differences.append(found.d_mean)
        # Against the variance of means of ten independent pairs, 2 / 10.
        gain = 0.2 / float(np.var(differences, ddof=1)) * (1 - rho)
        figures += [
            Figure(test="pairing", case=f"correlation {rho:g}", what="95% intervals that hold",
                   value=float(np.mean(held)), low=0.93, n=studies),
            Figure(test="pairing", case=f"correlation {rho:g}", what="gain over 1 / (1 - rho)",
                   value=gain, low=0.85, high=1.15, n=studies),
        ]  # fmt: skip
    return figures


def determinism(studies: int) -> list[Figure]:
    """The same rows give the same bytes, in whatever order they come."""
    world, same = twelve_blocks(), []
    for study in range(min(studies, 20)):
        rng = np.random.default_rng((53, study))
        codes = world.draw_codes(rng, 60)
        rows = world.records(codes, world.values(rng, codes).tolist())
        texts = set()
        for order in (np.arange(60), np.arange(60)[::-1], rng.permutation(60)):
            found = skip_benefit([rows[index] for index in order], [], _CONTEXT)
            texts.add(json.dumps(found, allow_nan=False))
        same.append(len(texts) == 1)
    return [
        Figure(test="determinism", case="three orders of the rows", what="equal to the byte",
               value=float(np.mean(same)), low=1.0, n=len(same))
    ]  # fmt: skip
