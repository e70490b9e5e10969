"""What the model of single blocks says of any network of the reference depth.

It is the model behind the block effects, fitted to the randomised rows alone, as coefficients with
their joint covariance: enough to say by how much one network is better than another, with an
interval, wherever a page lets people change skips.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from nas.benefit.coding import BlockDesign
from nas.benefit.effects import Analysis
from nas.benefit.ols import Fit, t_quantile
from nas.benefit.places import BlockFacts
from nas.benefit.sample import KINDS, Sample
from search_spaces.spec import Kind

_CONFIDENCE = 0.95
_MOST_TERMS = 160
"""More terms make a covariance too large for a file; the model is then that without pairs."""
_DIGITS = 6
"""Significant digits of what is written."""


class _Term(NamedTuple):
    """One coefficient: a kind at a block, or a pair of kinds at neighbouring blocks."""

    blocks: tuple[int, ...]
    """Indices of one block or of two."""
    codes: tuple[int, ...]
    """Index into `KINDS` at each of them."""


def prediction(analysis: Analysis, facts: Sequence[BlockFacts]) -> dict[str, Any] | None:
    """Return the model of single blocks, from which every change of a network can be predicted.

    The difference between two networks is the sum over all terms of the coefficient times the
    difference of the term's value, positive = better. The value of a term `[block, kind]` is 1
    where the network has this kind there, else 0. A term `[block, kind, block, kind]` is a product
    of two codes: 1 where the block has the kind, -1 where it has the first of its kinds, else 0.

    Args:
        analysis: The study's metric at the reference depth.
        facts: Coordinates and costs of every block.

    Returns:
        JSON-ready data; `covariance` is the lower triangle row by row. None where the rows do not
        carry the model: too few of them, several depth plans, or skips of several spans.
    """
    models, sample = analysis.models, analysis.sample
    if models.blocks is None or not analysis.can_decide or not _is_plain(models.block_design):
        return None
    design, fit, terms = _model(models.block_design, models.blocks)
    if not terms:
        return None
    contrasts = np.array([contrast for _, contrast in terms])
    weights = fit.weights(contrasts)
    kinds = _kinds(design, [term for term, _ in terms])
    lower = np.tril_indices(len(terms))
    return {
        "grade": "randomised",
        "estimator": "ols_blocks_pairs" if design.with_pairs else "ols_blocks",
        "cov_type": fit.cov_type,
        "n_runs": sample.num_rows,
        "n_arch": sample.num_clusters,
        "df": fit.df,
        "t": _rounded(t_quantile(fit.df, (1 + _CONFIDENCE) / 2)),
        "blocks": [_block(fact, own) for fact, own in zip(facts, kinds, strict=True)],
        "terms": [_written(term) for term, _ in terms],
        "coefficients": [_rounded(value) for value in weights @ fit.y],
        "covariance": [_rounded(value) for value in fit.covariance(weights)[lower]],
        "support": _support(sample),
    }


def _is_plain(design: BlockDesign) -> bool:
    """Say whether all rows have one depth plan, and skips of one span."""
    if not design.levels or any(design.span_levels):
        return False
    return len(np.unique(design.sample.depths, axis=0)) == 1


def _model(
    design: BlockDesign, fit: Fit
) -> tuple[BlockDesign, Fit, list[tuple[_Term, np.ndarray]]]:
    """Return the model with its usable terms; without pairs where these cannot all be used."""
    terms = _main_terms(design) + _pair_terms(design)
    if design.with_pairs:
        usable = _usable(fit, terms)
        if all(usable) and len(terms) <= _MOST_TERMS:
            return design, fit, terms
        design = replace(design, with_pairs=False)
        fit, terms = Fit(design.matrix, fit.y, fit.cluster), _main_terms(design)
    usable = _usable(fit, terms)
    return design, fit, [term for term, use in zip(terms, usable, strict=True) if use]


def _usable(fit: Fit, terms: Sequence[tuple[_Term, np.ndarray]]) -> list[bool]:
    if not terms:
        return []
    contrasts = np.array([contrast for _, contrast in terms])
    usable = fit.identified(contrasts) & fit.has_errors(fit.weights(contrasts))
    return [bool(use) for use in usable]


def _main_terms(design: BlockDesign) -> list[tuple[_Term, np.ndarray]]:
    """Return every kind at every block against the first kind that occurs there."""
    found = []
    for index, levels in enumerate(design.levels):
        for code in levels[1:]:
            contrast = design.contrast(index, code, levels[0])
            if contrast is not None:
                found.append((_Term((index,), (code,)), contrast))
    return found


def _pair_terms(design: BlockDesign) -> list[tuple[_Term, np.ndarray]]:
    """Return the products of neighbouring blocks, the last columns of the design."""
    if not design.with_pairs:
        return []
    size = design.matrix.shape[1]
    column = size - sum(pair.shape[1] for pair in design.pairs)
    found = []
    for left, (own, beside) in enumerate(zip(design.levels, design.levels[1:], strict=False)):
        for code in own[1:]:
            for other in beside[1:]:
                unit = np.zeros(size)
                unit[column] = 1.0
                found.append((_Term((left, left + 1), (code, other)), unit))
                column += 1
    return found


def _kinds(design: BlockDesign, terms: Sequence[_Term]) -> list[list[int]]:
    """Return the kinds of each block that can be predicted, the first of its levels first."""
    known = {(term.blocks[0], term.codes[0]) for term in terms if len(term.blocks) == 1}
    return [
        [code for code in levels if code == levels[0] or (index, code) in known]
        for index, levels in enumerate(design.levels)
    ]


def _block(fact: BlockFacts, codes: Sequence[int]) -> dict[str, Any]:
    """Return where a block is, which kinds it may have, and what each adds to a plain one."""
    kinds = [KINDS[code] for code in codes]
    return {
        "position": fact.position,
        "stage": fact.place.stage,
        "block": fact.place.block,
        "kinds": [kind.value for kind in kinds],
        "params": [_cost(kind, fact.delta_params) for kind in kinds],
        "macs": [_cost(kind, fact.delta_macs) for kind in kinds],
    }


def _cost(kind: Kind, of_projection: float | None) -> int | None:
    if kind is not Kind.PROJECTION:
        return 0
    return None if of_projection is None else round(of_projection)


def _written(term: _Term) -> list[Any]:
    """Write a term as positions, from 1, each with its kind."""
    return [
        part
        for block, code in zip(term.blocks, term.codes, strict=True)
        for part in (block + 1, KINDS[code].value)
    ]


def _support(sample: Sample) -> dict[str, list[int]]:
    """Return for each kind the fewest and the most blocks that had it in one of the rows.

    A network beyond them is an extrapolation: skips stand in for each other, which a sum of
    average effects does not know.
    """
    counts = {kind.value: (sample.codes == code).sum(axis=1) for code, kind in enumerate(KINDS)}
    return {kind: [int(own.min()), int(own.max())] for kind, own in counts.items() if own.any()}


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
