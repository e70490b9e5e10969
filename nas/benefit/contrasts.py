"""Contrasts in the fitted models: what each question is made of."""

from collections.abc import Sequence

import numpy as np

from nas.benefit.coding import BlockDesign, ShareDesign, network_weights, stage_weights
from nas.benefit.models import Models
from nas.benefit.ols import Fit
from nas.benefit.questions import SKIP
from nas.benefit.sample import KINDS
from nas.benefit.spans import CLASSIC, mean_over_blocks, span_weights
from search_spaces.spec import Kind


def span_contrast(
    models: Models, position: int | None, span: int
) -> tuple[Fit, np.ndarray, str] | None:
    """Return model, contrast and estimator's name of a span against span 1.

    Args:
        models: What was fitted.
        position: Index of the block; None for the mean over all blocks that may have both.
        span: The longer span.
    """
    design, blocks = models.block_design, models.blocks
    if blocks is not None and (position is not None or not models.coarse_from_shares):
        weights = span_weights(design.sample, span)
        if position is not None:
            weights = tuple(float(index == position) for index in range(len(weights)))
        own = [design.span_contrast(index, span, CLASSIC) for index in range(len(weights))]
        contrast = mean_over_blocks(own, weights)
        if contrast is not None:
            return blocks, contrast, estimator_name(models)
    if position is not None or models.spans is None or models.span_design is None:
        return None
    contrast = models.span_design.contrast(span)
    return None if contrast is None else (models.spans, contrast, models.span_estimator)


def block_contrast(models: Models, index: int, kind: str, reference: str) -> np.ndarray | None:
    """Return the contrast of two kinds at one block in the block model."""
    return _contrast(models.block_design, index, kind, reference)


def coarse_contrast(
    models: Models, stage: int | None, kind: str, reference: str
) -> tuple[Fit, np.ndarray, str] | None:
    """Return model, contrast and estimator's name for a stage, or for all stages (None)."""
    stages = [place.stage for place in models.block_design.sample.places]
    weights = network_weights(stages) if stage is None else _stage(stages, stage)
    if models.blocks is not None and not models.coarse_from_shares:
        contrast = _average(models, weights, kind, reference)
        return None if contrast is None else (models.blocks, contrast, estimator_name(models))
    names = sorted(set(stages))
    fit, design = models.stages, models.stage_design
    enough = fit is not None and fit.num_clusters >= 2 * design.matrix.shape[1]
    if fit is not None and (stage is not None or enough):
        groups = [names.index(stage)] if stage is not None else list(range(len(names)))
        contrast = _mean_share(design, groups, kind, reference)
        return None if contrast is None else (fit, contrast, "ols_stage_shares")
    if stage is None and models.network is not None:
        contrast = _mean_share(models.network_design, (0,), kind, reference)
        if contrast is not None:
            return models.network, contrast, "ols_network_shares"
    return None


def estimator_name(models: Models) -> str:
    """Return the name of the block model."""
    design = models.block_design
    words = ["ols_blocks", "spans" * design.with_spans, "pairs" * design.with_pairs]
    return "_".join(word for word in words if word)


def _members(kind: str) -> tuple[Kind, ...]:
    return (Kind.IDENTITY, Kind.PROJECTION) if kind == SKIP else (Kind(kind),)


def _codes(kind: str) -> list[int]:
    return [KINDS.index(member) for member in _members(kind)]


def _contrast(design: BlockDesign, index: int, kind: str, reference: str) -> np.ndarray | None:
    """Return a contrast at one block; None unless every kind that it may have has occurred."""
    kinds = design.sample.choices_at(index).kinds if kind == SKIP else _members(kind)
    parts = [
        design.contrast(index, KINDS.index(member), KINDS.index(Kind(reference)))
        for member in _members(kind)
        if member in kinds
    ]
    found = [part for part in parts if part is not None]
    return np.mean(found, axis=0) if found and len(found) == len(parts) else None


def _average(
    models: Models, weights: Sequence[float], kind: str, reference: str
) -> np.ndarray | None:
    """Average a contrast over the blocks that may have both kinds; None where one lacks it."""
    sample = models.block_design.sample
    asked = [
        (index, weight)
        for index, weight in enumerate(weights)
        if weight and sample.may_compare(index, _members(kind), Kind(reference))
    ]
    parts = [_contrast(models.block_design, index, kind, reference) for index, _ in asked]
    return mean_over_blocks(parts, [weight for _, weight in asked])


def _mean_share(
    design: ShareDesign, groups: Sequence[int], kind: str, reference: str
) -> np.ndarray | None:
    """Average a contrast over the groups whose blocks may have both kinds."""
    codes, against = _codes(kind), KINDS.index(Kind(reference))
    asked = [group for group in groups if design.may_compare(group, codes, against)]
    parts = [design.mean_contrast(group, codes, against) for group in asked]
    return mean_over_blocks(parts, [1.0] * len(asked))


def _stage(stages: Sequence[int], stage: int) -> tuple[float, ...]:
    return stage_weights(stages)[sorted(set(stages)).index(stage)]
