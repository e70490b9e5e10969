"""Effects of several depths side by side, blocks aligned by where they are, and pooled if equal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.benefit.contrasts import block_contrast
from nas.benefit.effects import Analysis
from nas.benefit.estimates import ALPHA
from nas.benefit.meta import Homogeneity, homogeneity, pool
from nas.benefit.ols import t_quantile
from nas.benefit.places import BlockFacts
from nas.benefit.questions import SKIP
from search_spaces.spec import Kind

_THIRDS = 3


@dataclass(frozen=True)
class DepthAnalysis:
    """One depth plan, fully estimated."""

    plan: tuple[int, ...]
    layers: int
    analysis: Analysis
    facts: Sequence[BlockFacts]


@dataclass(frozen=True)
class _Cell:
    """What one depth says of one bin: the mean over its blocks there."""

    bin: tuple[int, ...]
    plan: int
    contrast: np.ndarray


_COORDINATES: dict[str, tuple[tuple[str, ...], Callable[[BlockFacts], tuple[int, ...]]]] = {
    "from_start": (("stage", "from_start"), lambda fact: (fact.place.stage, fact.place.block)),
    "from_end": (("stage", "from_end"), lambda fact: (fact.place.stage, fact.from_end)),
    "rel_depth": (("third",), lambda fact: (min(int(fact.rel_depth * _THIRDS) + 1, _THIRDS),)),
}
"""Coordinates -> names of their parts, and where a block is in them."""


def aligned_effects(depths: Sequence[DepthAnalysis]) -> dict[str, Any]:
    """Return what the depths say of blocks at the same place; empty with one depth.

    For each coordinate (stage and index from the stage's start, from its end, third of the
    relative depth) and each kind: the estimates by depth, the test that they are equal, and only
    where it does not say otherwise the pooled effect, with a deviation per depth and bin in the
    model (partial pooling).

    Args:
        depths: Analyses of the depth plans, each with a model of single blocks.
    """
    known = [own for own in depths if own.analysis.models.blocks is not None]
    if len(known) < 2:
        return {}
    kinds = dict.fromkeys(
        question.kind
        for own in known
        for question in own.analysis.questions
        if question.estimand == "AMCE"
    )
    return {
        "depth_plans": [list(own.plan) for own in known],
        "depths": [own.layers for own in known],
        "n_rows": sum(own.analysis.sample.num_rows for own in known),
        "grade": "randomised",
        "by": {
            name: [
                row for kind in [*kinds, SKIP] if (row := _by_kind(known, name, kind)) is not None
            ]
            for name in _COORDINATES
        },
    }


def _by_kind(known: Sequence[DepthAnalysis], name: str, kind: str) -> dict[str, Any] | None:
    cells = [cell for index, own in enumerate(known) for cell in _cells(own, index, name, kind)]
    bins = sorted({cell.bin for cell in cells})
    shared = [own for own in bins if sum(cell.bin == own for cell in cells) > 1]
    cells = [cell for cell in cells if cell.bin in shared]
    if not cells:
        return None
    estimates, covariance = _estimates(known, cells)
    matrix = np.array([[float(cell.bin == own) for own in shared] for cell in cells])
    fits = [own.analysis.models.blocks for own in known]
    error_df = min(fit.df for fit in fits if fit is not None)
    test = homogeneity(matrix, estimates, covariance, error_df)
    return {
        "kind": kind,
        "reference_kind": Kind.NONE.value,
        "interaction": _test_row(test),
        "is_pooled": test is not None and test.p >= ALPHA,
        **_bins(known, name, cells, shared, matrix, estimates, covariance, test),
    }


def _test_row(test: Homogeneity | None) -> dict[str, Any] | None:
    return None if test is None else {"f": test.statistic, "df": test.df, "p": test.p}


def _cells(own: DepthAnalysis, plan: int, name: str, kind: str) -> list[_Cell]:
    """Return the bins of one depth whose blocks all have an estimate."""
    _, where = _COORDINATES[name]
    members: dict[tuple[int, ...], list[int]] = {}
    for index, fact in enumerate(own.facts):
        members.setdefault(where(fact), []).append(index)
    fit, cells = own.analysis.models.blocks, []
    if fit is None:
        return []
    for place, blocks in members.items():
        parts = [
            block_contrast(own.analysis.models, index, kind, Kind.NONE.value) for index in blocks
        ]
        found = [part for part in parts if part is not None]
        if len(found) < len(parts):
            continue
        contrast = np.mean(found, axis=0)
        is_known = fit.identified(contrast[None])[0]
        if is_known and fit.has_errors(fit.weights(contrast[None]))[0]:
            cells.append(_Cell(place, plan, contrast))
    return cells


def _estimates(
    known: Sequence[DepthAnalysis], cells: Sequence[_Cell]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the estimates of the cells and their robust covariance; depths share no rows."""
    estimates, covariance = np.zeros(len(cells)), np.zeros((len(cells), len(cells)))
    for index, own in enumerate(known):
        fit = own.analysis.models.blocks
        mine = [number for number, cell in enumerate(cells) if cell.plan == index]
        if fit is None or not mine:
            continue
        weights = fit.weights(np.array([cells[number].contrast for number in mine]))
        estimates[mine] = weights @ fit.y
        covariance[np.ix_(mine, mine)] = fit.covariance(weights)
    return estimates, covariance


def _bins(
    known: Sequence[DepthAnalysis],
    name: str,
    cells: Sequence[_Cell],
    shared: Sequence[tuple[int, ...]],
    matrix: np.ndarray,
    estimates: np.ndarray,
    covariance: np.ndarray,
    test: Homogeneity | None,
) -> dict[str, Any]:
    """Return one row per bin, with a pooled number only where depths do not differ."""
    is_pooled = test is not None and test.p >= ALPHA
    pooled = pool(matrix, estimates, covariance) if is_pooled else None
    rows = []
    for column, place in enumerate(shared):
        row: dict[str, Any] = dict(zip(_COORDINATES[name][0], place, strict=True))
        row |= {"estimate": None, "se": None, "ci_low": None, "ci_high": None}
        if pooled is not None:
            estimate = float(pooled.coefficients[column])
            se = float(np.sqrt(pooled.covariance[column, column]))
            half = t_quantile(max(pooled.df, 1), 1 - ALPHA / 2) * se
            row |= {"estimate": estimate, "se": se}
            row |= {"ci_low": estimate - half, "ci_high": estimate + half}
        row["by_depth"] = [
            {
                "depth": known[cell.plan].layers,
                "depth_plan": list(known[cell.plan].plan),
                "estimate": float(estimates[number]),
                "se": float(np.sqrt(covariance[number, number])),
            }
            for number, cell in enumerate(cells)
            if cell.bin == place
        ]
        rows.append(row)
    return {"between_sd": None if pooled is None else pooled.between_sd, "bins": rows}
