"""What was seen inside the full-identity anchors, and whether it goes with the benefit of skips."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.benefit.effects import Analysis
from nas.benefit.estimates import ALPHA
from nas.benefit.places import BlockFacts
from nas.benefit.sample import depths_of, is_full_identity
from nas.trials import Source, State, TrialRecord
from search_spaces.spec import Kind

SIGNALS = {
    "g_init": "gradient_norms",
    "ratio": "branch_shortcut_ratio",
    "lesion_branch": "lesion_branch",
    "lesion_skip": "lesion_shortcut",
}
"""Signals by their name in the map, and where a record has them."""
_LEAST_BLOCKS = 6
"""Ranks of fewer blocks can agree by chance whatever is drawn."""
_DRAWS, _SEED = 2000, 6007


def signal_rows(
    repeats: Sequence[TrialRecord], analysis: Analysis, facts: Sequence[BlockFacts]
) -> list[dict[str, Any]]:
    """Return one row per block of the full-identity anchor at the reference depth.

    Args:
        repeats: Trials of the `.repeats` study.
        analysis: The effects that the signals are compared with: identity against none.
        facts: The blocks of the reference.

    Returns:
        `position`, the mean of every signal over the anchor's seeds, and, the same in every row,
        `predictive_rho` and `predictive_ci` by signal: Spearman's rank correlation with the
        effects over the blocks and its bootstrap interval. All intervals hold together in 95 of
        100 studies (Bonferroni over the signals). A signal may be called predictive only where
        its interval leaves out zero. Empty without such anchors.
    """
    anchors = _anchors(repeats, facts)
    if not anchors:
        return []
    measured = {name: _of_seeds(anchors, key, len(facts)) for name, key in SIGNALS.items()}
    measured = {name: seeds for name, seeds in measured.items() if len(seeds)}
    rho, interval = {}, {}
    for name, seeds in measured.items():
        found = _agreement(seeds, analysis, len(facts), ALPHA / len(measured))
        if found is not None:
            rho[name], interval[name] = found
    means = {name: seeds.mean(axis=0) for name, seeds in measured.items()}
    return [
        {
            "position": fact.position,
            **{name: _value(means.get(name), index) for name in SIGNALS},
            "cosine": None,
            "n_seeds": len(anchors),
            "predictive_rho": rho or None,
            "predictive_ci": interval or None,
        }
        for index, fact in enumerate(facts)
    ]


def _anchors(repeats: Sequence[TrialRecord], facts: Sequence[BlockFacts]) -> list[TrialRecord]:
    stages = [fact.place.stage for fact in facts]
    plan = tuple(stages.count(stage) for stage in sorted(set(stages)))
    return [
        row
        for row in repeats
        if row.source is Source.ANCHOR
        and row.state is State.COMPLETE
        and is_full_identity(row)
        and depths_of(row) == plan
        and (row.evidence or row.gradient_norms)
    ]


def _of_seeds(anchors: Sequence[TrialRecord], key: str, size: int) -> np.ndarray:
    """Return one signal, shape (seeds, blocks), of the anchors that have it for every block."""
    found = [
        row.gradient_norms if key == "gradient_norms" else row.evidence.get(key, ())
        for row in anchors
    ]
    whole = [own for own in found if len(own) == size and None not in own]
    return np.array(whole, dtype=float).reshape(len(whole), size)


def _agreement(
    seeds: np.ndarray, analysis: Analysis, size: int, alpha: float
) -> tuple[float, list[float]] | None:
    """Return the rank correlation of a signal with the effects, and its bootstrap interval.

    Every draw takes blocks and seeds with replacement, and moves the effects by one draw of their
    joint errors; so the interval is wide where effects are hardly known.
    """
    answers = _effects(analysis, size)
    if answers is None or size < _LEAST_BLOCKS:
        return None
    effects, deviations = answers
    rng = np.random.default_rng(_SEED)
    centre = float(_spearman(seeds.mean(axis=0)[None], effects[None])[0])
    blocks = rng.integers(0, size, (_DRAWS, size))
    drawn = seeds[rng.integers(0, len(seeds), (_DRAWS, len(seeds)))].mean(axis=1)
    moved = effects + deviations[:, rng.integers(0, deviations.shape[1], _DRAWS)].T
    draws = _spearman(
        np.take_along_axis(drawn, blocks, axis=1), np.take_along_axis(moved, blocks, axis=1)
    )
    known = draws[np.isfinite(draws)]
    if not np.isfinite(centre) or len(known) < _DRAWS / 2:
        return None
    low, high = np.quantile(known, (alpha / 2, 1 - alpha / 2))
    return centre, [float(low), float(high)]


def _effects(analysis: Analysis, size: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return identity's effect at every block with its bootstrap deviations; None where one lacks."""
    found: Mapping[int, Any] = {
        question.position: analysis.answers[question]
        for question in analysis.questions
        if question.estimand == "AMCE"
        and question.kind == Kind.IDENTITY.value
        and question.position is not None
        and question in analysis.answers
    }
    if len(found) < size:
        return None
    ordered = [found[index] for index in range(size)]
    return (
        np.array([answer.estimate for answer in ordered]),
        np.array([answer.deviations for answer in ordered]),
    )


def _spearman(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the rank correlation within each row, (draws,); NaN where one does not vary."""
    ranks = [_ranks(values) for values in (one, other)]
    centred = [own - own.mean(axis=1, keepdims=True) for own in ranks]
    scale = np.sqrt(np.square(centred[0]).sum(axis=1) * np.square(centred[1]).sum(axis=1))
    products = (centred[0] * centred[1]).sum(axis=1)
    return np.divide(products, scale, out=np.full(len(scale), np.nan), where=scale > 0)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks within each row, from 0, equal values sharing their mean; (draws, blocks)."""
    left, right = values[:, :, None], values[:, None, :]
    return (left > right).sum(axis=2) + 0.5 * (left == right).sum(axis=2)


def _value(means: np.ndarray | None, index: int) -> float | None:
    return None if means is None else float(means[index])
